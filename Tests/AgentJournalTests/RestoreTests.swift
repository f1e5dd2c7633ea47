import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import AgentJournal

@Suite("Restoring")
struct RestoreTests {
    private let backup: FilePath = "/backups/memory"

    private func open(_ disk: SimulatedDisk, at path: FilePath = directory) throws -> Journal {
        try Journal.openNow(at: path, options: options(disk, segmentBytes: 4096))
    }

    private func texts(_ disk: SimulatedDisk, at path: FilePath) throws -> [String] {
        #expect(try Journal.verify(at: path, fileSystem: disk).problems == [])
        var options = options(disk, segmentBytes: 4096)
        options.access = .readOnly
        let journal = try Journal.openNow(at: path, create: .never, options: options)
        defer { try? journal.closeNow() }
        return try journal.view().memories(in: "c").compactMap(\.content.text)
    }

    /// A journal with a backup of its first memories.
    private func make() throws -> SimulatedDisk {
        let disk = SimulatedDisk(pid: 1)
        let journal = try open(disk)
        for text in ["one", "two"] { _ = try journal.addNow(NewMemory(.text(text)), to: "c") }
        try journal.backUpNow(to: backup)
        for text in ["three", "four"] { _ = try journal.addNow(NewMemory(.text(text)), to: "c") }
        try journal.closeNow()
        return disk
    }

    @Test("the backup takes the journal's place, what was there is kept, and the backup stays as it is")
    func replaces() throws {
        let disk = try make()
        let report = try Journal.restoreNow(from: backup, to: directory, options: options(disk))
        let replaced = try #require(report.replaced)
        #expect(report.sequence == 2)
        #expect(try texts(disk, at: directory) == ["one", "two"])
        #expect(try texts(disk, at: replaced) == ["one", "two", "three", "four"])
        #expect(try texts(disk, at: backup) == ["one", "two"])
        let journal = try open(disk)
        #expect(try journal.addNow(NewMemory("five"), to: "c").sequence == 3)
        // The next one keeps what is there by then under another name.
        try journal.closeNow()
        let again = try Journal.restoreNow(from: backup, to: directory, options: options(disk))
        #expect(again.replaced != nil && again.replaced != replaced)
    }

    @Test("into a directory that is not there, or is empty, it is copied")
    func fresh() throws {
        let disk = try make()
        #expect(
            try Journal.restoreNow(from: backup, to: "/new/memory", options: options(disk)).replaced == nil)
        #expect(try texts(disk, at: "/new/memory") == ["one", "two"])
        try disk.createDirectory("/empty")
        _ = try Journal.restoreNow(from: backup, to: "/empty", options: options(disk))
        #expect(try texts(disk, at: "/empty") == ["one", "two"])
    }

    @Test(
        "while the journal is open, or the backup is damaged, or something else is there, nothing is changed")
    func refused() async throws {
        let disk = try make()
        let journal = try open(disk.asProcess(pid: 2))
        let paths = disk.paths
        #expect(
            await code { try Journal.restoreNow(from: backup, to: directory, options: options(disk)) }
                == .busy)
        #expect(disk.paths == paths)
        try journal.closeNow()
        try disk.createDirectory("/other")
        try disk.replaceContents(of: "/other/note.txt", with: [1])
        #expect(
            await code { try Journal.restoreNow(from: backup, to: "/other", options: options(disk)) }
                == .notAJournal)
        #expect(
            await code { try Journal.restoreNow(from: "/nowhere", to: directory, options: options(disk)) }
                == .noJournal)
        let segment = try #require(disk.paths.first { $0.string.hasPrefix("\(backup)/log/") })
        try disk.corrupt(segment, at: 1060, xor: 1)
        #expect(
            await code { try Journal.restoreNow(from: backup, to: directory, options: options(disk)) }
                == .damaged)
        #expect(try texts(disk, at: directory) == ["one", "two", "three", "four"])
    }

    @Test(
        "whatever single call fails, there is the journal of before or the restored one",
        arguments: [Errno.ioError, .noSpace, .tooManyOpenFiles])
    func failingCalls(_ error: Errno) throws {
        let disk = try make()
        var (call, failed) = (0, 0)
        while true {
            let trial = disk.copy()
            trial.resetCalls()
            trial.fail(nil, afterCalls: call, with: .init(error))
            do {
                _ = try Journal.restoreNow(from: backup, to: directory, options: options(trial))
            } catch {
                failed += 1
            }
            let isOver = trial.calls.count <= call
            trial.cancelFaults()
            if isOver { break }
            let found = try texts(trial, at: directory)
            #expect(found == ["one", "two"] || found == ["one", "two", "three", "four"], "call \(call)")
            #expect(try texts(trial, at: backup) == ["one", "two"], "call \(call)")
            call += 1
        }
        #expect(call > 100 && failed > 50)
    }

    @Test("a power cut after any call leaves the journal of before or the restored one")
    func crashes() throws {
        let disk = try make()
        disk.resetCalls()
        disk.keepsHistory = true
        _ = try Journal.restoreNow(from: backup, to: directory, options: options(disk))
        let count = disk.calls.count
        #expect(count > 100)
        for call in stride(from: 0, to: count, by: Thoroughness.isExhaustive ? 1 : 3) {
            for kept in [SimulatedDisk.Kept.everything, .nothingUnsynced] {
                let found = try texts(disk.crash(afterCall: call, keeping: kept), at: directory)
                #expect(
                    found == ["one", "two"] || found == ["one", "two", "three", "four"], "after call \(call)")
            }
        }
    }
}
