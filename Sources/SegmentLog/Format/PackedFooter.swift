import JournalFileSystem

/// What ends a packed segment: an index of its frames, and the trailer, the last 56 bytes of the file.
///
/// The index has 32 bytes for each frame:
///
///     0   8  offset                    8   8  first sequence
///     16  8  recorded time             24  4  previous: the header CRC of the frame before
///     28  4  zero
///
/// Behind it, of an erased segment, what is left of its secret, 40 bytes for each node (see `EventSalts`):
///
///     0   4  first event, counted from the segment's first
///     4   1  level                     5   3  zero
///     8  32  key
///
/// The trailer:
///
///     0   8  magic 89 41 4A 49 0D 0A 1A 0A
///     8   8  offset of the index       16  4  number of frames
///     20  4  CRC of the index, and of the nodes behind it
///     24  8  the original's last sequence
///     32  8  the original's end        40  4  the original's chain value
///     44  4  chain value of this file  48  4  number of nodes
///     52  4  CRC over salt, segment id, the trailer's offset, then bytes 0 to 51
///
/// Nothing is lost with it: the frames are found without, one after the other.
struct PackedFooter: Hashable, Sendable {
    static let entryLength = 32
    static let seedLength = 40
    static let trailerLength = 56
    static let magic: UInt64 = 0x0A1A_0A0D_494A_4189

    /// Where a frame is, and what is needed to begin there.
    struct Block: Hashable, Sendable {
        var offset: UInt64
        var firstSequence: UInt64
        var recordedMicroseconds: Int64
        var previous: UInt32
    }

    var blocks: [Block]
    /// What the successor's header says of the segment as it was before it was packed.
    var original: SegmentHeader.Predecessor
    /// Where the frames end and the index begins.
    var end: UInt64
    /// The header CRC of the last frame; that of the segment's header when there is none.
    var chain: UInt32
    /// Of an erased segment, what is left of its secret.
    var salts: EventSalts?

    /// Index and trailer.
    func encoded(_ header: SegmentHeader) -> [UInt8] {
        let seeds = salts?.seeds ?? []
        let seedsAt = blocks.count * PackedFooter.entryLength
        let indexLength = seedsAt + seeds.count * PackedFooter.seedLength
        var bytes = [UInt8](repeating: 0, count: indexLength + PackedFooter.trailerLength)
        let end = end
        bytes.withUnsafeMutableBytes { all in
            for (number, block) in blocks.enumerated() {
                let at = number * PackedFooter.entryLength
                all.setLittle(block.offset, at)
                all.setLittle(block.firstSequence, at + 8)
                all.setLittle(block.recordedMicroseconds, at + 16)
                all.setLittle(block.previous, at + 24)
            }
            for (number, seed) in seeds.enumerated() {
                let at = seedsAt + number * PackedFooter.seedLength
                all.setLittle(seed.start, at)
                all[at + 4] = seed.level
                UnsafeMutableRawBufferPointer(rebasing: all[(at + 8)...]).copyBytes(from: seed.key)
            }
            let index = UnsafeRawBufferPointer(rebasing: all[..<indexLength])
            let out = UnsafeMutableRawBufferPointer(rebasing: all[indexLength...])
            out.setLittle(PackedFooter.magic, 0)
            out.setLittle(end, 8)
            out.setLittle(UInt32(blocks.count), 16)
            out.setLittle(Checksum.crc32(0, index), 20)
            out.setLittle(original.lastSequence, 24)
            out.setLittle(original.end, 32)
            out.setLittle(original.chain, 40)
            out.setLittle(chain, 44)
            out.setLittle(UInt32(seeds.count), 48)
            let crc = PackedFooter.checksum(
                UnsafeRawBufferPointer(out), header, offset: end + UInt64(indexLength))
            out.setLittle(crc, 52)
        }
        return bytes
    }

    /// Reads the footer of a packed segment; nil when it is not what was written.
    ///
    /// - Complexity: two reads, linear in the number of frames.
    static func read(_ file: any File, _ header: SegmentHeader) throws(LogError) -> PackedFooter? {
        try asLogError { () throws(FileSystemError) in
            let length = try file.length()
            guard length >= SegmentHeader.framesOffset + UInt64(trailerLength) else { return nil }
            let at = length - UInt64(trailerLength)
            let trailer = try file.read(trailerLength, at: at)
            guard let place = trailer.withUnsafeBytes({ indexPlace($0, header, offset: at) }) else {
                return nil
            }
            let index = try file.read(Int(at - place.offset), at: place.offset)
            guard index.count == Int(at - place.offset), Checksum.crc32(0, index) == place.crc else {
                return nil
            }
            let footer = trailer.withUnsafeBytes { trailer in
                index.withUnsafeBytes { PackedFooter(trailer: trailer, index: $0, header) }
            }
            return footer?.isPossible == true ? footer : nil
        }
    }

    /// Whether sequences and offsets are within the bounds that no journal reaches, so that sums need no care.
    private var isPossible: Bool {
        let bound: UInt64 = 1 << 62
        return original.lastSequence < bound && original.end < bound
            && blocks.allSatisfy { $0.offset < end && $0.firstSequence < bound }
    }

    /// Where the index is and its CRC; nil when the trailer is not valid.
    private static func indexPlace(
        _ trailer: UnsafeRawBufferPointer, _ header: SegmentHeader, offset: UInt64
    ) -> (offset: UInt64, crc: UInt32)? {
        let seeds: UInt32 = trailer.count == trailerLength ? trailer.little(48) : 0
        guard trailer.count == trailerLength, trailer.little(0, as: UInt64.self) == magic,
            header.isErased || seeds == 0,
            trailer.little(52) == checksum(trailer, header, offset: offset)
        else { return nil }
        let start: UInt64 = trailer.little(8)
        let number: UInt32 = trailer.little(16)
        guard start >= SegmentHeader.framesOffset, start <= offset, start == aligned8(start),
            offset - start == UInt64(number) * UInt64(entryLength) + UInt64(seeds) * UInt64(seedLength)
        else { return nil }
        return (start, trailer.little(20))
    }

    private init?(trailer: UnsafeRawBufferPointer, index: UnsafeRawBufferPointer, _ header: SegmentHeader) {
        let seedsAt = index.count - Int(trailer.little(48, as: UInt32.self)) * PackedFooter.seedLength
        if header.isErased {
            let seeds = stride(from: seedsAt, to: index.count, by: PackedFooter.seedLength).map { at in
                EventSalts.Seed(
                    start: index.little(at), level: index[at + 4],
                    key: Array(index[(at + 8)..<(at + PackedFooter.seedLength)]))
            }
            guard let salts = EventSalts(seeds: seeds) else { return nil }
            self.salts = salts
        }
        blocks = stride(from: 0, to: seedsAt, by: PackedFooter.entryLength).map { at in
            Block(
                offset: index.little(at), firstSequence: index.little(at + 8),
                recordedMicroseconds: index.little(at + 16), previous: index.little(at + 24))
        }
        original = SegmentHeader.Predecessor(
            originalID: header.originalID, chain: trailer.little(40), lastSequence: trailer.little(24),
            end: trailer.little(32))
        end = trailer.little(8)
        chain = trailer.little(44)
    }

    init(
        blocks: [Block], original: SegmentHeader.Predecessor, end: UInt64, chain: UInt32,
        salts: EventSalts? = nil
    ) {
        self.salts = salts
        self.blocks = blocks
        self.original = original
        self.end = end
        self.chain = chain
    }

    private static func checksum(
        _ trailer: UnsafeRawBufferPointer, _ header: SegmentHeader, offset: UInt64
    ) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { place in
            place.setLittle(header.salt, 0)
            place.setLittle(header.id, 4)
            place.setLittle(offset, 8)
            let seed = Checksum.crc32(0, UnsafeRawBufferPointer(place))
            return Checksum.crc32(seed, UnsafeRawBufferPointer(rebasing: trailer[..<52]))
        }
    }

    /// Where to begin for the event with that sequence: at the last frame that does not begin behind it.
    func position(of sequence: UInt64) -> FrameCursor.Position? {
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].firstSequence <= sequence { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        let block = blocks[low - 1]
        return FrameCursor.Position(
            offset: block.offset, chain: block.previous, nextSequence: block.firstSequence,
            recordedMicroseconds: block.recordedMicroseconds)
    }
}
