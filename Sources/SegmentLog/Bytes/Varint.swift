/// Unsigned varints as protobuf writes them: seven bits a byte, least significant first, at most ten bytes.
package enum Varint {
    package static let maximumLength = 10

    /// How many bytes `value` takes.
    @inline(__always)
    package static func length(of value: UInt64) -> Int {
        (70 &- (value | 1).leadingZeroBitCount) / 7
    }

    /// Reads a varint at `offset` and moves it; nil when it does not end within the bytes or in ten of them.
    @inline(__always)
    package static func read(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            offset &+= 1
            if shift == 63 && byte > 1 { return nil }
            value |= UInt64(byte & 0x7F) &<< shift
            if byte & 0x80 == 0 { return value }
            shift &+= 7
            if shift > 63 { return nil }
        }
        return nil
    }

    /// Writes a varint into `bytes`, which must have room, and returns its length.
    @inline(__always)
    package static func write(_ value: UInt64, into bytes: UnsafeMutableRawBufferPointer) -> Int {
        var rest = value
        var index = 0
        while rest >= 0x80 {
            bytes[index] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            index &+= 1
        }
        bytes[index] = UInt8(truncatingIfNeeded: rest)
        return index &+ 1
    }
}
