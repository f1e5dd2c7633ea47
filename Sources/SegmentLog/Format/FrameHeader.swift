/// The header of a frame, 32 bytes at a multiple of 8.
///
///     0  4  header CRC over salt, segment id, offset, then bytes 4 to 31
///     4  4  payload CRC, over the raw payload, the data as stored, the bytes of the recorded varint
///     8  4  previous: header CRC of the frame before
///     12 4  stored length              16 4  raw length
///     20 4  first sequence minus the segment's first
///     24 3  number of events           27 1  type
///     28 2  flags                      30 2  zero
///
/// Salt, id and offset go into the CRC so that neither a stale frame, nor one copied to another place, nor one embedded
/// in a message passes. The payload's CRC is over the raw events, because a stale compression context inflates to
/// wrong text without an error; and over the stored data, because the last bits of a flush inflate to nothing.
package struct FrameHeader: Hashable, Sendable {
    package static let length = 32
    package static let eventsType: UInt8 = 1
    /// A block of a packed segment: the events of many frames. See `PackedGroups`.
    package static let packedType: UInt8 = 2
    /// Events that are lost, in a packed segment that was repaired: their sequences, without a payload.
    package static let lostType: UInt8 = 3
    package static let maximumEventCount = (1 << 24) - 1

    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        /// All before this frame was durable when it was written.
        package static let followsSync = Flags(rawValue: 1)
        /// The deflate stream begins anew; the recorded time is relative to the segment's creation.
        package static let restart = Flags(rawValue: 2)
        /// Not compressed.
        package static let stored = Flags(rawValue: 4)
        static let known: Flags = [.followsSync, .restart, .stored]
        static let mustUnderstand = Flags(rawValue: 0x00FF)
    }

    package var headerCRC: UInt32 = 0
    package var payloadCRC: UInt32
    package var previous: UInt32
    package var storedLength: UInt32
    package var rawLength: UInt32
    package var sequenceOffset: UInt32
    package var eventCount: UInt32
    package var type: UInt8 = FrameHeader.eventsType
    package var flags: Flags
    private var zero: UInt16 = 0

    init(
        payloadCRC: UInt32, previous: UInt32, storedLength: UInt32, rawLength: UInt32, sequenceOffset: UInt32,
        eventCount: UInt32, flags: Flags
    ) {
        precondition(eventCount > 0 && eventCount <= FrameHeader.maximumEventCount)
        self.payloadCRC = payloadCRC
        self.previous = previous
        self.storedLength = storedLength
        self.rawLength = rawLength
        self.sequenceOffset = sequenceOffset
        self.eventCount = eventCount
        self.flags = flags
    }

    /// Writes the header into `out` with the CRC that belongs to `offset` of that segment, and returns the CRC.
    @discardableResult
    mutating func encode(into out: UnsafeMutableRawBufferPointer, segment: SegmentHeader, offset: UInt64)
        -> UInt32
    {
        out.setLittle(payloadCRC, 4)
        out.setLittle(previous, 8)
        out.setLittle(storedLength, 12)
        out.setLittle(rawLength, 16)
        out.setLittle(sequenceOffset, 20)
        out.setLittle(eventCount | UInt32(type) << 24, 24)
        out.setLittle(flags.rawValue, 28)
        out.setLittle(zero, 30)
        headerCRC = FrameHeader.checksum(UnsafeRawBufferPointer(out), segment: segment, offset: offset)
        out.setLittle(headerCRC, 0)
        return headerCRC
    }

    /// Decodes a header whose CRC belongs to `offset` of that segment; nil when it does not.
    init?(_ bytes: UnsafeRawBufferPointer, segment: SegmentHeader, offset: UInt64) {
        guard bytes.count >= FrameHeader.length else { return nil }
        let countAndType: UInt32 = bytes.little(24)
        // Zeros end the log: the cheapest test first, because a scan makes it at every eighth byte.
        guard countAndType >> 24 != 0, countAndType & 0xFF_FFFF != 0 else { return nil }
        headerCRC = bytes.little(0)
        guard headerCRC == FrameHeader.checksum(bytes, segment: segment, offset: offset) else { return nil }
        payloadCRC = bytes.little(4)
        previous = bytes.little(8)
        storedLength = bytes.little(12)
        rawLength = bytes.little(16)
        sequenceOffset = bytes.little(20)
        eventCount = countAndType & 0xFF_FFFF
        type = UInt8(truncatingIfNeeded: countAndType >> 24)
        flags = Flags(rawValue: bytes.little(28))
        zero = bytes.little(30)
        guard zero == 0 else { return nil }
    }

    private static func checksum(
        _ bytes: UnsafeRawBufferPointer, segment: SegmentHeader, offset: UInt64
    ) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { place in
            place.setLittle(segment.salt, 0)
            place.setLittle(segment.id, 4)
            place.setLittle(offset, 8)
            let seed = Checksum.crc32(0, UnsafeRawBufferPointer(place))
            return Checksum.crc32(seed, UnsafeRawBufferPointer(rebasing: bytes[4..<FrameHeader.length]))
        }
    }

    /// The payload CRC. The part over the raw payload comes first, so that whoever compresses can compute it there.
    ///
    /// - Parameter isStored: The data is the raw payload.
    static func payloadCRC(
        raw: UInt32, data: UnsafeRawBufferPointer, isStored: Bool, varint: UnsafeRawBufferPointer
    ) -> UInt32 {
        let both =
            isStored && data.count >= Checksum.worthCombining
            ? Checksum.crc32(twice: raw, byteCount: data.count) : Checksum.crc32(raw, data)
        return Checksum.crc32(both, varint)
    }

    /// Whether the type or a flag is unknown in such a segment and must be understood.
    func isUnsupported(inPacked isPacked: Bool) -> Bool {
        let isKnown =
            type == FrameHeader.eventsType
            || (isPacked && (type == FrameHeader.packedType || type == FrameHeader.lostType))
        return (!isKnown && type < 128)
            || !flags.subtracting(.known).intersection(.mustUnderstand).isEmpty
    }

    /// Whether the frame may be passed over: an optional type that this version does not know, or events that are lost.
    package var isSkippable: Bool { type >= 128 || isLost }

    /// Whether its events are lost.
    package var isLost: Bool { type == FrameHeader.lostType }

    /// Bytes from this frame's offset to the next's.
    var paddedLength: UInt64 { aligned8(UInt64(FrameHeader.length) + UInt64(storedLength)) }
}
