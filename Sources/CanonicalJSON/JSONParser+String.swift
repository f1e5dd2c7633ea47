extension JSONParser {
    /// Parses the string whose opening quotation mark is at the current offset and returns its decoded UTF-8.
    ///
    /// One scan and one copy, unless the string has escapes.
    mutating func string(_ bytes: RawSpan) throws(JSONError) -> [UInt8] {
        let opening = offset
        offset += 1
        let start = offset
        try plainText(bytes, opening: opening)
        if bytes.byte(at: offset) == UInt8(ascii: "\"") {
            offset += 1
            return bytes.copy(start..<offset - 1)
        }
        var text = bytes.copy(start..<offset)
        while !take(UInt8(ascii: "\""), bytes) {
            // Here is a backslash, for nothing else ends plain text.
            try escape(bytes, to: &text)
            let run = offset
            try plainText(bytes, opening: opening)
            bytes.extracting(run..<offset).withUnsafeBytes { text.append(contentsOf: $0) }
        }
        return text
    }

    /// Steps over valid UTF-8 to the next quotation mark or backslash, which there must be.
    private mutating func plainText(_ bytes: RawSpan, opening: Int) throws(JSONError) {
        while true {
            offset = bytes.endOfPlainRun(from: offset, stoppingAtNonASCII: true)
            guard offset < bytes.byteCount else {
                throw JSONError(
                    offset: offset,
                    message: "the string that begins at byte \(opening) does not end: "
                        + "close it with a quotation mark")
            }
            let byte = bytes.byte(at: offset)
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return }
            if byte < 0x20 {
                throw JSONError(
                    offset: offset,
                    message: "a string holds the control character \(Self.describe(byte)): "
                        + "escape it, as in \\n")
            }
            while offset < bytes.byteCount, bytes.byte(at: offset) >= 0x80 {
                guard let length = bytes.utf8SequenceLength(at: offset) else {
                    throw JSONError(
                        offset: offset,
                        message: "a string holds invalid UTF-8 (\(Self.describe(bytes.byte(at: offset)))): "
                            + "encode the text as UTF-8")
                }
                offset += length
            }
        }
    }

    /// Decodes the escape whose backslash is at the current offset.
    private mutating func escape(_ bytes: RawSpan, to text: inout [UInt8]) throws(JSONError) {
        let backslash = offset
        offset += 1
        guard offset < bytes.byteCount else {
            throw unexpected(bytes, expected: "the rest of an escape after a backslash")
        }
        switch bytes.byte(at: offset) {
        case UInt8(ascii: "\""): text.append(UInt8(ascii: "\""))
        case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "/"): text.append(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            offset += 1
            let scalar = try unicodeEscape(bytes, backslash: backslash)
            text.append(contentsOf: UTF8.encode(scalar)!)
            return
        default:
            throw JSONError(
                offset: backslash,
                message: "an unknown escape: write \\\\ for a backslash, "
                    + "or one of \\\" \\/ \\b \\f \\n \\r \\t \\uXXXX")
        }
        offset += 1
    }

    /// Decodes the digits of a `\u` escape and, if they are the first half of a surrogate pair, the escape of the
    /// other half.
    private mutating func unicodeEscape(
        _ bytes: RawSpan, backslash: Int
    ) throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexadecimalDigits(bytes)
        if let scalar = Unicode.Scalar(first) { return scalar }
        if first < 0xdc00, take(UInt8(ascii: "\\"), bytes), take(UInt8(ascii: "u"), bytes) {
            let second = try fourHexadecimalDigits(bytes)
            if (0xdc00...0xdfff).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
            {
                return scalar
            }
        }
        throw JSONError(
            offset: backslash,
            message: "\\u\(String(first, radix: 16)) is half a surrogate pair: write both halves, "
                + "\\ud800 to \\udbff and then \\udc00 to \\udfff")
    }

    private mutating func fourHexadecimalDigits(_ bytes: RawSpan) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard offset < bytes.byteCount, let digit = Self.hexadecimalValue(bytes.byte(at: offset)) else {
                throw unexpected(bytes, expected: "four hexadecimal digits after \\u")
            }
            value = value << 4 | digit
            offset += 1
        }
        return value
    }

    private static func hexadecimalValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
