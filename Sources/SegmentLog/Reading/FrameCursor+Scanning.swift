/// Looking for frames where none is due, and for what lies behind the last.
extension FrameCursor {
    private static let zeroBlockBytes = 4096 + 24

    /// The next valid frame header at or behind `from`, whatever precedes it.
    ///
    /// Looks at every multiple of 8. A false find needs a CRC that fits by chance, one in four milliards a place.
    package func scan(
        from: UInt64, accepting: (UInt64, FrameHeader) -> Bool
    ) throws(LogError) -> (offset: UInt64, header: FrameHeader)? {
        var at = aligned8(from)
        let segment = header
        let piece = 128 << 10
        while true {
            var found: (UInt64, FrameHeader)?
            var isAtEnd = false
            try window.withBytes(at: at, length: piece) { bytes in
                isAtEnd = bytes.count < piece
                var index = 0
                while index &+ FrameHeader.length <= bytes.count {
                    // Zeros are most of a preallocated tail: they are passed over in blocks, and else the type's word, which is
                    // in a header's last eight bytes, is tested first.
                    let block = index &+ FrameCursor.zeroBlockBytes
                    if index % 512 == 0, block <= bytes.count,
                        UnsafeRawBufferPointer(rebasing: bytes[index..<block]).isAllZero()
                    {
                        index = block &- 24
                        continue
                    }
                    if bytes.little(index &+ 24, as: UInt32.self) != 0 {
                        let place = UnsafeRawBufferPointer(
                            rebasing: bytes[index..<(index + FrameHeader.length)])
                        if let header = FrameHeader(place, segment: segment, offset: at + UInt64(index)),
                            accepting(at + UInt64(index), header)
                        {
                            found = (at + UInt64(index), header)
                            return
                        }
                    }
                    index &+= 8
                }
            }
            if let found { return (found.0, found.1) }
            if isAtEnd { return nil }
            at += UInt64(piece - FrameHeader.length + 8) & ~7
        }
    }

    /// Whether anything but zeros lies at or behind `from`.
    package func hasBytes(from: UInt64) throws(LogError) -> Bool {
        var at = from
        let piece = 256 << 10
        while true {
            var count = 0
            let isZero = try window.withBytes(at: at, length: piece) { bytes in
                count = bytes.count
                return bytes.isAllZero()
            }
            if !isZero { return true }
            if count < piece { return false }
            at += UInt64(count)
        }
    }

    /// What cannot be read when there is damage at `offset`: up to the next frame that begins a deflate stream, because
    /// behind it all can be read again.
    func lostSequences(from offset: UInt64, upTo end: SegmentEnd?, last: UInt64) -> ClosedRange<UInt64>? {
        var last = last
        let next = try? scan(from: offset + 8) { $1.flags.contains(.restart) }
        if let next, next.offset < end?.offset ?? .max {
            last = min(last, header.firstSequence + UInt64(next.header.sequenceOffset) - 1)
        }
        return .checked(nextSequence, last)
    }
}
