import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("A checksum covers each bit, and where it belongs")
struct ChecksumTests {
    @Test("of what lock says of the last writer")
    func lock() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(2)
        try log.close()
        let path = paths.lock
        #expect(try disk.survey().notes == [])
        for bit in 0..<512 * 8 where bit % 5 == 0 {
            let found = disk.copy()
            try found.corrupt(path, at: bit / 8, xor: 1 << UInt8(bit % 8))
            #expect(try found.survey().notes.contains { $0.hasPrefix("lock: ") }, "bit \(bit)")
        }
    }

    /// A packed segment, its header, and where its index begins.
    private func packed() throws -> (disk: SimulatedDisk, path: FilePath, header: SegmentHeader, index: Int) {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk, segmentBytes: 3000)
        let name = try #require(try log.packAll().first).name
        let path = paths.segment(name)
        let header = try #require(log.entries.first { $0.header.name == name }).header
        let footer = try #require(try PackedFooter.read(disk.openFile(path, .readOnly), header))
        return (disk, path, header, Int(footer.end))
    }

    @Test("of a packed segment's index and footer")
    func footer() throws {
        let (disk, path, header, index) = try packed()
        let bytes = try disk.contents(of: path)
        for bit in index * 8..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            try disk.replaceContents(of: path, with: damaged)
            #expect(try PackedFooter.read(disk.openFile(path, .readOnly), header) == nil, "bit \(bit)")
        }
    }

    @Test("of a packed segment's footer, which is no other segment's")
    func otherFooter() throws {
        let (disk, path, header, index) = try packed()
        let file = try disk.openFile(path, .readOnly)
        let footer = try #require(try PackedFooter.read(file, header))
        let bytes = try disk.contents(of: path)
        #expect(Array(bytes[index...]) == footer.encoded(header))
        for change in [0, 1] {
            var other = header
            if change == 0 { other.salt ^= 1 } else { other.id ^= 1 }
            try disk.replaceContents(of: path, with: bytes[..<index] + footer.encoded(other))
            #expect(try PackedFooter.read(file, header) == nil)
            #expect(try PackedFooter.read(file, other) == footer)
        }
    }

    @Test("of a table's block, which is no other table's, and is in no other place")
    func block() {
        let header = BlockHeader(
            dataCRC: 5, storedLength: 6, rawLength: 7, kind: .data, isStored: false, entryCount: 8)
        var bytes = [UInt8](repeating: 0, count: TableFormat.blockHeaderLength)
        bytes.withUnsafeMutableBytes { header.encode(into: $0, salt: 9, offset: 640) }
        func isValid(salt: UInt32, offset: UInt64) -> Bool {
            bytes.withUnsafeBytes { BlockHeader($0, salt: salt, offset: offset) != nil }
        }
        #expect(isValid(salt: 9, offset: 640))
        #expect(!isValid(salt: 8, offset: 640))
        #expect(!isValid(salt: 9, offset: 641))
        #expect(!isValid(salt: 9, offset: 640 + 1 << 32))
    }

    @Test("of a table's blocks, of which only the sound ones are salvaged")
    func salvage() throws {
        let disk = SimulatedDisk()
        let journal = JournalUUID(high: 1, low: 2)
        // Stored, so that no inflating notices what the checksum does not.
        let writer = TableWriter(
            try disk.openFile("/a", .createNew), journal: journal, sequence: 7, salt: 99, level: nil,
            blockBytes: { _ in 100 })
        var written: [[UInt8]: [UInt8]] = [:]
        for number in 0..<30 as Range<UInt8> {
            var random = SplitMix(UInt64(number))
            let (key, value) = ([UInt8(ascii: "k"), number], random.bytes(20))
            written[key] = value
            try key.withUnsafeBytes { key in
                try value.withUnsafeBytes { value in try writer.add(key, .put, value) }
            }
        }
        _ = try writer.finish(meta: [1])
        let bytes = try disk.contents(of: "/a")
        for bit in 0..<bytes.count * 8 where bit % 3 == 0 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            try disk.replaceContents(of: "/b", with: damaged)
            guard var salvage = try TableSalvage(disk.openFile("/b", .readOnly), path: "/b", journal: nil)
            else { throw Wrong("bit \(bit): neither header nor footer is taken for valid") }
            var found: [[UInt8]: [UInt8]] = [:]
            try salvage.forEachBlock { block in
                for index in 0..<block.count { found[Array(block.key(index))] = Array(block.value(index)) }
            }
            // At most one block is lost.
            #expect(found.count >= 25, "bit \(bit)")
            #expect(found.allSatisfy { written[$0.key] == $0.value }, "bit \(bit)")
        }
    }
}
