/// Events as the log takes them: a piece of a frame's raw payload, whose meaning the log does not know.
package struct EncodedEvents: Sendable {
    /// From this size on the caller compresses, so that a large batch does not stall the commits of others.
    package static let largeBytes = 64 << 10
    /// The same for a single content, which has its context in itself.
    package static let largeContentBytes = 16 << 10

    package var raw: [UInt8]
    package var count: Int
    /// The payload compressed already, as a deflate stream of its own.
    private(set) var compressed: Compressed?

    struct Compressed: Sendable {
        var data: [UInt8]
        var crc: UInt32
        /// The stream goes on after this frame, so that those behind it have its context.
        var deflater: Deflater
    }

    package init(raw: [UInt8], count: Int) {
        precondition(count > 0 && !raw.isEmpty)
        self.raw = raw
        self.count = count
    }

    /// Compresses a large payload on the caller's thread.
    ///
    /// - Parameters:
    ///   - bytes: What is large.
    ///   - quickly: With a short search. Compaction makes up for it.
    /// - Complexity: zlib's time over the payload; nothing when it is small.
    package mutating func compressIfLarge(
        level: Int32, above bytes: Int = EncodedEvents.largeBytes, quickly: Bool = false
    ) {
        guard raw.count > bytes, compressed == nil else { return }
        let deflater = Deflater(level: level)
        if quickly { deflater.search(.short) }
        compress(deflater)
    }

    /// Compresses it as a frame of its own.
    mutating func compress(_ deflater: Deflater) {
        var output = RawBuffer(capacity: raw.count / 2)
        raw.withUnsafeBytes { deflater.compress($0, into: &output) }
        compressed = Compressed(data: Array(output.bytes), crc: Checksum.crc32(0, raw), deflater: deflater)
    }
}

/// The log's end, as the caller of `append` sees it under the log's exclusion.
package struct LogHead: Sendable {
    /// The sequence of the last event written; 0 when there is none.
    package var lastSequence: UInt64
    /// The recorded time that what is appended now gets.
    package var recordedMicroseconds: Int64
    /// What the clock says, where it is too far ahead to be believed; else nil.
    package var doubtedMicroseconds: Int64?
    /// What the log lost since it was opened, of what was written and not durable.
    package var rewind = LogRewind()
    /// What is to become durable for all up to here to be; nil before anything is decided.
    package var written: SyncTarget?
}

/// After a failed sync, or a crash of another process beside one, not all that was written may be in the log any more; other
/// events then get the same sequences.
package struct LogRewind: Hashable, Sendable {
    /// How often that has happened.
    package var count: UInt64 = 0
    /// The last time, what was written before stayed right up to here.
    package var sequence = UInt64.max
}
