import SystemPackage

/// The frames in a journal's segments, as they lie on disk (docs/format.md): what the journal wrote.
struct SegmentFrames {
    struct Payload {
        var segment: Int
        /// Where it is in the segment, as stored.
        var data: Range<Int>
        var rawLength: Int
        /// A new deflate stream begins with it.
        var restarts: Bool
        var isStored: Bool
    }

    /// The bytes of each segment.
    private(set) var bytes: [[UInt8]] = []
    private(set) var payloads: [Payload] = []
    private var ranges: [(segment: Int, bytes: Range<Int>)] = []

    /// Each frame's bytes, with header and padding.
    var frames: [[UInt8]] { ranges.map { Array(bytes[$0.segment][$0.bytes]) } }

    private static let framesOffset = 1024
    private static let headerLength = 32

    init(journal: FilePath) throws {
        let segments = try Files.list(journal.appending("log")).map(\.path).sorted { $0.string < $1.string }
        for segment in segments { add(try Files.read(segment)) }
    }

    private mutating func add(_ segment: [UInt8]) {
        func word(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(segment[offset + $1]) << (8 * $1) } }
        var offset = SegmentFrames.framesOffset
        // The type is never zero; zeros end the log.
        while offset + SegmentFrames.headerLength <= segment.count, segment[offset + 27] != 0 {
            let end = offset + SegmentFrames.headerLength + word(offset + 12)
            var data = offset + SegmentFrames.headerLength
            while segment[data] & 0x80 != 0 { data += 1 }
            let flags = segment[offset + 28]
            payloads.append(
                Payload(
                    segment: bytes.count, data: data + 1..<end, rawLength: word(offset + 16),
                    restarts: flags & 2 != 0,
                    isStored: flags & 4 != 0))
            let next = (end + 7) & ~7
            ranges.append((bytes.count, offset..<next))
            offset = next
        }
        bytes.append(segment)
    }
}
