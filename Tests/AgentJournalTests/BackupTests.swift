import JournalFileSystem
import JournalTesting
import Synchronization
import SystemPackage
import Testing

@testable import AgentJournal

@Suite("Backups")
struct BackupTests {
    private let copy: FilePath = "/backups/memory"

    private func open(
        _ disk: SimulatedDisk, at path: FilePath = directory, _ access: Journal.Access = .readWrite
    ) throws -> Journal {
        var options = options(disk, segmentBytes: 4096)
        options.access = access
        options.lockTimeout = .milliseconds(200)
        return try Journal.openNow(
            at: path, create: path == directory ? .ifMissing : .never, options: options)
    }

    private func digest(_ disk: SimulatedDisk, at path: FilePath) throws -> (String, UInt64) {
        let problems = try Journal.verify(at: path, fileSystem: disk).problems
        #expect(problems == [])
        let journal = try open(disk, at: path, .readOnly)
        defer { try? journal.closeNow() }
        return (try journal.view().digest(), journal.lastSequence)
    }

    private func fill(_ journal: Journal, _ count: Int, from first: Int = 0) throws {
        for number in first..<(first + count) {
            _ = try journal.addNow([
                (
                    "c\(number % 3)",
                    NewMemory(.text("memory \(number), of some length"), idempotencyKey: "\(number)")
                )
            ])
        }
    }

    @Test("a copy has the state of the point it names, and the next one writes only what is new")
    func incremental() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        let empty = try journal.backUpNow(to: copy)
        #expect(empty.sequence == 0 && empty.writtenFiles == 1)
        var last: UInt64 = 0
        for round in 0..<12 {
            try fill(journal, 1 + round * 5, from: Int(journal.lastSequence))
            switch round % 4 {
            case 1: _ = try journal.snapshotNow()
            case 2: _ = try journal.compactNow(keepingHistory: round == 10 ? .none : .all)
            case 3:
                _ = try journal.forgetNow([last + 1])
                _ = try journal.compactNow(keepingHistory: .all, erasingForgotten: true)
            default: break
            }
            let report = try journal.backUpNow(to: copy)
            #expect(report.sequence == journal.lastSequence)
            let (found, sequence) = try digest(disk, at: copy)
            #expect(sequence == report.sequence)
            #expect(found == (try journal.view().digest()))
            let again = try journal.backUpNow(to: copy)
            #expect(again.writtenFiles == 0 && again.removed == [] && again.sequence == report.sequence)
            last = journal.lastSequence
        }
        // What grows is not copied again.
        try fill(journal, 3, from: 10_000)
        let small = try journal.backUpNow(to: copy)
        #expect(small.writtenFiles == 1 && small.writtenBytes < 1000 && small.keptFiles > 3)
        try await journal.close()
    }

    @Test("the copy is of one moment, while others add")
    func besideWriters() async throws {
        let disk = SimulatedDisk(pid: 1)
        let journal = try open(disk)
        let isDone = Atomic<Bool>(false)
        let writer = try spawnThread(name: "adds") {
            var number = 0
            while !isDone.load(ordering: .relaxed), number < 3000 {
                try? fill(journal, 1, from: number)
                number += 1
                if number % 100 == 50 { _ = try? journal.compactNow(keepingHistory: .all) }
            }
        }
        let other = try open(disk.asProcess(pid: 2), .readOnly)
        for _ in 0..<8 {
            let before = journal.lastSequence
            let report = try other.backUpNow(to: copy)
            #expect(report.sequence >= before)
            let (found, sequence) = try digest(disk, at: copy)
            #expect(sequence == report.sequence)
            #expect(found == (try journal.pastView(at: .sequence(report.sequence)).digest()))
        }
        isDone.store(true, ordering: .relaxed)
        writer.join()
        try other.closeNow()
        try journal.closeNow()
    }

    @Test("a crash after any call leaves the copy of before, or one that says it is incomplete")
    func crashes() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        try fill(journal, 60)
        try journal.backUpNow(to: copy)
        let before = try digest(disk, at: copy)
        try fill(journal, 60, from: 60)
        _ = try journal.forgetNow([3])
        _ = try journal.compactNow(keepingHistory: .all, erasingForgotten: true)
        let after = try journal.view().digest()
        disk.resetCalls()
        disk.keepsHistory = true
        try journal.backUpNow(to: copy)
        let count = disk.calls.count
        #expect(count > 30)
        var incomplete = 0
        for call in stride(from: 0, to: count, by: Thoroughness.isExhaustive ? 1 : 3) {
            for kept in [SimulatedDisk.Kept.everything, .nothingUnsynced] {
                let crashed = disk.crash(afterCall: call, keeping: kept)
                if let code = await code({ _ = try open(crashed, at: copy, .readOnly) }) {
                    #expect(code == .notAJournal, "after call \(call)")
                    incomplete += 1
                } else {
                    let found = try digest(crashed, at: copy).0
                    #expect(found == before.0 || found == after, "after call \(call)")
                }
                let again = try open(crashed)
                try again.backUpNow(to: copy)
                #expect(try digest(crashed, at: copy).0 == after, "after call \(call)")
                try await again.close()
            }
        }
        #expect(incomplete > 0)
        try await journal.close()
    }

    @Test(
        "whatever single call fails, the copy can be read, as it was or as it is to be, and the next backup completes it",
        arguments: [Errno.ioError, .noSpace, .tooManyOpenFiles, .noMemory, .interrupted])
    func failingCalls(_ error: Errno) throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        try fill(journal, 60)
        try journal.backUpNow(to: copy)
        let before = try digest(disk, at: copy).0
        try fill(journal, 60, from: 60)
        _ = try journal.forgetNow([3])
        _ = try journal.compactNow(keepingHistory: .all, erasingForgotten: true)
        try fill(journal, 3, from: 120)
        let after = try journal.view().digest()
        try journal.closeNow()
        var (call, failed) = (0, 0)
        while true {
            let trial = disk.copy()
            let journal = try open(trial)
            trial.resetCalls()
            trial.fail(nil, afterCalls: call, with: .init(error))
            let code = codeNow { try journal.backUpNow(to: copy) }
            let isOver = trial.calls.count <= call
            trial.cancelFaults()
            if isOver { break }
            if code != nil { failed += 1 }
            let found = try digest(trial, at: copy).0
            #expect(found == after || (found == before && code != nil), "call \(call)")
            try journal.backUpNow(to: copy)
            #expect(try digest(trial, at: copy).0 == after, "call \(call)")
            try journal.closeNow()
            call += 1
        }
        #expect(call > 60 && failed > 20)
    }

    @Test("whatever single call of a first backup fails, the next one makes it whole")
    func failingFirst() throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        try fill(journal, 60)
        _ = try journal.snapshotNow()
        let after = try journal.view().digest()
        try journal.closeNow()
        var call = 0
        while true {
            let trial = disk.copy()
            let journal = try open(trial)
            trial.resetCalls()
            trial.fail(nil, afterCalls: call, with: .inputOutputError)
            let code = codeNow { try journal.backUpNow(to: copy) }
            let isOver = trial.calls.count <= call
            trial.cancelFaults()
            if isOver { break }
            if code != nil { try journal.backUpNow(to: copy) }
            #expect(try digest(trial, at: copy).0 == after, "call \(call)")
            try journal.closeNow()
            call += 1
        }
        #expect(call > 40)
    }

    private func codeNow(_ body: () throws -> Void) -> JournalError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? JournalError)?.code ?? .system
        }
    }

    @Test("what is no copy of this journal is refused, and left as it is")
    func refused() async throws {
        let disk = SimulatedDisk(pid: 1)
        let journal = try open(disk)
        try fill(journal, 5)
        func code(_ path: FilePath) async -> JournalError.Code? {
            await AgentJournalTests.code { try journal.backUpNow(to: path) }
        }
        #expect(await code(directory) == .notAJournal)
        #expect(await code(directory.appending("log")) == .notAJournal)
        #expect(await code("/srv") == .notAJournal)
        try journal.backUpNow(to: copy)
        // Open elsewhere.
        let opened = try open(disk.asProcess(pid: 2), at: copy)
        #expect(await code(copy) == .busy)
        try opened.closeNow()
        // Opened and closed it is the same still.
        #expect(await code(copy) == nil)
        let written = try open(disk.asProcess(pid: 3), at: copy)
        _ = try written.addNow([("c1", "of the copy alone")])
        try written.closeNow()
        let paths = disk.paths
        #expect(await code(copy) == .notAJournal)
        try fill(journal, 50, from: 5)
        #expect(await code(copy) == .notAJournal)
        #expect(
            disk.paths.filter { $0.string.hasPrefix("/backups") }
                == paths.filter { $0.string.hasPrefix("/backups") })
        // Another's.
        try disk.createDirectory("/other")
        try disk.replaceContents(of: "/other/note.txt", with: [1])
        #expect(await code("/other") == .notAJournal)
        try await journal.close()
    }

    @Test("a damaged journal is not copied over a good copy")
    func damaged() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        try fill(journal, 80)
        _ = try journal.compactNow(keepingHistory: .all)
        try fill(journal, 80, from: 80)
        try journal.closeNow()
        try open(disk).backUpNow(to: "/backups/first")
        let segments = disk.paths.filter { $0.string.hasPrefix("\(directory)/log/") }.sorted {
            $0.string < $1.string
        }
        try disk.corrupt(segments[0], at: 1100, xor: 4)
        let again = try open(disk)
        #expect(await code { try again.backUpNow(to: copy) } == .damaged)
        #expect(await code { _ = try open(disk, at: copy, .readOnly) } == .notAJournal)
        #expect(try digest(disk, at: "/backups/first").1 == 160)
        try again.closeNow()
    }
}
