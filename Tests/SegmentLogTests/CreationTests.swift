import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Making a journal")
struct CreationTests {
    /// The calls of a creation, by what they left.
    private func creation() throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        disk.keepsHistory = true
        _ = try disk.open()
        return disk
    }

    @Test("a journal half made at any call is finished by the next opening, or there is none to a reader")
    func halfMade() throws {
        let disk = try creation()
        for index in disk.calls.indices {
            for kept in SimulatedDisk.Kept.allCases {
                let place = "call \(index), \(disk.calls[index]), keeping \(kept)"
                let found = disk.crash(afterCall: index, keeping: kept)
                do {
                    _ = try found.openForReading().checkPrefix()
                } catch let error as LogError where error.kind == .missing {
                    // There is none yet.
                } catch {
                    Issue.record("\(place), to a reader: \(error)")
                }
                do {
                    let log = try found.open(seed: 2)
                    try log.add(2)
                    try log.close()
                    guard try found.crash(keeping: .nothingUnsynced).open().checkPrefix() == 2 else {
                        throw Wrong("not all there")
                    }
                    guard !found.paths.contains(where: { $0.string.hasSuffix(".new") }) else {
                        throw Wrong("a file is left over")
                    }
                } catch {
                    Issue.record("\(place): \(error)")
                }
            }
        }
    }

    @Test("every call of creation that fails is an error, and the next opening makes the journal")
    func failures() throws {
        let count = try creation().calls.count
        for fault in [SimulatedDisk.Fault.inputOutputError, .noSpace] {
            for index in 0..<count {
                let disk = SimulatedDisk()
                disk.fail(nil, afterCalls: index, with: fault)
                do {
                    let log = try disk.open()
                    // What was only tidying may fail unnoticed.
                    try log.add()
                    try log.close()
                    continue
                } catch {
                    if fault == .noSpace, error.kind != .noSpace, error.cause?.isFull != true {
                        Issue.record("call \(index): \(error)")
                    }
                }
                do {
                    let again = disk.copy()
                    let log = try again.open()
                    try log.add()
                    guard try again.crash(keeping: .nothingUnsynced).open().checkPrefix() == 1 else {
                        throw Wrong("not there")
                    }
                } catch {
                    Issue.record("after a failure of call \(index): \(error)")
                }
            }
        }
    }

    @Test("every directory above is durable too, also one that a killed process had made")
    func ancestors() throws {
        let disk = SimulatedDisk()
        try disk.createDirectory("/srv")
        let log = try disk.open()
        try log.add()
        #expect(try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == 1)
    }

    @Test("nothing is made when none is to be created")
    func notCreated() throws {
        for isThere in [false, true] {
            let disk = SimulatedDisk()
            if isThere {
                try disk.createDirectory("/srv")
                try disk.createDirectory(directory)
            }
            var options = LogOptions.test(disk)
            options.createsIfMissing = false
            #expect(logError { _ = try SegmentLog.open(directory, options) }?.kind == .missing)
            #expect(logError { _ = try disk.openForReading() }?.kind == .missing)
            #expect(disk.paths.isEmpty)
        }
    }

    @Test("a file, or a directory that holds something else, is not a journal and is left alone")
    func notAJournal() throws {
        let disk = SimulatedDisk()
        try disk.replaceContents(of: directory, with: [1, 2, 3])
        #expect(logError { _ = try disk.open() }?.kind == .notAJournal)
        #expect(logError { _ = try disk.openForReading() }?.kind == .notAJournal)
        let other = SimulatedDisk()
        try other.replaceContents(of: directory.appending("notes.txt"), with: [1])
        #expect(logError { _ = try other.open() }?.kind == .notAJournal)
        #expect(other.paths == [directory.appending("notes.txt")])
        // A fresh volume is no reason to refuse.
        let volume = SimulatedDisk()
        try volume.replaceContents(of: directory.appending("lost+found").appending("x"), with: [1])
        #expect(try volume.open().checkPrefix() == 0)
    }

    @Test("where nothing but a snapshot is left of a journal, none is made in its place")
    func onlySnapshots() throws {
        let disk = SimulatedDisk()
        let snapshot = directory.appending("snapshots").appending("00000000000000000019.snapshot")
        try disk.replaceContents(of: snapshot, with: [1, 2, 3])
        #expect(logError { _ = try disk.open() }?.kind == .damaged)
        #expect(logError { _ = try disk.openForReading() }?.kind == .damaged)
        #expect(disk.paths == [snapshot])
    }

    @Test("locks and mappings that cannot be trusted are refused before anything is written")
    func untrusted() throws {
        let disk = SimulatedDisk()
        disk.setVolume(name: "nfs", kind: .untrusted)
        let error = logError { _ = try disk.open() }
        #expect(error?.kind == .untrustedVolume)
        #expect(error?.message.contains("nfs") == true)
        #expect(disk.paths.isEmpty)
    }

    @Test("a second process joins; one that is stopped is waited for, and named")
    func busy() throws {
        let disk = SimulatedDisk(pid: 41)
        let log = try disk.open()
        try log.add()
        let other = disk.asProcess(pid: 42)
        let second = try other.open(lockTimeout: .milliseconds(20))
        #expect(second.report.ending == .shared)
        #expect(second.otherOpeners.map(\.process.pid) == [41])
        try second.add()
        try log.add()
        #expect(try log.checkPrefix() == 3)
        #expect(try second.checkPrefix() == 3)
        // Stopped while it appends.
        let stopped = try disk.openFile(log.paths.lock, .readWrite)
        #expect(try stopped.lock(LockFile.writerRange, .exclusive, wait: false))
        let error = try #require(logError { try second.writeNext() })
        #expect(error.kind == .busy)
        #expect(error.message.contains("process 41 on in-memory"))
        #expect(
            logError { _ = try disk.asProcess(pid: 43).open(lockTimeout: .milliseconds(20)) }?.kind == .busy)
        try stopped.unlock(LockFile.writerRange)
        try second.add()
        try log.close()
        // The last one to close leaves the record.
        #expect(try disk.openForReading().report.ending == .shared)
        try second.close()
        #expect(other.paths.count == 3)
        let third = try other.open()
        #expect(third.report.ending == .clean)
        #expect(try third.checkPrefix() == 4)
        other.kill()
        #expect(try disk.open().checkPrefix() == 4)
    }

    @Test(
        "a journal made where one was removed is not judged by what that one left in lock", arguments: [0, 3])
    func anew(count: Int) throws {
        let disk = SimulatedDisk()
        try disk.open().close()
        for path in disk.paths where path != paths.lock { try disk.remove(path) }
        let log = try disk.open(seed: 2)
        if count > 0 { try log.add(count) }
        let found = disk.crash(keeping: .nothingUnsynced)
        #expect(try found.survey().problems == [])
        #expect(try found.open(seed: 3).checkPrefix() == UInt64(count))
    }
}
