/// The fixed parts of a table: a file of keys and values in order, made once and never changed.
///
/// After LevelDB's table format (github.com/google/leveldb, doc/table_format.md): sorted entries with shared prefixes in
/// blocks that are compressed each alone, an index block for some thousand blocks, a root for all index blocks, and a
/// footer at the end that says where the root is. docs/format.md has it to the byte.
enum TableFormat {
    /// 89 "AJT" 0D 0A 1A 0A: PNG's trick, as in a segment.
    static let magic: UInt64 = 0x0A1A_0A0D_544A_4189
    static let version: UInt16 = 1
    static let headerLength = 64
    static let footerLength = 64
    static let blockHeaderLength = 24
    /// An index block is closed at this many raw bytes.
    static let indexBlockBytes = 64 << 10
    /// No block is longer, raw; only damage says otherwise. A value is one event, of one frame at most.
    static let maximumBlockBytes = Int(Int32.max)

    enum BlockKind: UInt8 {
        case data = 1
        case index = 2
        case root = 3
        case meta = 4
    }
}

/// What the file says of itself at its start, and again at its end.
struct TableHeader: Hashable, Sendable {
    var journal: JournalUUID
    /// The last event that the table covers.
    var sequence: UInt64
    var salt: UInt32

    func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: TableFormat.headerLength)
        bytes.withUnsafeMutableBytes { out in
            out.setLittle(TableFormat.magic, 0)
            out.setLittle(TableFormat.version, 8)
            out.setLittle(TableFormat.version, 10)
            out.setLittle(salt, 12)
            out.setLittle(journal.high.byteSwapped, 16)
            out.setLittle(journal.low.byteSwapped, 24)
            out.setLittle(sequence, 32)
            out.setLittle(Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: out[..<60])), 60)
        }
        return bytes
    }

    enum Problem: Error { case damaged, newer }

    init(journal: JournalUUID, sequence: UInt64, salt: UInt32) {
        self.journal = journal
        self.sequence = sequence
        self.salt = salt
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(Problem) {
        guard bytes.count >= TableFormat.headerLength,
            bytes.little(0, as: UInt64.self) == TableFormat.magic,
            bytes.little(60) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<60]))
        else { throw .damaged }
        guard bytes.little(10, as: UInt16.self) <= TableFormat.version else { throw .newer }
        salt = bytes.little(12)
        journal = JournalUUID(
            high: bytes.little(16, as: UInt64.self).byteSwapped,
            low: bytes.little(24, as: UInt64.self).byteSwapped)
        sequence = bytes.little(32)
    }
}

/// Where a block is in the file, with its header.
struct BlockPlace: Hashable, Sendable {
    var offset: UInt64
    var length: UInt32
}

/// The header of a block, 24 bytes; its data follow.
struct BlockHeader {
    var dataCRC: UInt32
    var storedLength: UInt32
    var rawLength: UInt32
    var kind: UInt8
    var isStored: Bool
    var entryCount: UInt32

    /// The CRC covers salt and offset, so that a block of another file or place does not pass.
    func encode(into out: UnsafeMutableRawBufferPointer, salt: UInt32, offset: UInt64) {
        out.setLittle(dataCRC, 4)
        out.setLittle(storedLength, 8)
        out.setLittle(rawLength, 12)
        out.setLittle(entryCount, 16)
        out.setLittle(UInt16(kind), 20)
        out.setLittle(UInt16(isStored ? 1 : 0), 22)
        out.setLittle(BlockHeader.checksum(UnsafeRawBufferPointer(out), salt: salt, offset: offset), 0)
    }

    init(
        dataCRC: UInt32, storedLength: UInt32, rawLength: UInt32, kind: TableFormat.BlockKind, isStored: Bool,
        entryCount: UInt32
    ) {
        self.dataCRC = dataCRC
        self.storedLength = storedLength
        self.rawLength = rawLength
        self.kind = kind.rawValue
        self.isStored = isStored
        self.entryCount = entryCount
    }

    /// Nil when the CRC is not that of these bytes at this place.
    init?(_ bytes: UnsafeRawBufferPointer, salt: UInt32, offset: UInt64) {
        guard bytes.count >= TableFormat.blockHeaderLength,
            bytes.little(0) == BlockHeader.checksum(bytes, salt: salt, offset: offset),
            bytes.little(22, as: UInt16.self) <= 1, bytes.little(20, as: UInt16.self) <= 255
        else { return nil }
        dataCRC = bytes.little(4)
        storedLength = bytes.little(8)
        rawLength = bytes.little(12)
        entryCount = bytes.little(16)
        kind = UInt8(bytes.little(20, as: UInt16.self))
        isStored = bytes.little(22, as: UInt16.self) == 1
    }

    private static func checksum(_ bytes: UnsafeRawBufferPointer, salt: UInt32, offset: UInt64) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { place in
            place.setLittle(salt, 0)
            place.setLittle(offset, 4)
            let seed = Checksum.crc32(0, UnsafeRawBufferPointer(place))
            return Checksum.crc32(
                seed, UnsafeRawBufferPointer(rebasing: bytes[4..<TableFormat.blockHeaderLength]))
        }
    }
}

/// The last 64 bytes: the header once more in short, and where the root and the meta block are.
struct TableFooter: Hashable, Sendable {
    var salt: UInt32
    var sequence: UInt64
    var root: BlockPlace
    var meta: BlockPlace
    var entryCount: UInt64

    func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: TableFormat.footerLength)
        bytes.withUnsafeMutableBytes { out in
            out.setLittle(root.offset, 0)
            out.setLittle(meta.offset, 8)
            out.setLittle(root.length, 16)
            out.setLittle(meta.length, 20)
            out.setLittle(entryCount, 24)
            out.setLittle(sequence, 32)
            out.setLittle(salt, 40)
            out.setLittle(TableFormat.magic, 48)
            out.setLittle(Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: out[..<60])), 60)
        }
        return bytes
    }

    init(salt: UInt32, sequence: UInt64, root: BlockPlace, meta: BlockPlace, entryCount: UInt64) {
        self.salt = salt
        self.sequence = sequence
        self.root = root
        self.meta = meta
        self.entryCount = entryCount
    }

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == TableFormat.footerLength,
            bytes.little(48, as: UInt64.self) == TableFormat.magic,
            bytes.little(60) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<60]))
        else { return nil }
        root = BlockPlace(offset: bytes.little(0), length: bytes.little(16))
        meta = BlockPlace(offset: bytes.little(8), length: bytes.little(20))
        entryCount = bytes.little(24)
        sequence = bytes.little(32)
        salt = bytes.little(40)
    }
}
