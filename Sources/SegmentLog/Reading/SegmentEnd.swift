/// Where the frames of a sealed segment end in its file.
struct SegmentEnd {
    /// Nil when that is not known, because a packed segment's footer is damaged: then the last sequence tells.
    var offset: UInt64?
    var chain: UInt32?
    var lastSequence: UInt64

    /// Whether the cursor has come to the end, or beyond it.
    func isReached(by cursor: FrameCursor) -> Bool {
        guard !cursor.hasPendingGroups else { return false }
        guard let offset else { return cursor.nextSequence > lastSequence }
        return cursor.offset >= offset
    }

    /// Whether the frames before the cursor are those that there must be.
    func isRight(_ cursor: FrameCursor) -> Bool {
        cursor.offset == offset ?? cursor.offset && cursor.chain == chain ?? cursor.chain
            && cursor.nextSequence == lastSequence + 1
    }

    /// Whether the frame reaches beyond the end.
    func isPassed(by frame: FrameCursor.Frame) -> Bool {
        if let offset, frame.end > offset { return true }
        return frame.lastSequence > lastSequence
    }
}

extension CatalogEntry {
    /// Where the frames end; nil for the last segment.
    ///
    /// Of a packed segment the successor's header says where it ended before it was packed; where it ends now, its footer
    /// says.
    func end(_ footer: PackedFooter?) -> SegmentEnd? {
        if header.isPacked, let footer {
            return SegmentEnd(
                offset: footer.end, chain: footer.chain, lastSequence: footer.original.lastSequence)
        }
        guard let ending else { return nil }
        return header.isPacked
            ? SegmentEnd(lastSequence: ending.lastSequence)
            : SegmentEnd(offset: ending.end, chain: ending.chain, lastSequence: ending.lastSequence)
    }

    /// Whether the footer says of the segment what the successor's header says.
    func agrees(with footer: PackedFooter?) -> Bool {
        guard let footer, let ending else { return true }
        return footer.original == ending
    }
}
