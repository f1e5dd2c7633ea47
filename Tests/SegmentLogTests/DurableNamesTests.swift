import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Files that are said to be there, or to be gone, are so after a power cut")
struct DurableNamesTests {
    @Test("a snapshot in a directory that was missing")
    func missingDirectory() throws {
        let old = SimulatedDisk()
        let log = try old.open()
        try log.add(3)
        try log.close()
        let disk = SimulatedDisk()
        for path in old.paths { try disk.replaceContents(of: path, with: old.contents(of: path)) }
        try #require(disk.status(of: paths.snapshots) == nil)
        try disk.writeSnapshot(3)
        let found = disk.crash(keeping: .nothingUnsynced)
        #expect(try found.snapshots.names().map(\.sequence) == [3])
    }

    @Test("a snapshot that was removed")
    func removedSnapshot() throws {
        let disk = SimulatedDisk()
        _ = try disk.open()
        try disk.writeSnapshot(1)
        try disk.writeSnapshot(2)
        let files = disk.snapshots
        let name = try #require(try files.names().first { $0.sequence == 1 })
        try files.remove(name)
        let found = disk.crash(keeping: .nothingUnsynced)
        #expect(try found.snapshots.names().map(\.sequence) == [2])
    }

    @Test("a packed segment's predecessor, of which an opening says that it is removed")
    func removedAtOpening() throws {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk)
        let first = try #require(try log.sealedSegments().first)
        disk.failNext(.removeFile, with: .inputOutputError)
        #expect(logError { _ = try log.pack(first.name) }?.kind == .system)
        // Closed cleanly, so that the next opening has nothing to recover.
        try log.close()
        let removed = paths.segment(first.name)
        try #require(disk.paths.contains(removed))
        let again = try disk.open(seed: 6)
        try #require(again.report.ending == .clean)
        try #require(again.report.notes.contains { $0.contains(removed.lastComponent!.string) })
        #expect(!disk.crash(keeping: .nothingUnsynced).paths.contains(removed))
    }

    // A sync of the whole at the end would keep the disk busy for long, and the commits beside it waiting.
    @Test("large files are synced piece by piece")
    func pieces() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 4 << 20)
        var generator = SplitMix(3)
        for _ in 0..<50 { try log.write([generator.bytes(100_000)]) }
        try log.sync()
        disk.resetCalls()
        try log.packAll()
        #expect(unfinishedWrites(disk).reduce(0, +) > 3 << 20)
        #expect(unfinishedWrites(disk).allSatisfy { $0 < 3 << 19 })
        disk.resetCalls()
        try disk.writeSnapshot(9, entries: 40)
        #expect(unfinishedWrites(disk).reduce(0, +) > 3 << 20)
        #expect(unfinishedWrites(disk).allSatisfy { $0 < 3 << 19 })
    }

    /// How many bytes were written to unfinished files before each of their syncs.
    private func unfinishedWrites(_ disk: SimulatedDisk) -> [UInt64] {
        var writes: [UInt64] = [0]
        for call in disk.calls where call.path.string.hasSuffix(SegmentName.unfinishedSuffix) {
            switch call.operation {
            case .write: writes[writes.count - 1] += call.length ?? 0
            case .syncData, .sync: writes.append(0)
            default: continue
            }
        }
        return writes
    }
}
