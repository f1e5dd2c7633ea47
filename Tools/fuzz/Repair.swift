import JournalFileSystem
import SystemPackage

@testable import SegmentLog

/// Makes checksums right again, so that mutations reach what is behind them.
///
/// The first byte of an input says what is repaired; nothing of it when it is 0.
struct Repair: OptionSet {
    let rawValue: UInt8
    /// A segment's header, both copies; a table's header and footer.
    static let ends = Repair(rawValue: 1)
    /// The CRCs of payloads, and the raw length of what is stored.
    static let payloads = Repair(rawValue: 2)
    /// Each frame's `previous` and first sequence.
    static let links = Repair(rawValue: 4)
    /// The headers of frames and blocks.
    static let headers = Repair(rawValue: 8)
    /// The index and the trailer of a packed segment.
    static let index = Repair(rawValue: 16)
    static let all: Repair = [.ends, .payloads, .links, .headers, .index]

    /// What the first byte says, and the rest.
    static func split(_ input: [UInt8]) -> (repair: Repair, rest: [UInt8]) {
        (Repair(rawValue: input.first ?? 0), Array(input.dropFirst()))
    }

    /// No payload that is repaired is longer.
    private static let largestPayload = 1 << 20

    // MARK: Segments

    func segment(_ bytes: inout [UInt8]) {
        guard bytes.count >= Int(SegmentHeader.framesOffset) else { return }
        if contains(.ends) {
            bytes.setLittle(Checksum.crc32(0, Array(bytes[..<124])), 124)
            bytes.replaceSubrange(512..<640, with: bytes[..<128])
        }
        var at = Int(SegmentHeader.framesOffset)
        let isPacked = bytes.little(52, as: UInt32.self) & 1 != 0
        let trailer = bytes.count - PackedFooter.trailerLength
        let end =
            isPacked && trailer >= at
            ? min(trailer, Int(clamping: bytes.little(trailer + 8, as: UInt64.self))) : bytes.count
        frames(&bytes, at: &at, end: max(end, at))
        if isPacked, contains(.index), trailer >= Int(SegmentHeader.framesOffset) { index(&bytes, trailer) }
    }

    /// The frames from `at` on: as far as their stored lengths lead.
    private func frames(_ bytes: inout [UInt8], at: inout Int, end: Int) {
        let inflater = Inflater()
        var previous = bytes.little(124, as: UInt32.self)
        var sequence: UInt32 = 0
        while at + FrameHeader.length <= end {
            let kind: UInt32 = bytes.little(at + 24)
            guard kind >> 24 != 0, kind & 0xFF_FFFF != 0 else { return }
            let next = at + FrameHeader.length + Int(bytes.little(at + 12, as: UInt32.self))
            if contains(.payloads), next <= bytes.count { payload(&bytes, at, next, inflater) }
            if contains(.links) {
                bytes.setLittle(previous, at + 8)
                bytes.setLittle(sequence, at + 20)
            }
            if contains(.headers) {
                let seed = bytes.seed(bytes.little(48), bytes.little(12), UInt64(at))
                bytes.setLittle(Checksum.crc32(seed, Array(bytes[(at + 4)..<(at + 32)])), at)
            }
            previous = bytes.little(at)
            sequence &+= kind & 0xFF_FFFF
            at = Int(aligned8(UInt64(next)))
        }
    }

    private func payload(_ bytes: inout [UInt8], _ at: Int, _ next: Int, _ inflater: Inflater) {
        let flags = FrameHeader.Flags(rawValue: bytes.little(at + 28))
        let body = Array(bytes[(at + FrameHeader.length)..<next])
        var offset = 0
        guard body.withUnsafeBytes({ Varint.read($0, &offset) }) != nil else { return }
        let data = Array(body[offset...])
        var raw = RawBuffer()
        if flags.contains(.restart) { inflater.restart() }
        if flags.contains(.stored) {
            data.withUnsafeBytes { raw.append($0) }
            bytes.setLittle(UInt32(data.count), at + 16)
        } else {
            let length = Int(bytes.little(at + 16, as: UInt32.self))
            guard length <= Repair.largestPayload,
                data.withUnsafeBytes({ inflater.inflate($0, rawLength: length, into: &raw) })
            else { return }
        }
        var crc = Checksum.crc32(Checksum.crc32(0, raw.bytes), data)
        crc = Checksum.crc32(crc, Array(body[..<offset]))
        bytes.setLittle(crc, at + 4)
    }

    private func index(_ bytes: inout [UInt8], _ trailer: Int) {
        let start = Int(clamping: bytes.little(trailer + 8, as: UInt64.self))
        if start >= Int(SegmentHeader.framesOffset), start <= trailer {
            bytes.setLittle(UInt32((trailer - start) / PackedFooter.entryLength), trailer + 16)
            bytes.setLittle(Checksum.crc32(0, Array(bytes[start..<trailer])), trailer + 20)
        }
        let seed = bytes.seed(bytes.little(48), bytes.little(12), UInt64(trailer))
        bytes.setLittle(Checksum.crc32(seed, Array(bytes[trailer..<(trailer + 52)])), trailer + 52)
    }

    // MARK: Tables

    func table(_ bytes: inout [UInt8]) {
        guard bytes.count >= TableFormat.headerLength + TableFormat.footerLength else { return }
        let footer = bytes.count - TableFormat.footerLength
        if contains(.ends) {
            bytes.setLittle(Checksum.crc32(0, Array(bytes[..<60])), 60)
            if contains(.links) { bytes.setLittle(bytes.little(12, as: UInt32.self), footer + 40) }
            bytes.setLittle(Checksum.crc32(0, Array(bytes[footer..<(footer + 60)])), footer + 60)
        }
        var at = TableFormat.headerLength
        while at + TableFormat.blockHeaderLength <= footer {
            let next = at + TableFormat.blockHeaderLength + Int(bytes.little(at + 8, as: UInt32.self))
            guard next <= footer else { return }
            if contains(.payloads) {
                let data = Array(bytes[(at + TableFormat.blockHeaderLength)..<next])
                bytes.setLittle(Checksum.crc32(0, data), at + 4)
                // Stored as it is: then the raw length is that of the data.
                if bytes[at + 22] == 1 { bytes.setLittle(UInt32(data.count), at + 12) }
            }
            if contains(.headers) {
                let salted = bytes.little(12, as: UInt32.self).bytes + UInt64(at).bytes
                let seed = Checksum.crc32(0, salted)
                bytes.setLittle(Checksum.crc32(seed, Array(bytes[(at + 4)..<(at + 24)])), at)
            }
            at = next
        }
    }

    // MARK: The other files

    /// The clean-close mark.
    func lock(_ bytes: inout [UInt8]) {
        guard contains(.headers), bytes.count >= LockFile.recordOffset + CleanCloseRecord.length else {
            return
        }
        let record = Array(bytes[LockFile.recordOffset..<(LockFile.recordOffset + CleanCloseRecord.length)])
        bytes.setLittle(CleanCloseRecord.mark(record), LockFile.markOffset)
    }
}

extension FixedWidthInteger {
    /// Little-endian.
    var bytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}

extension [UInt8] {
    func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        withUnsafeBytes { $0.little(offset) }
    }

    mutating func setLittle(_ value: some FixedWidthInteger & BitwiseCopyable, _ offset: Int) {
        withUnsafeMutableBytes { $0.setLittle(value, offset) }
    }

    /// What the CRC of a frame's header begins with.
    func seed(_ salt: UInt32, _ id: UInt32, _ offset: UInt64) -> UInt32 {
        Checksum.crc32(0, salt.bytes + id.bytes + offset.bytes)
    }
}
