internal import CZlib

/// Inflates the frames of one segment in order.
final class Inflater {
    /// Deflate makes at most so many bytes of one: 258 of a length and a distance of one bit each.
    private static let largestRatio = 1032

    private let stream: UnsafeMutablePointer<z_stream>
    /// False when the context is not that of the frame before: then only a frame that restarts can be inflated.
    private(set) var isPrimed = false

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib could not begin an inflate stream (out of memory?)")
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Begins a new stream.
    func restart() {
        inflateReset(stream)
        isPrimed = true
    }

    /// Forgets the context: a frame was passed over.
    func lose() { isPrimed = false }

    /// Replaces the contents of `output` by the inflated `data`.
    ///
    /// - Returns: false when the data is not deflate, or does not inflate to exactly `rawLength` bytes; the context
    ///   is then lost. Never allocates more than `rawLength` and one byte, nor more than the data can make, whatever is
    ///   claimed.
    func inflate(_ data: UnsafeRawBufferPointer, rawLength: Int, into output: inout RawBuffer) -> Bool {
        output.removeAll()
        guard isPrimed, data.count > 0 else { return false }
        isPrimed = false
        guard rawLength <= (data.count + 4) * Inflater.largestRatio else { return false }
        // One byte more than promised, so that data which inflates to more is noticed.
        let target = output.reserve(rawLength + 1)
        stream.pointee.next_out = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(rawLength + 1)
        guard feed(data) else { return false }
        let trailer: [UInt8] = [0, 0, 0xFF, 0xFF]
        guard trailer.withUnsafeBytes({ feed($0) }) else { return false }
        guard stream.pointee.avail_out == 1 else { return false }
        output.grow(by: rawLength)
        isPrimed = true
        return true
    }

    private func feed(_ input: UnsafeRawBufferPointer) -> Bool {
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress!.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        let status = CZlib.inflate(stream, Z_SYNC_FLUSH)
        return status == Z_OK && stream.pointee.avail_in == 0
    }
}
