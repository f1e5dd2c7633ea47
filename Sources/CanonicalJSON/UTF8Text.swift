/// Whether bytes are UTF-8, asked of everything that is read: quick where it is ASCII, eight bytes at a time.
package enum UTF8Text {
    private static let highs: UInt64 = 0x8080_8080_8080_8080
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// Whether `bytes` are well-formed: nothing cut short, overlong, a surrogate or above U+10FFFF.
    package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while true {
            offset = endOfASCII(bytes, from: offset)
            if offset == bytes.count { return true }
            // What is not ASCII mostly comes in runs.
            repeat {
                let length = sequenceLength(bytes, at: offset)
                if length == 0 { return false }
                offset &+= length
            } while offset < bytes.count && bytes[offset] >= 0x80
        }
    }

    /// Whether `bytes` are well-formed and hold no control character (U+0000 to U+001F, U+007F to U+009F).
    package static func isValidWithoutControls(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if isPrintableASCII(bytes) { return true }
        guard isValid(bytes) else { return false }
        for (index, byte) in bytes.enumerated() {
            if byte < 0x20 || byte == 0x7F { return false }
            // U+0080 to U+009F: the byte behind it is there, and below 0xC0.
            if byte == 0xC2, bytes[index + 1] < 0xA0 { return false }
        }
        return true
    }

    private static func isPrintableASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while bytes.count &- offset >= 8 {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            // A byte that is below 0x20, is 0x7F, or has its highest bit set. (Sums that carry into the next byte only
            // come from a byte that is found anyway.)
            let found = (word &- (ones &* 0x20)) | (word &+ ones) | word
            if found & highs != 0 { return false }
            offset &+= 8
        }
        while offset < bytes.count {
            guard (0x20..<0x7F).contains(bytes[offset]) else { return false }
            offset &+= 1
        }
        return true
    }

    /// The first offset from `start` on of a byte that is not ASCII; the end when there is none.
    @inline(__always)
    private static func endOfASCII(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var offset = start
        while bytes.count &- offset >= 8 {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & highs
            if word != 0 { return offset &+ word.littleEndian.trailingZeroBitCount / 8 }
            offset &+= 8
        }
        // The last bytes together with some that were looked at.
        if offset > start, offset < bytes.count {
            let rest = bytes.loadUnaligned(fromByteOffset: bytes.count &- 8, as: UInt64.self) & highs
            return rest == 0 ? bytes.count : bytes.count &- 8 &+ rest.littleEndian.trailingZeroBitCount / 8
        }
        while offset < bytes.count, bytes[offset] < 0x80 { offset &+= 1 }
        return offset
    }

    /// How many bytes the sequence at `offset`, which is not ASCII, has; 0 when it is ill-formed. Table 3-7 of the Unicode Standard.
    @inline(__always)
    static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        let left = bytes.count &- offset
        let first = bytes[offset]
        guard left > 1, first >= 0xC2 else { return 0 }
        let second = bytes[offset &+ 1]
        guard second & 0xC0 == 0x80 else { return 0 }
        if first < 0xE0 { return 2 }
        guard left > 2, bytes[offset &+ 2] & 0xC0 == 0x80 else { return 0 }
        if first < 0xF0 {
            if first == 0xE0 && second < 0xA0 { return 0 }
            if first == 0xED && second > 0x9F { return 0 }
            return 3
        }
        guard left > 3, bytes[offset &+ 3] & 0xC0 == 0x80, first <= 0xF4 else { return 0 }
        if first == 0xF0 && second < 0x90 { return 0 }
        if first == 0xF4 && second > 0x8F { return 0 }
        return 4
    }
}
