extension JSONParser {
    /// Parses a number, `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, and returns its token verbatim:
    /// no value is computed, so none can overflow or lose digits.
    mutating func number(_ bytes: RawSpan) throws(JSONError) -> [UInt8] {
        let start = offset
        _ = take(UInt8(ascii: "-"), bytes)
        let integer = offset
        try digits(bytes, expected: "a digit after the minus sign")
        if offset - integer > 1, bytes.byte(at: integer) == UInt8(ascii: "0") {
            throw JSONError(offset: integer, message: "a number begins with a needless zero: remove it")
        }
        if take(UInt8(ascii: "."), bytes) {
            try digits(bytes, expected: "a digit after the decimal point")
        }
        if take(UInt8(ascii: "e"), bytes) || take(UInt8(ascii: "E"), bytes) {
            if !take(UInt8(ascii: "+"), bytes) { _ = take(UInt8(ascii: "-"), bytes) }
            try digits(bytes, expected: "a digit in the exponent")
        }
        return bytes.copy(start..<offset)
    }

    /// Steps over one or more digits.
    private mutating func digits(_ bytes: RawSpan, expected: String) throws(JSONError) {
        let start = offset
        while offset < bytes.byteCount, bytes.byte(at: offset) &- UInt8(ascii: "0") < 10 { offset += 1 }
        if offset == start { throw unexpected(bytes, expected: expected) }
    }
}
