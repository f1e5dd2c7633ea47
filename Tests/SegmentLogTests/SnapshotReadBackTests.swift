import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("A snapshot is read back before anything rests on it")
struct SnapshotReadBackTests {
    /// Writes a snapshot of more than a piece that is written at once; `didWrite` is called after the first.
    private func write(_ disk: SimulatedDisk, didWrite: @escaping () -> Void) throws -> TableReader {
        let files = SnapshotFiles(
            paths, disk, journal: JournalUUID(high: 1, low: 2), cache: BlockCache(limit: 0), random: { 7 })
        return try files.write(9, level: 1, blockBytes: { _ in 64 << 10 }, didWrite: didWrite) {
            (writer) throws(LogError) in
            for number in 0..<20 as Range<UInt8> {
                var generator = SplitMix(UInt64(number))
                var key = RawBuffer(capacity: 2)
                var value = RawBuffer(capacity: 100_000)
                [UInt8(ascii: "k"), number].withUnsafeBytes { key.append($0) }
                generator.bytes(100_000).withUnsafeBytes { value.append($0) }
                do throws(FileSystemError) { try writer.add(key.bytes, .put, value.bytes) } catch {
                    throw LogError(system: error)
                }
            }
            return [1]
        }
    }

    @Test("one that reaches the disk otherwise than it was written is none, and nothing of it stays")
    func damaged() throws {
        let disk = SimulatedDisk()
        _ = try disk.open()
        let names = disk.paths
        var damage: FilePath?
        let error = logError {
            _ = try write(disk) {
                guard damage == nil, let path = disk.paths.first(where: { $0.string.hasSuffix(".new") })
                else { return }
                damage = path
                try? disk.corrupt(path, at: 5000, xor: 1)
            }
        }
        #expect(damage != nil)
        #expect(error?.kind == .damaged)
        #expect(disk.paths == names)
        try write(disk) {}.verify()
        #expect(disk.paths.count == names.count + 1)
    }
}
