import CZlib
import SystemPackage

/// What a gzip file holds, one or several members, unpacked as it is read. Zeros behind a member, with which tapes and copies by
/// blocks fill up, are passed over.
final class GzipSource: ByteSource {
    /// The first bytes of every gzip file (RFC 1952).
    static let magic: [UInt8] = [0x1F, 0x8B]

    private let packed: any ByteSource
    private let path: FilePath?
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var isBetweenMembers = true
    private var hasEndedOne = false
    private static let inputBytes = 64 << 10

    /// - Parameter head: What was read of the source already.
    init(_ packed: any ByteSource, head: [UInt8], path: FilePath?) {
        self.packed = packed
        self.path = path
        // The stream must not move: zlib keeps a pointer to it.
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(byteCount: max(GzipSource.inputBytes, head.count), alignment: 16)
        input.copyBytes(from: head)
        // 16 more than the window's bits: gzip, with its header and its checksum.
        let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib cannot begin (out of memory?)")
        stream.pointee.next_in = input.baseAddress!.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(head.count)
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        stream.pointee.next_out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(buffer.count)
        while Int(stream.pointee.avail_out) == buffer.count {
            if stream.pointee.avail_in == 0, try !refill() {
                guard isBetweenMembers else {
                    throw broken(
                        "ends too early: it was cut short. Nothing of what could still be read was taken from its last batch"
                    )
                }
                return 0
            }
            if isBetweenMembers, passOverZeros() == 0 { continue }
            let status = inflate(stream, Z_NO_FLUSH)
            switch status {
            case Z_OK: isBetweenMembers = false
            case Z_STREAM_END:
                isBetweenMembers = true
                hasEndedOne = true
                inflateReset(stream)
            case Z_BUF_ERROR: continue
            default:
                if isBetweenMembers, hasEndedOne {
                    throw broken(
                        "has other bytes behind its end: \(path == nil ? "cut them off" : "if nothing is missing, give the output of gzip -dcq")"
                    )
                }
                let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib's status \(status)"
                throw broken("is damaged: \(reason)")
            }
        }
        return buffer.count - Int(stream.pointee.avail_out)
    }

    /// - Returns: how many bytes are left behind the zeros.
    private func passOverZeros() -> UInt32 {
        while stream.pointee.avail_in > 0, stream.pointee.next_in.pointee == 0 {
            stream.pointee.next_in += 1
            stream.pointee.avail_in -= 1
        }
        return stream.pointee.avail_in
    }

    private func refill() throws -> Bool {
        let count = try packed.read(into: input)
        stream.pointee.next_in = input.baseAddress!.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(count)
        return count > 0
    }

    private func broken(_ what: String) -> Failure {
        Failure("invalid_gzip", "The gzip data in \(path?.string ?? "stdin") \(what)", path: path)
    }
}
