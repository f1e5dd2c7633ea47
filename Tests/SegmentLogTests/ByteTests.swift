import Testing

@testable import SegmentLog

@Suite("Varints, buffers and checksums")
struct ByteTests {
    @Test("varints come back at every boundary, and no truncation of one is taken")
    func varints() {
        var values: [UInt64] = [0, 1, .max, UInt64(Int64.max)]
        for shift in 0..<64 as Range<UInt64> { values += [1 << shift, (1 << shift) &- 1, (1 << shift) | 1] }
        for value in values {
            var bytes = [UInt8](repeating: 0xEE, count: Varint.maximumLength)
            let length = bytes.withUnsafeMutableBytes { Varint.write(value, into: $0) }
            #expect(length == Varint.length(of: value))
            for start in 0...2 {
                let padded = [UInt8](repeating: 0x80, count: start) + bytes[..<length] + [0x55]
                var offset = start
                #expect(padded.withUnsafeBytes { Varint.read($0, &offset) } == value)
                #expect(offset == start + length)
            }
            for cut in 0..<length {
                var offset = 0
                #expect(bytes[..<cut].withUnsafeBytes { Varint.read($0, &offset) } == nil)
            }
        }
    }

    @Test("the checksum of bytes that come twice, from their own")
    func twice() {
        var generator = SplitMix(1)
        for count in [0, 1, 511, 2 << 10, 16 << 10, 1 << 20] {
            let bytes = generator.bytes(count)
            #expect(
                Checksum.crc32(twice: Checksum.crc32(0, bytes), byteCount: count)
                    == Checksum.crc32(0, bytes + bytes), "\(count) bytes")
        }
    }

    @Test("varints of more than 64 bits, or that do not end, are refused")
    func overlongVarints() {
        func read(_ bytes: [UInt8]) -> UInt64? {
            var offset = 0
            return bytes.withUnsafeBytes { Varint.read($0, &offset) }
        }
        let nine = [UInt8](repeating: 0xFF, count: 9)
        #expect(read(nine + [1]) == .max)
        for last in 2...255 as ClosedRange<UInt8> { #expect(read(nine + [last]) == nil) }
        #expect(read(nine + [0x81, 0]) == nil)
        #expect(read([UInt8](repeating: 0x80, count: 20)) == nil)
        #expect(read([]) == nil)
    }

    @Test("a raw buffer keeps what was put in while it grows, shrinks and is used again")
    func rawBuffer() {
        var buffer = RawBuffer(capacity: 0)
        var expected: [UInt8] = []
        var generator = SplitMix(5)
        for round in 0..<300 {
            switch generator.next() % 6 {
            case 0:
                let zeros = Int(generator.next() % 300)
                buffer.appendZeros(zeros)
                expected += [UInt8](repeating: 0, count: zeros)
            case 1:
                let part = Int(generator.next() % UInt64(expected.count + 1))
                buffer.resize(to: part)
                expected.removeLast(expected.count - part)
            case 2:
                buffer.shrink(above: max(64, expected.count))
            case 3:
                let bytes = generator.bytes(10)
                buffer.reserve(400).copyBytes(from: bytes)
                buffer.grow(by: 10)
                expected += bytes
            default:
                let bytes = generator.bytes(Int(generator.next() % 500))
                bytes.withUnsafeBytes { buffer.append($0) }
                expected += bytes
            }
            if round == 150 {
                buffer.removeAll()
                expected = []
            }
            #expect(buffer.count == expected.count)
            #expect(Array(buffer.bytes) == expected)
        }
        buffer.append(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(buffer.count == expected.count)
    }

    @Test("CRC-32 is zlib's")
    func checksum() {
        #expect(Checksum.crc32(0, Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(Checksum.crc32(0, []) == 0)
        #expect(Checksum.crc32(Checksum.crc32(0, Array("1234".utf8)), Array("56789".utf8)) == 0xCBF4_3926)
    }
}
