/// The parts of a value that is in canonical form already, found without parsing it: a part of a canonical value
/// is itself canonical, so its bytes can be copied as they are. No recursion, whatever the depth.
///
/// Bytes that are not canonical give parts that mean nothing, never a crash.
extension CanonicalJSON {
    /// Where the elements of a canonical array are, or nil if `bytes` do not begin as an array.
    package static func elements(ofArray bytes: RawSpan) -> [Range<Int>]? {
        guard bytes.byteCount >= 2, bytes.byte(at: 0) == UInt8(ascii: "[") else { return nil }
        var elements: [Range<Int>] = []
        var offset = 1
        while offset < bytes.byteCount, bytes.byte(at: offset) != UInt8(ascii: "]") {
            let end = endOfValue(bytes, from: offset)
            elements.append(offset..<end)
            offset = end + (isComma(bytes, at: end) ? 1 : 0)
            if end == elements[elements.count - 1].lowerBound { break }
        }
        return elements
    }

    /// Where the keys (with their quotation marks) and values of a canonical object are, or nil if `bytes` do not
    /// begin as an object.
    package static func members(ofObject bytes: RawSpan) -> [(key: Range<Int>, value: Range<Int>)]? {
        guard bytes.byteCount >= 2, bytes.byte(at: 0) == UInt8(ascii: "{") else { return nil }
        var members: [(key: Range<Int>, value: Range<Int>)] = []
        var offset = 1
        while offset < bytes.byteCount, bytes.byte(at: offset) == UInt8(ascii: "\"") {
            let endOfKey = endOfString(bytes, from: offset)
            let value = min(endOfKey + 1, bytes.byteCount)
            let end = endOfValue(bytes, from: value)
            members.append((offset..<endOfKey, value..<end))
            offset = end + (isComma(bytes, at: end) ? 1 : 0)
        }
        return members
    }

    /// The UTF-8 of a canonical string, decoded, or nil if `bytes` are not one string.
    package static func decodeString(_ bytes: RawSpan) -> [UInt8]? {
        guard bytes.byteCount >= 2, bytes.byte(at: 0) == UInt8(ascii: "\"") else { return nil }
        var parser = JSONParser(maximumDepth: 0)
        guard let text = try? parser.string(bytes), parser.offset == bytes.byteCount else { return nil }
        return text
    }

    /// How many arrays and objects enclose one another in a canonical value: 0 for a string, 1 for `[]`.
    package static func depth(of bytes: RawSpan) -> Int {
        var depth = 0
        var deepest = 0
        var offset = 0
        while offset < bytes.byteCount {
            switch bytes.byte(at: offset) {
            case UInt8(ascii: "\""):
                offset = endOfString(bytes, from: offset)
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                deepest = max(deepest, depth)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
            offset += 1
        }
        return deepest
    }

    private static func isComma(_ bytes: RawSpan, at offset: Int) -> Bool {
        offset < bytes.byteCount && bytes.byte(at: offset) == UInt8(ascii: ",")
    }

    /// The offset after the string that begins at `start`.
    private static func endOfString(_ bytes: RawSpan, from start: Int) -> Int {
        var offset = start + 1
        while true {
            offset = bytes.endOfPlainRun(from: offset, stoppingAtNonASCII: false)
            guard offset < bytes.byteCount else { return bytes.byteCount }
            if bytes.byte(at: offset) == UInt8(ascii: "\"") { return offset + 1 }
            offset = min(offset + 2, bytes.byteCount)
        }
    }

    /// The offset after the value that begins at `start`: the first comma or closing bracket outside its own
    /// brackets and strings, or the end.
    private static func endOfValue(_ bytes: RawSpan, from start: Int) -> Int {
        var offset = start
        var depth = 0
        while offset < bytes.byteCount {
            switch bytes.byte(at: offset) {
            case UInt8(ascii: "\""):
                offset = endOfString(bytes, from: offset)
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if depth == 0 { return offset }
                depth -= 1
            case UInt8(ascii: ","):
                if depth == 0 { return offset }
            default: break
            }
            offset += 1
        }
        return offset
    }
}
