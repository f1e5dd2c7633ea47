/// Finds where a JSON value ends, piece by piece, without judging what is in it.
struct ValueScanner {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var isScalar = false
    /// How many bytes of the value were looked at.
    private var scanned = 0

    /// Looks on in bytes that begin with the value, of which there are more than at the last call.
    ///
    /// - Returns: how many bytes the value has; nil when it goes on beyond these, or a number or word may.
    mutating func end(in bytes: RawSpan) -> Int? {
        while scanned < bytes.byteCount {
            let byte = bytes.unsafeLoad(fromByteOffset: scanned, as: UInt8.self)
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                    if depth == 0 { return scanned + 1 }
                }
                scanned += 1
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                if isScalar { return scanned }
                isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if isScalar { return scanned }
                depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if isScalar { return scanned }
                depth -= 1
                if depth <= 0 { return scanned + 1 }
            case UInt8(ascii: ","), 0x20, 0x0A, 0x0D, 0x09:
                if isScalar || depth == 0 { return max(scanned, 1) }
            default:
                if depth == 0 { isScalar = true }
            }
            scanned += 1
        }
        return nil
    }

    /// The values that follow one another in bytes; nil where the last does not end.
    static func values(in bytes: RawSpan) -> [Range<Int>]? {
        var values: [Range<Int>] = []
        var offset = 0
        while true {
            while offset < bytes.byteCount, isSpace(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
            {
                offset += 1
            }
            guard offset < bytes.byteCount else { return values }
            var scanner = ValueScanner()
            guard let count = scanner.end(in: bytes.extracting(offset..<bytes.byteCount)) else { return nil }
            values.append(offset..<offset + count)
            offset += count
        }
    }

    /// Whether it is JSON's white space.
    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}
