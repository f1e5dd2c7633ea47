import JournalFileSystem
import JournalTesting

import SystemPackage
import Testing

@testable import AgentJournal
@testable import SegmentLog

@Suite("While another process is stopped inside an append")
struct StoppedProcessTests {
    @Test("a task that adds commits on no thread of the pool: it is suspended, and the committer waits")
    func handedOver() async throws {
        let disk = SimulatedDisk(pid: 1)
        var own = options(disk)
        own.lockTimeout = .milliseconds(300)
        let journal = try Journal.openNow(at: directory, options: own)
        _ = try journal.addNow(NewMemory("first"), to: "c")
        let engine = try journal.engine
        let append = try Append.add(NewMemory("second"), to: "c", expecting: nil, limits: engine.limits)
        // As a stopped process has it: the range is locked, and nothing is said.
        let other = disk.asProcess(pid: 2)
        let lock = try other.openFile(directory.appending("lock"), .readWrite)
        #expect(try lock.lock(LockFile.writerRange, .exclusive, wait: false))
        #expect(engine.commitAsCaller(append, mayBlock: false) == nil)
        let error = await code { try await journal.conversation("c").add("third") }
        #expect(error == .busy)
        lock.close()
        #expect(try await journal.conversation("c").add("fourth").sequence == 2)
        try await journal.close()
    }
}
