import JournalFileSystem
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("The layouts of the format")
struct FormatTests {
    private func header(_ seed: UInt64, predecessor: Bool = true) -> SegmentHeader {
        var generator = SplitMix(seed)
        var header = SegmentHeader(
            id: UInt32(truncatingIfNeeded: generator.next()),
            journal: JournalUUID(high: generator.next(), low: generator.next()),
            firstSequence: generator.next(),
            createdMicroseconds: Int64(truncatingIfNeeded: generator.next()),
            salt: UInt32(truncatingIfNeeded: generator.next()), secret: (0..<4).map { _ in generator.next() },
            predecessor: predecessor
                ? .init(
                    originalID: UInt32(truncatingIfNeeded: generator.next()) | 1,
                    chain: UInt32(truncatingIfNeeded: generator.next()), lastSequence: generator.next(),
                    end: generator.next()) : nil)
        header.flags = UInt32(truncatingIfNeeded: generator.next())
        header.originalID = UInt32(truncatingIfNeeded: generator.next())
        header.minimumReader = UInt16(truncatingIfNeeded: generator.next())
        return header
    }

    @Test("a segment header comes back, and every flipped bit of it is noticed")
    func segmentHeader() {
        for seed in 0..<20 as Range<UInt64> {
            let original = header(seed, predecessor: seed % 2 == 0)
            let bytes = original.encoded()
            #expect(bytes.count == SegmentHeader.length)
            #expect(bytes.withUnsafeBytes { SegmentHeader($0) } == original)
            #expect(original.chain == bytes.withUnsafeBytes { $0.little(124) })
            for bit in 0..<8 * bytes.count {
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(damaged.withUnsafeBytes { SegmentHeader($0) } == nil, "bit \(bit)")
            }
            for length in 0..<bytes.count {
                #expect(bytes[..<length].withUnsafeBytes { SegmentHeader($0) } == nil)
            }
        }
    }

    @Test("a segment header is laid out as docs/format.md says")
    func segmentHeaderLayout() {
        let header = SegmentHeader(
            id: 0x0102_0304, journal: JournalUUID("00112233-4455-6677-8899-aabbccddeeff")!,
            firstSequence: 0x1112_1314_1516_1718, createdMicroseconds: -2, salt: 0x2122_2324,
            secret: [1, 2, 3, 4],
            predecessor: .init(originalID: 0x3132_3334, chain: 0x4142_4344, lastSequence: 0x51, end: 0x61))
        let bytes = header.encoded()
        #expect(Array(bytes[0..<8]) == [0x89, 0x41, 0x4A, 0x53, 0x0D, 0x0A, 0x1A, 0x0A])
        #expect(Array(bytes[8..<16]) == [1, 0, 1, 0, 4, 3, 2, 1])
        let uuid: [UInt8] = [
            0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF,
        ]
        #expect(Array(bytes[16..<32]) == uuid)
        #expect(Array(bytes[32..<40]) == [0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11])
        #expect(Array(bytes[40..<48]) == [0xFE] + [UInt8](repeating: 0xFF, count: 7))
        #expect(Array(bytes[48..<56]) == [0x24, 0x23, 0x22, 0x21, 0, 0, 0, 0])
        #expect(bytes[56] == 1 && bytes[64] == 2 && bytes[72] == 3 && bytes[80] == 4)
        #expect(Array(bytes[88..<96]) == [0x34, 0x33, 0x32, 0x31, 0x44, 0x43, 0x42, 0x41])
        #expect(bytes[96] == 0x51 && bytes[104] == 0x61)
        #expect(Array(bytes[112..<124]) == [4, 3, 2, 1] + [UInt8](repeating: 0, count: 8))
    }

    @Test("bytes of a segment header that are zero must be, whatever the checksum says")
    func segmentHeaderZeros() {
        var original = header(3)
        original.firstSequence >>= 8
        original.createdMicroseconds >>= 8
        original.predecessor = nil
        var bytes = original.encoded()
        bytes[118] = 1
        bytes.withUnsafeMutableBytes {
            $0.setLittle(Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: $0[..<124])), 124)
        }
        #expect(original.belongs(to: original.name))
        #expect(bytes.withUnsafeBytes { SegmentHeader($0) }?.belongs(to: original.name) == false)
    }

    private func frame(_ seed: UInt64) -> FrameHeader {
        var generator = SplitMix(seed)
        func word() -> UInt32 { UInt32(truncatingIfNeeded: generator.next()) }
        var frame = FrameHeader(
            payloadCRC: word(), previous: word(), storedLength: word(), rawLength: word(),
            sequenceOffset: word(),
            eventCount: seed == 0 ? UInt32(FrameHeader.maximumEventCount) : max(1, word() & 0xFF_FFFF),
            flags: .init(rawValue: UInt16(truncatingIfNeeded: generator.next())))
        frame.type = UInt8(truncatingIfNeeded: generator.next()) | 1
        return frame
    }

    @Test("a frame header comes back; no flipped bit, other place, segment or salt passes")
    func frameHeader() {
        for seed in 0..<20 as Range<UInt64> {
            var segment = header(seed)
            var original = frame(seed)
            let offset = 1024 + 8 * seed
            var bytes = [UInt8](repeating: 0, count: FrameHeader.length)
            let crc = bytes.withUnsafeMutableBytes {
                original.encode(into: $0, segment: segment, offset: offset)
            }
            func decoded(_ bytes: [UInt8], at offset: UInt64) -> FrameHeader? {
                bytes.withUnsafeBytes { FrameHeader($0, segment: segment, offset: offset) }
            }
            #expect(decoded(bytes, at: offset) == original)
            #expect(original.headerCRC == crc)
            for bit in 0..<8 * bytes.count {
                var damaged = bytes
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(decoded(damaged, at: offset) == nil, "bit \(bit)")
            }
            for other in [offset + 8, offset - 8, offset + 1 << 32, 0] {
                #expect(decoded(bytes, at: other) == nil)
            }
            #expect(bytes[..<31].withUnsafeBytes { FrameHeader($0, segment: segment, offset: offset) } == nil)
            segment.salt ^= 1
            #expect(decoded(bytes, at: offset) == nil)
            segment.salt ^= 1
            segment.id ^= 1
            #expect(decoded(bytes, at: offset) == nil)
        }
    }

    @Test("a frame header of zeros, type 0 or no events is none, whatever its CRC")
    func noFrameHeader() {
        let segment = header(1)
        let zeros = [UInt8](repeating: 0, count: FrameHeader.length)
        #expect(zeros.withUnsafeBytes { FrameHeader($0, segment: segment, offset: 1024) } == nil)
        for change in 0..<3 {
            var original = frame(1)
            var bytes = zeros
            if change == 0 { original.type = 0 }
            if change == 1 { original.eventCount = 0 }
            bytes.withUnsafeMutableBytes { out in
                original.encode(into: out, segment: segment, offset: 1024)
                if change == 2 { out[30] = 1 }
                // The CRC over what it is now.
                var seed: [UInt8] = [UInt8](repeating: 0, count: 16)
                seed.withUnsafeMutableBytes {
                    $0.setLittle(segment.salt, 0)
                    $0.setLittle(segment.id, 4)
                    $0.setLittle(1024 as UInt64, 8)
                }
                let crc = Checksum.crc32(
                    Checksum.crc32(0, seed),
                    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(out)[4...]))
                out.setLittle(crc, 0)
            }
            #expect(bytes.withUnsafeBytes { FrameHeader($0, segment: segment, offset: 1024) } == nil)
        }
    }

    @Test("which types and flags must be understood")
    func mustUnderstand() {
        for type in 1...255 as ClosedRange<UInt8> {
            for bit in 0..<16 {
                var frame = frame(2)
                frame.type = type
                frame.flags = .init(rawValue: 1 << UInt16(bit))
                for isPacked in [false, true] {
                    let known: UInt8 = isPacked ? 3 : 1
                    let isUnknown = (1...127).contains(type) && type > known
                    #expect(frame.isUnsupported(inPacked: isPacked) == (isUnknown || (3...7).contains(bit)))
                }
                #expect(frame.isSkippable == (type >= 128 || type == 3))
            }
        }
    }

    @Test("a segment's name comes back, and sorts as its numbers do")
    func segmentName() {
        for (first, id) in [(1, 1), (27, 99_999_999), (UInt64.max, 12)] as [(UInt64, UInt32)] {
            let name = SegmentName(firstSequence: first, id: id)
            #expect(SegmentName(name.description) == name)
        }
        #expect(SegmentName(firstSequence: 1, id: 1).description == "00000000000000000001-00000001.segment")
        let wrong = [
            "", "1-1.segment", "00000000000000000001-00000001.segment.new",
            "00000000000000000001-00000001.Segment",
            "0000000000000000000a-00000001.segment", "+0000000000000000001-00000001.segment",
            "00000000000000000001_00000001.segment", "99999999999999999999-00000001.segment",
            "0000000000000000001-000000001.segment", "00000000000000000001-0000001.segment ",
            "00000000000000000001-00000001.segmenu", "٠0000000000000000001-0000001.segment",
        ]
        for name in wrong { #expect(SegmentName(name) == nil, "\(name)") }
    }

    @Test("a UUID comes back, is of version 4, and takes no other spelling")
    func uuid() {
        var generator = SplitMix(4)
        for _ in 0..<50 {
            let uuid = JournalUUID.random { generator.next() }
            #expect(JournalUUID(uuid.description) == uuid)
            let digits = Array(uuid.description)
            #expect(digits.count == 36 && digits[14] == "4" && "89ab".contains(digits[19]))
        }
        let wrong = [
            "", "00112233-4455-6677-8899-AABBCCDDEEFF", "00112233445566778899aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
            "0011223-34455-6677-8899-aabbccddeeff", "+0112233-4455-6677-8899-aabbccddeeff",
            "-0112233-4455-6677-8899-aabbccddeeff", "g0112233-4455-6677-8899-aabbccddeeff",
            " 0112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff\n",
        ]
        for text in wrong { #expect(JournalUUID(text) == nil, "\(text)") }
    }
}
