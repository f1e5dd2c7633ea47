/// What is remembered: text, a JSON value, or bytes.
///
/// Text and bytes come back byte for byte. JSON comes back as the same value, in canonical form. Text that happens to be
/// JSON (with the mime type `application/json`) keeps its exact bytes.
public enum Content: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// UTF-8 text.
    case text(String)
    /// A JSON object, array, number or boolean. (A JSON string is text; null is nothing to remember.)
    case json(JSON)
    /// Any bytes; say what they are with a mime type.
    case bytes([UInt8])

    /// Text.
    public init(stringLiteral value: String) { self = .text(value) }

    /// The text, if it is text.
    public var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// The JSON value, if it is one.
    public var json: JSON? {
        if case .json(let json) = self { json } else { nil }
    }

    /// The bytes, if it is bytes.
    public var bytes: [UInt8]? {
        if case .bytes(let bytes) = self { bytes } else { nil }
    }

    /// Compared as bytes: "é" in its two spellings is two texts.
    public static func == (a: Content, b: Content) -> Bool {
        switch (a, b) {
        case (.text(let x), .text(let y)): x.utf8.elementsEqual(y.utf8)
        case (.json(let x), .json(let y)): x == y
        case (.bytes(let x), .bytes(let y)): x == y
        default: false
        }
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .text(let text): hasher.combineBytes(of: text)
        case .json(let json): hasher.combine(json)
        case .bytes(let bytes): hasher.combine(bytes)
        }
    }
}

extension Content: CustomStringConvertible {
    /// The text, the canonical JSON, or of bytes how many there are: `<8 bytes>`.
    public var description: String {
        switch self {
        case .text(let text): text
        case .json(let json): json.description
        case .bytes(let bytes): "<\(bytes.count) bytes>"
        }
    }
}
