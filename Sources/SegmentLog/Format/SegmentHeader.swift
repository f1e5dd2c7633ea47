/// The header of a segment, 128 bytes, stored twice.
///
///     0   8  magic 89 41 4A 53 0D 0A 1A 0A
///     8   2  format version            10  2  minimum reader version
///     12  4  segment id                16 16  journal UUID
///     32  8  first sequence            40  8  creation time, microseconds since 1970
///     48  4  salt                      52  4  flags
///     56 32  secret; zeros in an erased segment
///     88  4  predecessor's original id 92  4  predecessor's chain value
///     96  8  predecessor's last sequence
///     104 8  predecessor's end
///     112 4  original id               116 4  replaced id            120 4  zero
///     124 4  CRC of bytes 0 to 123
///
/// Two copies in different 512-byte sectors, because a bad sector is the commonest damage; nothing else is ever
/// written to those sectors. The magic is PNG's trick: it shows a transfer that changed line ends or cut bit 7.
package struct SegmentHeader: Hashable, Sendable {
    package static let length = 128
    package static let copyOffsets: [Int] = [0, 512]
    /// Where the frames begin.
    package static let framesOffset: UInt64 = 1024
    static let magic: UInt64 = 0x0A1A_0A0D_534A_4189
    package static let version: UInt16 = 1

    package var version = SegmentHeader.version
    package var minimumReader = SegmentHeader.version
    package var id: UInt32
    package var journal: JournalUUID
    package var firstSequence: UInt64
    package var createdMicroseconds: Int64
    package var salt: UInt32
    package var flags: UInt32 = 0
    package var secret: [UInt64]
    package var predecessor: Predecessor?
    /// The logical id: that of the segment as it was first written.
    package var originalID: UInt32
    /// Of a rewritten segment, the id of the file that it replaces; else 0.
    package var replacedID: UInt32 = 0
    private var zero: UInt32 = 0

    /// The frames are packed: independent blocks and an index.
    static let packedFlag: UInt32 = 1
    package var isPacked: Bool { flags & SegmentHeader.packedFlag != 0 }
    /// Events were erased: there is no secret, and what is left of it is in the footer. Only a packed segment is erased.
    static let erasedFlag: UInt32 = 2
    package var isErased: Bool { flags & SegmentHeader.erasedFlag != 0 }

    /// Where, logically, the segment continues from.
    package struct Predecessor: Hashable, Sendable {
        package var originalID: UInt32
        package var chain: UInt32
        package var lastSequence: UInt64
        package var end: UInt64
    }

    package init(
        id: UInt32, journal: JournalUUID, firstSequence: UInt64, createdMicroseconds: Int64, salt: UInt32,
        secret: [UInt64], predecessor: Predecessor?
    ) {
        precondition(secret.count == 4)
        self.id = id
        self.journal = journal
        self.firstSequence = firstSequence
        self.createdMicroseconds = createdMicroseconds
        self.salt = salt
        self.secret = secret
        self.predecessor = predecessor
        self.originalID = id
    }

    /// The header of a packed segment that replaces this one: its logical values and its secret, another id and salt.
    func packed(id: UInt32, salt: UInt32) -> SegmentHeader {
        var header = self
        header.id = id
        header.salt = salt
        // Flags that may be ignored are kept.
        header.flags = flags & (~0xFFFF | SegmentHeader.erasedFlag) | SegmentHeader.packedFlag
        header.replacedID = self.id
        return header
    }

    /// The same of a segment of whose events some are erased: without the secret.
    func erased(id: UInt32, salt: UInt32) -> SegmentHeader {
        var header = packed(id: id, salt: salt)
        header.flags |= SegmentHeader.erasedFlag
        header.secret = [0, 0, 0, 0]
        return header
    }

    /// The chain value of a segment without frames: what its first frame's `previous` is.
    package var chain: UInt32 { encoded().withUnsafeBytes { $0.little(124) } }

    package var name: SegmentName { SegmentName(firstSequence: firstSequence, id: id) }

    package func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SegmentHeader.length)
        bytes.withUnsafeMutableBytes { out in
            out.setLittle(SegmentHeader.magic, 0)
            out.setLittle(version, 8)
            out.setLittle(minimumReader, 10)
            out.setLittle(id, 12)
            out.setLittle(journal.high.byteSwapped, 16)
            out.setLittle(journal.low.byteSwapped, 24)
            out.setLittle(firstSequence, 32)
            out.setLittle(createdMicroseconds, 40)
            out.setLittle(salt, 48)
            out.setLittle(flags, 52)
            for (index, word) in secret.enumerated() { out.setLittle(word, 56 + 8 * index) }
            out.setLittle(predecessor?.originalID ?? 0, 88)
            out.setLittle(predecessor?.chain ?? 0, 92)
            out.setLittle(predecessor?.lastSequence ?? 0, 96)
            out.setLittle(predecessor?.end ?? 0, 104)
            out.setLittle(originalID, 112)
            out.setLittle(replacedID, 116)
            out.setLittle(zero, 120)
            out.setLittle(Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: out[..<124])), 124)
        }
        return bytes
    }

    /// What a segment begins with: both copies, up to the first frame.
    var twice: [UInt8] {
        let encoded = encoded()
        var start = [UInt8](repeating: 0, count: Int(SegmentHeader.framesOffset))
        for offset in SegmentHeader.copyOffsets {
            start.replaceSubrange(offset..<(offset + encoded.count), with: encoded)
        }
        return start
    }

    /// Decodes one copy; nil when magic or CRC is wrong.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= SegmentHeader.length, bytes.little(0, as: UInt64.self) == SegmentHeader.magic,
            bytes.little(124) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<124]))
        else { return nil }
        version = bytes.little(8)
        minimumReader = bytes.little(10)
        id = bytes.little(12)
        journal = JournalUUID(
            high: bytes.little(16, as: UInt64.self).byteSwapped,
            low: bytes.little(24, as: UInt64.self).byteSwapped)
        firstSequence = bytes.little(32)
        createdMicroseconds = bytes.little(40)
        salt = bytes.little(48)
        flags = bytes.little(52)
        secret = (0..<4).map { bytes.little(56 + 8 * $0) }
        let predecessorID: UInt32 = bytes.little(88)
        predecessor =
            predecessorID == 0
            ? nil
            : Predecessor(
                originalID: predecessorID, chain: bytes.little(92), lastSequence: bytes.little(96),
                end: bytes.little(104))
        originalID = bytes.little(112)
        replacedID = bytes.little(116)
        zero = bytes.little(120)
    }

    /// Whether this version can read the segment. It rewrites none but to pack it, or to erase.
    package var isSupported: Bool {
        let known = SegmentHeader.packedFlag | SegmentHeader.erasedFlag
        return minimumReader <= SegmentHeader.version && flags & 0xFFFF & ~known == 0
            && (isPacked || (originalID == id && !isErased))
    }

    /// Whether a file of that name may begin with this header.
    ///
    /// Sequences, offsets and times have bounds that no journal reaches, so that sums of them do not overflow.
    func belongs(to name: SegmentName) -> Bool {
        let bound: UInt64 = 1 << 62
        return self.name == name && zero == 0 && firstSequence > 0 && firstSequence < bound
            && createdMicroseconds.magnitude < bound && (predecessor?.lastSequence ?? 0) < bound
            && (predecessor?.end ?? 0) < bound
            && (isPacked ? originalID <= replacedID && replacedID < id : replacedID == 0)
            && (!isErased || secret.allSatisfy { $0 == 0 })
    }
}
