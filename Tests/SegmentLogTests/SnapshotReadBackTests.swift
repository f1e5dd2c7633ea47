import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("A snapshot is read back before anything rests on it")
struct SnapshotReadBackTests {
    @Test("one that reaches the disk otherwise than it was written is none, and nothing of it stays")
    func damaged() throws {
        let disk = SimulatedDisk()
        _ = try disk.open()
        let names = disk.paths
        var damage: FilePath?
        let error = logError {
            _ = try disk.writeSnapshot(9, entries: 20) {
                guard damage == nil, let path = disk.paths.first(where: { $0.string.hasSuffix(".new") })
                else { return }
                damage = path
                try? disk.corrupt(path, at: 5000, xor: 1)
            }
        }
        #expect(damage != nil)
        #expect(error?.kind == .damaged)
        #expect(disk.paths == names)
        try disk.writeSnapshot(9, entries: 20).verify()
        #expect(disk.paths.count == names.count + 1)
    }
}
