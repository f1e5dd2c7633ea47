import CBareZlib
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

    /// Inflates each payload, in order, and calls with it; not for those that are stored.
    func inflateEach(_ body: (UnsafeBufferPointer<UInt8>) -> Void) throws {
        let largest = payloads.map(\.rawLength).max() ?? 0
        var output = [UInt8](repeating: 0, count: largest + 1)
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw UsageError("zlib could not begin")
        }
        defer { inflateEnd(&stream) }
        let trailer: [UInt8] = [0, 0, 0xFF, 0xFF]
        for payload in payloads {
            if payload.restarts { inflateReset(&stream) }
            guard !payload.isStored else { continue }
            output.withUnsafeMutableBufferPointer { output in
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                for input in [bytes[payload.segment][payload.data], trailer[...]] {
                    input.withUnsafeBufferPointer { input in
                        stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                        stream.avail_in = UInt32(input.count)
                        _ = inflate(&stream, Z_SYNC_FLUSH)
                    }
                }
                precondition(
                    Int(stream.avail_out) == output.count - payload.rawLength,
                    "the payload did not inflate")
                body(UnsafeBufferPointer(rebasing: output[..<payload.rawLength]))
            }
        }
    }

    /// The events of each frame, not compressed.
    func rawPayloads() throws -> [[UInt8]] {
        // What did not shrink would be missing, and is not what the loop is for.
        precondition(!payloads.contains { $0.isStored }, "a frame is stored as it is")
        var found: [[UInt8]] = []
        try inflateEach { found.append(Array($0)) }
        return found
    }

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
