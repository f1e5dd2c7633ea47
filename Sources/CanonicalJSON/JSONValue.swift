/// A JSON value as it was written: numbers keep their digits, objects the order of their members.
///
/// Strings and keys are bytes of valid UTF-8, so that comparing two of them compares what is stored and never
/// what Unicode takes for equivalent. The boxes that an array or object needs are those of `Array`; the enum
/// itself is not `indirect`, which would cost one more allocation a value.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// The token verbatim, in the grammar of RFC 8259: `1`, `1.0` and `1E400` are three different numbers.
    case number([UInt8])
    /// The text as UTF-8, its escapes decoded.
    case string([UInt8])
    case array([JSONValue])
    /// The members in source order, no key twice.
    case object([JSONMember])

    /// How many arrays and objects may enclose one another, unless a caller of the parser says otherwise.
    /// It bounds the recursion of everything that walks a parsed value.
    package static let defaultMaximumDepth = 256
}

/// One `"key": value` of an object.
package struct JSONMember: Sendable, Hashable {
    /// The key as UTF-8, its escapes decoded.
    package var key: [UInt8]
    /// The value under that key.
    package var value: JSONValue

    /// Makes a member; `key` must be valid UTF-8.
    package init(key: [UInt8], value: JSONValue) {
        self.key = key
        self.value = value
    }
}

/// Why bytes are not a JSON value, and where.
package struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The offset of the offending byte, from 0; the length of the input if it ends too early.
    package let offset: Int
    /// What is wrong, and what to do about it.
    package let message: String

    /// Makes an error.
    package init(offset: Int, message: String) {
        self.offset = offset
        self.message = message
    }

    /// `byte 17: expected a colon after the key, but found '}'`
    package var description: String { "byte \(offset): \(message)" }
}
