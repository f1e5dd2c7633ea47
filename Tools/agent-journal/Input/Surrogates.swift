/// Halves of surrogate pairs, as escapes in a line of JSON: programs that keep text in UTF-16 or in Python's strings write them, and
/// there is no UTF-8 for them.
enum Surrogates {
    /// The line with U+FFFD in the place of each half, of the same length; nil when it has none.
    static func replaced(in line: RawSpan) -> [UInt8]? {
        var bytes = line.withUnsafeBytes { Array($0) }
        var hasReplaced = false
        var offset = 0
        while offset + 1 < bytes.count {
            guard bytes[offset] == UInt8(ascii: "\\") else {
                offset += 1
                continue
            }
            guard let unit = codeUnit(at: offset, bytes), (0xD800...0xDFFF).contains(unit) else {
                offset += 2
                continue
            }
            if unit < 0xDC00, let next = codeUnit(at: offset + 6, bytes), (0xDC00...0xDFFF).contains(next) {
                offset += 12
                continue
            }
            bytes.replaceSubrange(offset + 2..<offset + 6, with: "fffd".utf8)
            hasReplaced = true
            offset += 6
        }
        return hasReplaced ? bytes : nil
    }

    /// The number of an escape with `\u`.
    private static func codeUnit(at offset: Int, _ bytes: [UInt8]) -> UInt16? {
        guard offset + 6 <= bytes.count, bytes[offset] == UInt8(ascii: "\\"),
            bytes[offset + 1] == UInt8(ascii: "u")
        else { return nil }
        return UInt16(String(decoding: bytes[offset + 2..<offset + 6], as: UTF8.self), radix: 16)
    }
}
