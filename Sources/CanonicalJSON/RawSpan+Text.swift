extension RawSpan {
    /// The byte at `offset`, bounds-checked.
    @inline(__always)
    func byte(at offset: Int) -> UInt8 {
        unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// A copy of `range`, bounds-checked.
    func copy(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBytes { bytes in Array(bytes) }
    }

    /// The first offset in `start..<byteCount` of a byte that a string cannot hold as it stands: a quotation
    /// mark, a backslash or a control character; with `stoppingAtNonASCII`, also any byte from 0x80.
    ///
    /// Eight bytes at a time, as in "Bit Twiddling Hacks" by Sean Eron Anderson ("Determine if a word has a
    /// byte less than n"). The test says only that one of the eight stops the run; the loop after it finds which.
    @inline(__always)
    func endOfPlainRun(from start: Int, stoppingAtNonASCII: Bool) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var offset = start
        while byteCount - offset >= 8 {
            let word = unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5c)
            var stops = (word &- (ones &* 0x20)) & ~word
            stops |= (quote &- ones) & ~quote
            stops |= (backslash &- ones) & ~backslash
            if stoppingAtNonASCII { stops |= word }
            if stops & highs != 0 { break }
            offset += 8
        }
        while offset < byteCount {
            let byte = self.byte(at: offset)
            if byte < 0x20 || byte == 0x22 || byte == 0x5c || (stoppingAtNonASCII && byte >= 0x80) { break }
            offset += 1
        }
        return offset
    }

    /// How many bytes the UTF-8 sequence at `offset` has, or nil if it is ill-formed: cut short, overlong, a
    /// surrogate or above U+10FFFF. The ranges are those of table 3-7 in the Unicode Standard.
    func utf8SequenceLength(at offset: Int) -> Int? {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch byte(at: offset) {
        case 0x00...0x7f: return 1
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: length = 4
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: return nil
        }
        guard byteCount - offset >= length, second.contains(byte(at: offset + 1)) else { return nil }
        for next in 2..<max(length, 2) where byte(at: offset + next) & 0xc0 != 0x80 { return nil }
        return length
    }
}
