package import JournalFileSystem

/// The file `lock`: byte ranges to lock, and one page of memory that processes share. It holds nothing that the log
/// does not, so it may be deleted while no one has the journal open.
///
///     0     8  magic "AJLOCK1\n"
///     8     8  boot identity
///     16    8  visible sequence
///     24    4  counter of its changes, a futex
///     28    4  CRC of bytes 0 to 511 as a clean close left them, itself as 0; 0 from the next opening on
///     64  448  what the processes that have it open share (`CommitPage`); zeros after a clean close
///     3584  8  clean-close mark: 0, or 2^32 + CRC of the record
///     3592 48  clean-close record
///     4096     while it is open, records of the openers, 512 bytes each:
///              pid 4, zero 4, start time 8, host 64, command 256, since 8
package enum LockFile {
    package static let fileName = "lock"
    package static let length = 4096
    static let magic: UInt64 = 0x0A31_4B43_4F4C_4A41
    static let bootOffset = 8
    static let visibleOffset = 16
    static let counterOffset = 24
    static let checksumOffset = 28
    static let sharedRange = 64..<512
    static let openersOffset = 4096
    static let openerLength = 344
    private static let openerStride = 512
    /// So many openers have a record; those beyond share one lock and have none.
    static let openerCount = 1024
    package static let markOffset = 3584
    static let recordOffset = 3592

    /// What one opening after the other changes, without a sync.
    private static let changing = 0..<512
    /// What is zero in every version so far, and never written: no power cut leaves anything else there.
    private static let zeros = [512..<3584, 3640..<4096]

    /// The ranges lie beyond the page, so that they say nothing about its bytes.
    ///
    /// Catching up with the others' frames and writing one's own.
    static let writerRange: Range<UInt64> = 1_048_576..<1_048_577
    /// Syncing what all have written.
    static let syncerRange: Range<UInt64> = 1_048_577..<1_048_578
    /// Taking snapshots and compacting.
    static let maintenanceRange: Range<UInt64> = 1_048_578..<1_048_579
    /// A byte for each opener, which it holds locked: so it is known who lives, however it ends.
    static let openersRange: Range<UInt64> = 1_048_640..<(1_048_640 + UInt64(openerCount) + 1)

    /// The byte that the opener with this number locks.
    static func openerRange(_ number: Int) -> Range<UInt64> {
        let start = openersRange.lowerBound + UInt64(number)
        return start..<(start + 1)
    }

    /// Where the record of the opener with this number is.
    static func openerOffset(_ number: Int) -> UInt64 { UInt64(openersOffset + number * openerStride) }

    /// Who has the journal open for writing: a lock cannot tell.
    package struct Opener: Hashable, Sendable {
        package var process: ProcessIdentity
        package var sinceMicroseconds: Int64
    }

    static func encode(_ opener: Opener) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: openerLength)
        bytes.withUnsafeMutableBytes { out in
            out.setLittle(opener.process.pid, 0)
            out.setLittle(opener.process.startTime, 8)
            copy(opener.process.host, to: UnsafeMutableRawBufferPointer(rebasing: out[16..<80]))
            copy(opener.process.command, to: UnsafeMutableRawBufferPointer(rebasing: out[80..<336]))
            out.setLittle(opener.sinceMicroseconds, 336)
        }
        return bytes
    }

    static func decodeOpener(_ bytes: UnsafeRawBufferPointer, bootIdentity: UInt64) -> Opener? {
        guard bytes.count >= openerLength else { return nil }
        let pid: Int32 = bytes.little(0)
        guard pid != 0 else { return nil }
        return Opener(
            process: ProcessIdentity(
                pid: pid, startTime: bytes.little(8), host: text(bytes[16..<80]),
                command: text(bytes[80..<336]), bootIdentity: bootIdentity),
            sinceMicroseconds: bytes.little(336))
    }

    /// The checksum of what was shared and visible, for a clean close to leave.
    static func checksum(_ page: UnsafeRawBufferPointer) -> UInt32 {
        let before = Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: page[..<checksumOffset]))
        return Checksum.crc32(
            Checksum.crc32(before, [0, 0, 0, 0]),
            UnsafeRawBufferPointer(rebasing: page[(checksumOffset + 4)..<changing.upperBound]))
    }

    /// Whether the page is as the last clean close left it; true as well when that is not known.
    static func isAsClosed(_ page: UnsafeRawBufferPointer) -> Bool {
        guard page.count >= changing.upperBound else { return true }
        let found: UInt32 = page.little(checksumOffset)
        return found == 0 || found == checksum(page)
    }

    /// Where a byte that must be zero is not.
    static func offsetOfDirt(_ page: UnsafeRawBufferPointer) -> Int? {
        for range in zeros {
            let end = min(range.upperBound, page.count)
            guard range.lowerBound < end else { continue }
            if let dirt = page[range.lowerBound..<end].firstIndex(where: { $0 != 0 }) { return dirt }
        }
        return nil
    }

    private static func copy(_ text: String, to out: UnsafeMutableRawBufferPointer) {
        for (index, byte) in text.utf8.prefix(out.count - 1).enumerated() { out[index] = byte }
    }

    private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// What a clean close leaves, and the first append after it removes: while it stands, any shortfall is damage.
package struct CleanCloseRecord: Hashable, Sendable {
    static let length = 48
    package var segment: UInt32
    package var chain: UInt32
    package var end: UInt64
    package var lastSequence: UInt64
    package var closedMicroseconds: Int64

    func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: CleanCloseRecord.length)
        bytes.withUnsafeMutableBytes { out in
            out.setLittle(segment, 0)
            out.setLittle(chain, 4)
            out.setLittle(end, 8)
            out.setLittle(lastSequence, 16)
            out.setLittle(closedMicroseconds, 24)
        }
        return bytes
    }

    /// The word that makes the record stand. A single word, because it can then not be torn.
    static func mark(_ record: [UInt8]) -> UInt64 { 1 << 32 | UInt64(Checksum.crc32(0, record)) }

    /// What the page says of the last close.
    enum Found: Hashable {
        case none
        case record(CleanCloseRecord)
        /// The mark stands and the record does not fit it.
        case unreadable
    }

    static func read(_ page: UnsafeRawBufferPointer) -> Found {
        guard page.count >= LockFile.recordOffset + length else { return .none }
        let mark: UInt64 = page.little(LockFile.markOffset)
        guard mark != 0 else { return .none }
        let bytes = UnsafeRawBufferPointer(
            rebasing: page[LockFile.recordOffset..<(LockFile.recordOffset + length)])
        guard mark == 1 << 32 | UInt64(Checksum.crc32(0, bytes)) else { return .unreadable }
        let record = CleanCloseRecord(
            segment: bytes.little(0), chain: bytes.little(4), end: bytes.little(8),
            lastSequence: bytes.little(16), closedMicroseconds: bytes.little(24))
        return record.end < 1 << 62 && record.lastSequence < 1 << 62 ? .record(record) : .unreadable
    }
}
