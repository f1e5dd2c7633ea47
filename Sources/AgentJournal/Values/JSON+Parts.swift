internal import CanonicalJSON

extension JSON {
    /// What sort of value it is.
    public var kind: Kind {
        switch utf8.first {
        case UInt8(ascii: "n"): .null
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "{"): .object
        default: .number
        }
    }

    /// The text of a string; nil for any other kind.
    public var stringValue: String? {
        CanonicalJSON.decodeString(utf8.span.bytes).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A number that is written without fraction and exponent and fits; nil for any other, and any other kind.
    public var intValue: Int? {
        kind == .number ? Int(description) : nil
    }

    /// The `Double` nearest to a number; nil if that is infinite, and for any other kind.
    public var doubleValue: Double? {
        guard kind == .number, let value = Double(description), value.isFinite else { return nil }
        return value
    }

    /// `true` or `false`; nil for any other kind.
    public var boolValue: Bool? {
        kind == .boolean ? utf8.first == UInt8(ascii: "t") : nil
    }

    /// The elements of an array; nil for any other kind.
    public var arrayValue: [JSON]? {
        guard let elements = CanonicalJSON.elements(ofArray: utf8.span.bytes) else { return nil }
        return elements.map { JSON(canonicalBytes: Array(utf8[$0])) }
    }

    /// The members of an object in the order of the UTF-8 bytes of their keys; nil for any other kind.
    public var objectValue: [(key: String, value: JSON)]? {
        guard let members = CanonicalJSON.members(ofObject: utf8.span.bytes) else { return nil }
        return members.map { member in
            let key = JSON(canonicalBytes: Array(utf8[member.key])).stringValue ?? ""
            return (key, JSON(canonicalBytes: Array(utf8[member.value])))
        }
    }

    /// The value of an object under `key`, compared byte by byte; nil without such a key, and for any other kind.
    public subscript(key: String) -> JSON? {
        guard let members = CanonicalJSON.members(ofObject: utf8.span.bytes) else { return nil }
        var sought: [UInt8] = []
        JSONValue.appendString(key, to: &sought)
        // Canonical strings are equal exactly if what they mean is, so keys need no decoding here.
        guard let member = members.first(where: { utf8[$0.key].elementsEqual(sought) }) else { return nil }
        return JSON(canonicalBytes: Array(utf8[member.value]))
    }

    /// An element of an array; nil outside of it, and for any other kind.
    public subscript(index: Int) -> JSON? {
        guard index >= 0, let elements = CanonicalJSON.elements(ofArray: utf8.span.bytes),
            index < elements.count
        else { return nil }
        return JSON(canonicalBytes: Array(utf8[elements[index]]))
    }
}
