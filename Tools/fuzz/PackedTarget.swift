import JournalFileSystem
import JournalTesting
import SystemPackage

@testable import SegmentLog

/// A packed segment with its index and trailer, and a successor that says where it ended.
struct PackedTarget: Target {
    static let name = "packed"
    private let golden: [(path: String, bytes: [UInt8])]
    private static let path = "log/00000000000000000038-00000009.segment"

    init() throws { golden = try Golden.files("packed").filter { $0.path != PackedTarget.path } }

    /// The first byte says what is repaired.
    func run(_ input: [UInt8]) throws {
        var (repair, segment) = Repair.split(input)
        repair.segment(&segment)
        try checkFooter(segment)
        let disk = try Golden.disk(golden + [(PackedTarget.path, segment)])
        try LogChecks.check(disk)
        try checkSearching(disk)
        checkGroups(segment)
    }

    /// A footer that can be read encodes to the bytes that it was read from.
    private func checkFooter(_ bytes: [UInt8]) throws {
        guard let header = bytes.withUnsafeBytes({ SegmentHeader($0) }) else { return }
        let disk = SimulatedDisk()
        try disk.replaceContents(of: Frames.path, with: bytes)
        let file = try disk.openFile(Frames.path, .readOnly)
        guard let footer = try PackedFooter.read(file, header) else { return }
        var encoded = footer.encoded(header)
        let kept = Array(bytes[Int(footer.end)...])
        expectSame(encoded.count, kept.count, "length of a footer")
        // Bytes that are zero in an index entry are not read.
        for number in footer.blocks.indices {
            let at = number * PackedFooter.entryLength + 28
            encoded.setLittle(kept.little(at, as: UInt32.self), at)
        }
        // Nor those of a node.
        for number in 0..<(footer.salts?.seeds.count ?? 0) {
            let at = footer.blocks.count * PackedFooter.entryLength + number * PackedFooter.seedLength
            for byte in (at + 5)..<(at + 8) { encoded[byte] = kept[byte] }
        }
        let trailer = encoded.count - PackedFooter.trailerLength
        for place in [20, 52] {
            encoded.setLittle(kept.little(trailer + place, as: UInt32.self), trailer + place)
        }
        expectSame(encoded, kept, "a footer encodes to what it was decoded from")
    }

    /// Whatever the index says, reading from the middle gives the end of what reading from the beginning gives, or an error.
    private func checkSearching(_ disk: SimulatedDisk) throws {
        guard let all = disk.outcome(.readOnly).events else { return }
        _ = disk.outcome(.readOnly) { log, _ throws(LogError) in
            for after in stride(from: UInt64(36), to: 50, by: 3) {
                let found: [Frames.Frame]
                do throws(LogError) {
                    found = try log.frames(after: after)
                } catch {
                    expect(error.kind == .damaged, "an index that is wrong is damage: \(error)")
                    continue
                }
                expectSame(
                    found, all.filter { $0.first + UInt64($0.count) - 1 > after }, "read from \(after)")
            }
        }
    }

    /// The groups of the input itself, taken for a block's payload.
    private func checkGroups(_ input: [UInt8]) {
        let bytes = Array(input.dropFirst(Int(SegmentHeader.framesOffset)))
        for count in [1, 2, 3, 17] as [UInt32] {
            var groups = PackedGroups()
            guard bytes.withUnsafeBytes({ groups.read($0, eventCount: count, recorded: 5) }) == nil else {
                continue
            }
            var events: UInt32 = 0
            var end: Int?
            while groups.hasMore {
                let group = groups.take()
                events += group.eventCount
                expect(end == nil || group.bytes.lowerBound == end, "groups are adjacent")
                end = group.bytes.upperBound
            }
            expect(events == count && end == bytes.count, "groups fill the payload")
        }
    }

    func seeds() throws -> [String: [UInt8]] {
        guard let file = try Golden.files("packed").first(where: { $0.path == PackedTarget.path }),
            let header = file.bytes.withUnsafeBytes({ SegmentHeader($0) })
        else { stop("the golden journal has that packed segment") }
        var stored = try Frames.stored(file.bytes, header)
        stored = try PackedTarget.withFooter(stored, header, like: file.bytes)
        var seeds: [String: [UInt8]] = [:]
        for (kind, bytes) in [("deflated", file.bytes), ("stored", stored)] {
            for repair in [Repair(), .all, .all.subtracting(.index), .all.subtracting(.links)] {
                seeds["\(kind)-\(repair.rawValue)"] = [repair.rawValue] + bytes
            }
        }
        return seeds
    }

    /// The frames with an index and a trailer that say of the original what another file's trailer says.
    private static func withFooter(
        _ frames: [UInt8], _ header: SegmentHeader, like other: [UInt8]
    ) throws -> [UInt8] {
        let disk = SimulatedDisk()
        try disk.replaceContents(of: Frames.path, with: other)
        guard let footer = try PackedFooter.read(try disk.openFile(Frames.path, .readOnly), header) else {
            stop("a golden packed segment has a footer")
        }
        let (cursor, _) = try Frames.cursor(frames, header)
        var blocks: [PackedFooter.Block] = []
        while case .frame(let frame) = try cursor.next(.header) {
            blocks.append(
                .init(
                    offset: frame.offset, firstSequence: frame.firstSequence,
                    recordedMicroseconds: frame.recordedMicroseconds, previous: frame.header.previous))
        }
        let new = PackedFooter(
            blocks: blocks, original: footer.original, end: UInt64(frames.count), chain: cursor.chain)
        return frames + new.encoded(header)
    }
}
