extension JSONValue {
    /// Parses `bytes`, which must be one JSON value (RFC 8259) and JSON white space around it.
    ///
    /// Refused, beyond broken syntax: invalid UTF-8, a byte order mark, escapes that are half a surrogate pair,
    /// and a key that appears twice in one object. Linear time; recursion is bounded by `maximumDepth`.
    ///
    /// - Parameter maximumDepth: How many arrays and objects may enclose one another. A value that was accepted
    ///   with the default and then put into another needs as many levels more as were put around it.
    package static func parse(
        _ bytes: RawSpan, maximumDepth: Int = defaultMaximumDepth
    ) throws(JSONError) -> JSONValue {
        var parser = JSONParser(maximumDepth: maximumDepth)
        return try parser.document(bytes)
    }

    /// Parses `bytes`, which must be one JSON value and JSON white space around it.
    package static func parse(
        _ bytes: [UInt8], maximumDepth: Int = defaultMaximumDepth
    ) throws(JSONError) -> JSONValue {
        try parse(bytes.span.bytes, maximumDepth: maximumDepth)
    }
}

/// A recursive-descent parser of one JSON value. It holds its place; the input is handed to every step, since a
/// span cannot be stored.
struct JSONParser {
    let maximumDepth: Int
    var offset = 0

    init(maximumDepth: Int) {
        self.maximumDepth = maximumDepth
    }

    mutating func document(_ bytes: RawSpan) throws(JSONError) -> JSONValue {
        if bytes.byteCount >= 3, bytes.copy(0..<3) == [0xef, 0xbb, 0xbf] {
            throw JSONError(
                offset: 0,
                message: "the input begins with a byte order mark: remove its three bytes (EF BB BF)")
        }
        skipWhitespace(bytes)
        if offset == bytes.byteCount {
            throw JSONError(
                offset: offset, message: "the input is empty: expected a JSON value, such as null or {}")
        }
        let value = try self.value(bytes, depth: 0)
        skipWhitespace(bytes)
        if offset < bytes.byteCount {
            let found = Self.describe(bytes.byte(at: offset))
            throw JSONError(
                offset: offset,
                message: "expected nothing after the value, but found \(found): give one value at a time")
        }
        return value
    }

    /// Parses the value at the current offset; `depth` arrays and objects enclose it.
    mutating func value(_ bytes: RawSpan, depth: Int) throws(JSONError) -> JSONValue {
        guard offset < bytes.byteCount else { throw unexpected(bytes, expected: "a value") }
        switch bytes.byte(at: offset) {
        case UInt8(ascii: "\""): return .string(try string(bytes))
        case UInt8(ascii: "{"): return try object(bytes, depth: depth + 1)
        case UInt8(ascii: "["): return try array(bytes, depth: depth + 1)
        case UInt8(ascii: "t"): return try literal("true", .bool(true), bytes)
        case UInt8(ascii: "f"): return try literal("false", .bool(false), bytes)
        case UInt8(ascii: "n"): return try literal("null", .null, bytes)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number(bytes))
        default: throw unexpected(bytes, expected: "a value")
        }
    }

    private mutating func array(_ bytes: RawSpan, depth: Int) throws(JSONError) -> JSONValue {
        try open(depth: depth)
        var elements: [JSONValue] = []
        skipWhitespace(bytes)
        if take(UInt8(ascii: "]"), bytes) { return .array(elements) }
        while true {
            elements.append(try value(bytes, depth: depth))
            skipWhitespace(bytes)
            if take(UInt8(ascii: "]"), bytes) { return .array(elements) }
            guard take(UInt8(ascii: ","), bytes) else {
                throw unexpected(bytes, expected: "a comma or ] after an element of an array")
            }
            skipWhitespace(bytes)
        }
    }

    private mutating func object(_ bytes: RawSpan, depth: Int) throws(JSONError) -> JSONValue {
        try open(depth: depth)
        var members = MemberList()
        skipWhitespace(bytes)
        if take(UInt8(ascii: "}"), bytes) { return .object([]) }
        while true {
            let keyOffset = offset
            guard offset < bytes.byteCount, bytes.byte(at: offset) == UInt8(ascii: "\"") else {
                throw unexpected(bytes, expected: "a key in quotation marks")
            }
            let key = try string(bytes)
            guard members.isNew(key) else { throw Self.duplicate(key, at: keyOffset) }
            skipWhitespace(bytes)
            guard take(UInt8(ascii: ":"), bytes) else {
                throw unexpected(bytes, expected: "a colon after the key")
            }
            skipWhitespace(bytes)
            members.append(JSONMember(key: key, value: try value(bytes, depth: depth)))
            skipWhitespace(bytes)
            if take(UInt8(ascii: "}"), bytes) { return .object(members.members) }
            guard take(UInt8(ascii: ","), bytes) else {
                throw unexpected(bytes, expected: "a comma or } after a member of an object")
            }
            skipWhitespace(bytes)
        }
    }

    /// Steps over an opening bracket that makes `depth` levels, if that many are allowed.
    private mutating func open(depth: Int) throws(JSONError) {
        guard depth <= maximumDepth else {
            throw JSONError(
                offset: offset, message: "nested deeper than \(maximumDepth) levels: flatten the value")
        }
        offset += 1
    }

    private mutating func literal(
        _ word: StaticString, _ value: JSONValue, _ bytes: RawSpan
    ) throws(JSONError) -> JSONValue {
        let end = offset + word.utf8CodeUnitCount
        let isThere = word.withUTF8Buffer { expected in
            end <= bytes.byteCount
                && bytes.extracting(offset..<end).withUnsafeBytes { $0.elementsEqual(expected) }
        }
        guard isThere else {
            throw JSONError(offset: offset, message: "expected a value: did you mean \(word)?")
        }
        offset = end
        return value
    }
}

extension JSONParser {
    @inline(__always)
    mutating func skipWhitespace(_ bytes: RawSpan) {
        while offset < bytes.byteCount {
            switch bytes.byte(at: offset) {
            case 0x20, 0x0a, 0x0d, 0x09: offset += 1
            default: return
            }
        }
    }

    @inline(__always)
    mutating func take(_ byte: UInt8, _ bytes: RawSpan) -> Bool {
        guard offset < bytes.byteCount, bytes.byte(at: offset) == byte else { return false }
        offset += 1
        return true
    }
}
