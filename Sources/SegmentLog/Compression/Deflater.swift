internal import CZlib

/// One raw deflate stream that ends in a sync flush after each frame.
///
/// Sharing a context between frames is what makes short messages small: each alone deflates 1.25 times, with the
/// context of those before it 2.8 to 3 times, and every frame is still whole on disk. The last four bytes of a
/// sync flush are always `00 00 FF FF` and are not kept.
///
/// `@unchecked Sendable`: it is handed from the caller who compressed a large payload to the committer, and used by
/// one at a time; whoever holds it holds it alone.
package final class Deflater: @unchecked Sendable {
    /// After this much input the stream is restarted, so that a reader need not begin at the segment's start.
    package static let restartInterval = 512 << 10

    private let stream: UnsafeMutablePointer<z_stream>
    /// Input since the stream's start.
    private(set) var inputBytes = 0

    private let level: Int32
    private var search = Search.full

    package init(level: Int32 = 6) {
        self.level = level
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib could not begin a deflate stream (out of memory?)")
        tune()
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Begins a new stream: the next frame needs nothing of what came before.
    func restart() {
        deflateReset(stream)
        tune()
        inputBytes = 0
    }

    /// How long is searched for what was there before.
    enum Search: Sendable {
        /// As long as the level says, and at the next place too, where a longer match may begin (zlib's `deflate_slow`).
        case full
        /// At each place alone (`deflate_fast`), for the longest match in 24 steps: a third to a half of the time, and up to a
        /// tenth more bytes.
        case short
        /// In 8 steps, and what lies inside of a match of more than 8 bytes is not found again: two thirds of the time of `short`.
        case shortest
    }

    /// The level whose algorithm is `deflate_fast`: in zlib 1 to 3, in zlib-ng, which some systems have in its place, this one alone.
    private static let fastLevel: Int32 = 2

    /// zlib's `configuration_table`: from what length on a search is cut short, from what length on the next place is not
    /// searched too (in `deflate_fast` up to what length all places in a match can be found again), what length ends a search,
    /// and its steps.
    private typealias Tuning = (good: Int32, lazy: Int32, nice: Int32, steps: Int32)

    /// Level 8 has the shorter search of level 6. Each step of a search reads two places of a window that is cold after the wait
    /// for the disk: 1,024 steps cost a durable add 6 µs, and made messages committed alone no smaller.
    private static let tunings: [Tuning] = [
        (4, 4, 16, 16), (8, 16, 32, 32), (8, 16, 128, 128), (8, 32, 128, 256), (8, 32, 128, 128),
        (32, 258, 258, 4096),
    ]

    /// Searches in another way from the next frame on. The stream goes on. A level below 4 stays what it is.
    func search(_ search: Search) {
        guard level >= 4, search != self.search else { return }
        if search == .full {
            setLevel(level)
        } else if self.search == .full {
            setLevel(Deflater.fastLevel)
            forgetLastMatch()
        }
        self.search = search
        tune()
    }

    /// Between two frames: all input was flushed, so nothing is written.
    private func setLevel(_ level: Int32) {
        var unused: (UInt64, UInt64) = (0, 0)
        let status = withUnsafeMutableBytes(of: &unused) { bytes in
            stream.pointee.avail_in = 0
            stream.pointee.next_out = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(bytes.count)
            defer { precondition(stream.pointee.avail_out == UInt32(bytes.count)) }
            return deflateParams(stream, level, Z_DEFAULT_STRATEGY)
        }
        precondition(status == Z_OK, "zlib could not change the level between two frames")
    }

    /// Where a frame ended in a match, `deflate_slow` leaves a length of 0 for the last match, which `deflate_fast` never sets: it
    /// would go on to find only what the same byte stands before, too. A dictionary of no bytes, which may be set after a flush,
    /// makes that length what it is in a new stream.
    private func forgetLastMatch() {
        let status = withUnsafePointer(to: UInt8(0)) { deflateSetDictionary(stream, $0, 0) }
        precondition(status == Z_OK, "zlib did not take a dictionary between two frames")
    }

    private func tune() {
        guard level >= 4 else { return }
        let tuning: Tuning =
            switch search {
            case .full: Deflater.tunings[Int(level) - 4]
            case .short: (4, 258, 258, 24)
            case .shortest: (4, 8, 258, 8)
            }
        deflateTune(stream, tuning.good, tuning.lazy, tuning.nice, tuning.steps)
    }

    /// Appends the compressed form of `raw` to `output`.
    package func compress(_ raw: UnsafeRawBufferPointer, into output: inout RawBuffer) {
        precondition(raw.count > 0 && raw.count <= Int(UInt32.max))
        inputBytes += raw.count
        let start = output.count
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: raw.baseAddress!.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(raw.count)
        // deflateBound holds for one Z_FINISH call; the flush marker and pending bits of this stream need a few more.
        var room = Int(deflateBound(stream, UInt(raw.count))) + 16
        repeat {
            let target = output.reserve(room)
            stream.pointee.next_out = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(room)
            let status = deflate(stream, Z_SYNC_FLUSH)
            precondition(status == Z_OK || status == Z_BUF_ERROR)
            output.grow(by: room - Int(stream.pointee.avail_out))
            room = 4096
        } while stream.pointee.avail_out == 0
        let end = output.count
        precondition(end - start >= 4 && output.bytes.little(end - 4, as: UInt32.self) == 0xFFFF_0000)
        output.resize(to: end - 4)
    }
}
