import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import AgentJournal
@testable import SegmentLog

/// What no writer writes: numbers that a repair, or a reader, would count up to or take memory for.
@Suite("Impossible numbers")
struct ImpossibleNumbersTests {
    private func journal() async throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("c").add("one")
        try await journal.close()
        return disk
    }

    private func repair(_ disk: SimulatedDisk, dryRun: Bool) async -> JournalError.Code? {
        await code { _ = try Journal.repair(at: directory, options: options(disk), dryRun: dryRun) }
    }

    @Test(
        "a note of losses far beyond the log is no loss of so many: an error says what to move away",
        arguments: [
            "1 4611686018427387903", "1 18446744073709551615", "2 9000000000",
            "18446744073709551615 18446744073709551615",
        ])
    func unfinished(_ line: String) async throws {
        let disk = try await journal()
        try disk.createDirectory(directory.appending("damaged"))
        try disk.replaceContents(
            of: directory.appending("damaged").appending("unfinished"), with: Array("\(line)\nend\n".utf8))
        for dryRun in [true, false] {
            let found = await repair(disk, dryRun: dryRun)
            #expect(found == nil || found == .damaged, "\(line)")
        }
        // What is there can be read all the same.
        var reading = options(disk)
        reading.access = .readOnly
        let again = try Journal.openNow(at: directory, create: .never, options: reading)
        #expect(try again.view().count == 1)
        try again.closeNow()
    }

    @Test(
        "a record of a clean close far beyond the log",
        arguments: [UInt64(1) << 33, UInt64(1) << 61, (UInt64(1) << 62) - 1] as [UInt64])
    func record(_ last: UInt64) async throws {
        let disk = try await journal()
        let lock = try disk.openFile(directory.appending("lock"), .readWrite)
        try SegmentLog.leaveMark(
            CleanCloseRecord(segment: 1, chain: 1, end: 1 << 40, lastSequence: last, closedMicroseconds: 0),
            lock)
        lock.close()
        #expect(try !Journal.verify(at: directory, fileSystem: disk).isHealthy)
        for dryRun in [true, false] {
            #expect(await repair(disk, dryRun: dryRun) == .damaged)
        }
    }

    @Test("a snapshot's block that says that it is longer than the journal's largest event takes no memory")
    func block() throws {
        let disk = SimulatedDisk()
        try disk.createDirectory("/j")
        let paths = JournalPaths("/j")
        func files(_ most: Int) -> SnapshotFiles {
            SnapshotFiles(
                paths, disk, journal: JournalUUID(high: 1, low: 2), cache: BlockCache(limit: 0),
                maximumBlockBytes: most,
                random: { 7 })
        }
        let zeros = [UInt8](repeating: 0, count: 8 << 20)
        _ = try files(16 << 20).write(
            1, level: 9, blockBytes: { _ in 64 << 10 }, didWrite: { () throws(FileSystemError) in }
        ) { (writer) throws(LogError) in
            var key = RawBuffer(capacity: 1)
            var value = RawBuffer(capacity: zeros.count)
            [UInt8(ascii: "k")].withUnsafeBytes { key.append($0) }
            zeros.withUnsafeBytes { value.append($0) }
            do throws(FileSystemError) { try writer.add(key.bytes, .put, value.bytes) } catch {
                throw LogError(system: error)
            }
            return [1]
        }
        let name = SnapshotFiles.Name(sequence: 1, path: files(0).path(1))
        try files(16 << 20).open(name).verify()
        #expect(throws: LogError.self) { try files(1 << 20).open(name).verify() }
        var found = 0
        try files(1 << 20).salvage(name) { _ in found += 1 }
        #expect(found == 0)
    }
}
