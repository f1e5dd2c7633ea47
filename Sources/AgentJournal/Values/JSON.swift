internal import CanonicalJSON

/// A JSON value, kept as the bytes of its canonical form.
///
///     let profile: JSON = ["name": "Ada", "tags": ["math", "poetry"], "age": 36]
///     profile["tags"]?[0]?.stringValue  // "math"
///     profile.description               // {"age":36,"name":"Ada","tags":["math","poetry"]}
///
/// In canonical form the keys are in the order of their UTF-8 bytes, there is no white space, and only what must be
/// escaped is. Two values are equal if these bytes are. So keys and texts are compared byte by byte, never by Unicode
/// equivalence, and numbers as they were written: `1`, `1.0` and `1e0` are three values.
///
/// Reading a part scans the bytes of the whole and copies those of the part; nothing is kept parsed.
public struct JSON: Sendable, Hashable {
    /// The canonical form, UTF-8.
    public let utf8: [UInt8]

    /// Why bytes or a text are not a JSON value, and where.
    public struct ParseError: Error, Sendable, Hashable, CustomStringConvertible {
        /// The offset in bytes of what is wrong, from 0; the length of the input if it ends too early.
        public let offset: Int
        /// What is wrong, and what to do about it.
        public let message: String

        /// `byte 17: expected a colon after the key, but found '}'`
        public var description: String { "byte \(offset): \(message)" }
    }

    /// What sort of value it is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// `null`
        case null
        /// `true` or `false`
        case boolean
        /// A number of any size and precision.
        case number
        /// A text.
        case string
        /// Values in order.
        case array
        /// Values by key.
        case object
    }

    /// Parses one JSON value (RFC 8259), with or without white space around it.
    ///
    /// - Throws: ``ParseError`` for broken syntax, half a surrogate pair in an escape, a key that appears twice in an
    ///   object, or arrays and objects nested deeper than 256 levels.
    public init(parsing text: String) throws(ParseError) {
        try self.init(parsing: text.utf8.span.bytes)
    }

    /// Parses one JSON value (RFC 8259) from UTF-8, with or without white space around it.
    ///
    /// - Throws: ``ParseError`` where ``init(parsing:)`` does, and for invalid UTF-8 and a byte order mark.
    public init(utf8: some Sequence<UInt8>) throws(ParseError) {
        try self.init(parsing: Array(utf8).span.bytes)
    }

    private init(parsing bytes: RawSpan) throws(ParseError) {
        do {
            utf8 = try CanonicalJSON.canonicalize(bytes)
        } catch {
            throw ParseError(offset: error.offset, message: error.message)
        }
    }

    /// Takes bytes that are known to be a JSON value in canonical form; nothing is checked.
    package init(canonicalBytes: [UInt8]) {
        utf8 = canonicalBytes
    }

    /// How many arrays and objects enclose one another: 0 for a string, 1 for `[]`. Values put together from
    /// others may be deeper than the parser takes.
    package var depth: Int { CanonicalJSON.depth(of: utf8.span.bytes) }
}

extension JSON: CustomStringConvertible {
    /// The canonical text. To get at the text of a string, use ``stringValue``.
    public var description: String { String(decoding: utf8, as: UTF8.self) }
}

// MARK: Made of Swift values

extension JSON {
    /// `null`
    public static let null = JSON(canonicalBytes: Array("null".utf8))

    /// `true` or `false`
    public init(_ value: Bool) {
        utf8 = Array((value ? "true" : "false").utf8)
    }

    /// A number without fraction.
    public init(_ value: some BinaryInteger) {
        utf8 = Array(String(value).utf8)
    }

    /// A number, written with as few digits as give the same `Double` when read.
    ///
    /// - Precondition: `value` is finite, for JSON has no other; see ``init(exactly:)``.
    public init(_ value: Double) {
        precondition(value.isFinite, "JSON has no number for \(value): use JSON(exactly:), which gives nil")
        utf8 = Array(value.description.utf8)
    }

    /// A number, or nil if `value` is infinite or not a number.
    public init?(exactly value: Double) {
        guard value.isFinite else { return nil }
        self.init(value)
    }

    /// A string. It is not parsed: see ``init(parsing:)`` for that.
    public init(_ text: String) {
        var bytes: [UInt8] = []
        JSONValue.appendString(text, to: &bytes)
        utf8 = bytes
    }

    /// An array.
    public init(_ elements: [JSON]) {
        var bytes = [UInt8(ascii: "[")]
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += element.utf8
        }
        bytes.append(UInt8(ascii: "]"))
        utf8 = bytes
    }

    /// An object.
    public init(_ dictionary: [String: JSON]) {
        self.init(dictionary.lazy.map { ($0.key, $0.value) })
    }

    /// An object. If a key appears more than once, to the byte, the last of its values is taken.
    public init(_ members: some Sequence<(String, JSON)>) {
        var builder = ObjectBuilder()
        for (key, value) in members { builder.set(value.utf8, forKey: Array(key.utf8)) }
        utf8 = builder.canonicalBytes()
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// `null`. Where a `JSON?` is expected, `nil` is no value at all: write ``null`` there.
    public init(nilLiteral: ()) {
        self = .null
    }

    /// `true` or `false`
    public init(booleanLiteral value: Bool) {
        self.init(value)
    }

    /// A number without fraction.
    public init(integerLiteral value: Int) {
        self.init(value)
    }

    /// A number.
    public init(floatLiteral value: Double) {
        self.init(value)
    }

    /// A string. It is not parsed: see ``init(parsing:)`` for that.
    public init(stringLiteral value: String) {
        self.init(value)
    }

    /// An array.
    public init(arrayLiteral elements: JSON...) {
        self.init(elements)
    }

    /// An object. If a key appears more than once, to the byte, the last of its values is taken.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self.init(elements)
    }
}
