internal import CanonicalJSON

/// What a memory carries besides its content: JSON values by key, kept as a JSON object in canonical form.
///
///     var metadata: Metadata = ["topic": "contact", "n": 3]
///     metadata["topic"]          // "contact"
///     metadata["source"] = "mail"
///
/// Keys are compared as UTF-8 bytes, so "é" in its two spellings is two keys. Equality is that of the canonical
/// bytes, as with ``JSON``. Reading or setting a key scans the whole.
public struct Metadata: Sendable, Hashable {
    /// The object in canonical form, but no bytes at all if it is empty, as most metadata is.
    package private(set) var canonicalBytes: [UInt8]

    /// No metadata.
    public init() {
        canonicalBytes = []
    }

    /// The members of a JSON object, or nil if `json` is of another kind.
    public init?(_ json: JSON) {
        guard json.kind == .object else { return nil }
        self.init(canonicalBytes: json.utf8)
    }

    /// Metadata of keys and values. If a key appears more than once, to the byte, the last of its values is taken.
    public init(_ pairs: some Sequence<(String, JSON)>) {
        self.init(canonicalBytes: JSON(pairs).utf8)
    }

    /// Metadata of keys and values.
    public init(_ dictionary: [String: JSON]) {
        self.init(dictionary.lazy.map { ($0.key, $0.value) })
    }

    /// Metadata of keys and texts.
    public init(_ texts: [String: String]) {
        self.init(texts.lazy.map { ($0.key, JSON($0.value)) })
    }

    /// Takes bytes that are known to be a JSON object in canonical form, or none for no metadata; nothing is checked.
    package init(canonicalBytes: [UInt8]) {
        self.canonicalBytes = canonicalBytes.count <= 2 ? [] : canonicalBytes
    }

    /// The metadata as a JSON object, `{}` if it is empty.
    public var json: JSON {
        JSON(canonicalBytes: isEmpty ? Array("{}".utf8) : canonicalBytes)
    }

    /// Whether there is no key.
    public var isEmpty: Bool { canonicalBytes.isEmpty }

    /// How many keys there are.
    public var count: Int {
        CanonicalJSON.members(ofObject: canonicalBytes.span.bytes)?.count ?? 0
    }

    /// The keys in the order of their UTF-8 bytes.
    public var keys: [String] { pairs.map(\.key) }

    /// The keys and values in the order of the UTF-8 bytes of the keys.
    public var pairs: [(key: String, value: JSON)] { json.objectValue ?? [] }

    /// The value under `key`, nil without one. Setting nil removes the key; to keep it with the value null, set
    /// ``JSON/null``.
    public subscript(key: String) -> JSON? {
        get { isEmpty ? nil : JSON(canonicalBytes: canonicalBytes)[key] }
        set { set(newValue, forKey: Array(key.utf8)) }
    }

    private mutating func set(_ value: JSON?, forKey key: [UInt8]) {
        var builder = ObjectBuilder()
        for member in CanonicalJSON.members(ofObject: canonicalBytes.span.bytes) ?? [] {
            let name = CanonicalJSON.decodeString(canonicalBytes.span.bytes.extracting(member.key)) ?? []
            if name != key { builder.set(Array(canonicalBytes[member.value]), forKey: name) }
        }
        if let value { builder.set(value.utf8, forKey: key) }
        self = Metadata(canonicalBytes: builder.canonicalBytes())
    }
}

extension Metadata: ExpressibleByDictionaryLiteral, CustomStringConvertible {
    /// Metadata of keys and values. If a key appears more than once, to the byte, the last of its values is taken.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self.init(elements)
    }

    /// The canonical text of the object, `{}` if it is empty.
    public var description: String { json.description }
}
