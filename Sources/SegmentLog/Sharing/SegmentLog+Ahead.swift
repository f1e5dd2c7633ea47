import JournalFileSystem

extension SegmentLog {
    /// Joins pieces and compresses them before they are appended, where another process has written since this one did.
    ///
    /// Then their frame begins anew in any case. So what compressing it takes is not spent while all other processes wait for the
    /// writer range.
    /// - Parameters:
    ///   - count: How many pieces.
    ///   - rawBytes: Their bytes.
    ///   - pieces: Asked for them only where they are to be compressed; nil when they are not known yet.
    /// - Returns: What may be appended in their place. Nil where they are to be appended as they are: nobody else has written,
    ///   or they are too little to be compressed, or too much for one frame, or compressed already.
    package func compressAhead(
        _ count: Int, rawBytes: Int, _ pieces: () -> [EncodedEvents]?
    ) -> EncodedEvents? {
        guard let shared, !FrameWriter.isPlain(count, rawBytes, isDiskQuick: pace.isQuick),
            rawBytes <= FrameWriter.frameBytes,
            writer.withLock({ $0.generation != shared.generation }),
            let pieces = pieces(), pieces.allSatisfy({ $0.compressed == nil }),
            let deflater = writer.withLock({ $0.active?.frames.takeDeflater() })
        else { return nil }
        var raw: [UInt8] = []
        raw.reserveCapacity(rawBytes)
        for piece in pieces { raw += piece.raw }
        var joined = EncodedEvents(raw: raw, count: pieces.reduce(0) { $0 + $1.count })
        deflater.search(FrameWriter.search(count, joined.count, raw.count))
        joined.compress(deflater)
        return joined
    }
}
