import JournalFileSystem

extension SegmentLog {
    /// Joins pieces and compresses them before they are appended, where another process has written since this one did.
    ///
    /// Then their frame begins anew in any case. So what compressing it takes is not spent while all other processes wait for the
    /// writer range.
    /// - Parameter pieces: Asked for them only where another has written; nil when they are not known yet.
    /// - Returns: What may be appended in their place. Nil where they are to be appended as they are: nobody else has written,
    ///   or they are too little to be compressed, or too much for one frame, or compressed already.
    package func compressAhead(_ pieces: () -> [EncodedEvents]?) -> EncodedEvents? {
        guard let shared, writer.withLock({ $0.generation != shared.generation }), let pieces = pieces()
        else { return nil }
        let bytes = pieces.reduce(0) { $0 + $1.raw.count }
        let count = pieces.reduce(0) { $0 + $1.count }
        guard !FrameWriter.isPlain(pieces.count, bytes), bytes <= FrameWriter.frameBytes,
            pieces.allSatisfy({ $0.compressed == nil }),
            let deflater = writer.withLock({ $0.active?.frames.takeDeflater() })
        else { return nil }
        var raw: [UInt8] = []
        raw.reserveCapacity(bytes)
        for piece in pieces { raw += piece.raw }
        var joined = EncodedEvents(raw: raw, count: count)
        deflater.search(FrameWriter.search(pieces.count, count, bytes))
        joined.compress(deflater)
        return joined
    }
}
