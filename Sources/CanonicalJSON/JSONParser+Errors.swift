extension JSONParser {
    /// The error of finding something else, or the end, where `expected` should be.
    func unexpected(_ bytes: RawSpan, expected: String) -> JSONError {
        guard offset < bytes.byteCount else {
            return JSONError(
                offset: offset,
                message: "expected \(expected), but the input ends: it may have been cut short")
        }
        let byte = bytes.byte(at: offset)
        var message = "expected \(expected), but found \(Self.describe(byte))"
        if let hint = hint(byte, bytes) { message += ": \(hint)" }
        return JSONError(offset: offset, message: message)
    }

    static func duplicate(_ key: [UInt8], at offset: Int) -> JSONError {
        let text = String(decoding: key, as: UTF8.self)
        // A message is for reading: control characters escaped, and not a megabyte of key.
        let shown = text.unicodeScalars.count > 64 ? String(text.unicodeScalars.prefix(64)) + "…" : text
        var quoted: [UInt8] = []
        JSONValue.appendString(shown, to: &quoted)
        return JSONError(
            offset: offset,
            message: "the key \(String(decoding: quoted, as: UTF8.self)) appears twice in this object: "
                + "keep one of them")
    }

    static func describe(_ byte: UInt8) -> String {
        if (0x21...0x7e).contains(byte) { return "'\(Character(UnicodeScalar(byte)))'" }
        let digits = String(byte, radix: 16)
        return "byte 0x" + (digits.count == 1 ? "0" : "") + digits
    }

    /// What the author of `byte` probably meant.
    private func hint(_ byte: UInt8, _ bytes: RawSpan) -> String? {
        switch byte {
        case UInt8(ascii: "'"): "enclose strings in double quotation marks"
        case UInt8(ascii: "/"), UInt8(ascii: "#"): "remove the comment"
        case UInt8(ascii: "N"), UInt8(ascii: "I"): "write null or a string for NaN and Infinity"
        case UInt8(ascii: "T"), UInt8(ascii: "F"): "write true or false in lower case"
        case UInt8(ascii: "+"), UInt8(ascii: "."): "begin a number with a digit or a minus sign"
        case UInt8(ascii: "]"), UInt8(ascii: "}"):
            if lastNonWhitespaceIsComma(bytes) { "remove the comma before it" } else { nil }
        case 0x00: "this may not be text in UTF-8"
        case 0x80...: "outside strings everything is ASCII"
        default: nil
        }
    }

    private func lastNonWhitespaceIsComma(_ bytes: RawSpan) -> Bool {
        var before = offset - 1
        while before >= 0, [0x20, 0x0a, 0x0d, 0x09].contains(bytes.byte(at: before)) { before -= 1 }
        return before >= 0 && bytes.byte(at: before) == UInt8(ascii: ",")
    }
}
