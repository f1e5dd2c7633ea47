import CanonicalJSON

/// Says where a record without content may have it.
enum ContentHint {
    /// Names that contents go by, the likeliest first.
    private static let contents = [
        "content", "text", "body", "value", "output", "prompt", "summary", "message",
    ]
    private static let roles = ["role", "from", "sender", "author"]
    private static let maximumDepth = 4

    /// What to do, for a record's object; empty when nothing in it looks like a content.
    static func text(for record: JSONValue) -> String {
        if let path = contentPath(in: record) {
            let role = rolePath(in: record, beside: path)
            return "Its \"\(name(path))\" may be the content: --content-field \(name(path))"
                + (role.map { " --role-field \(name($0))" } ?? "")
        }
        if let array = arrayPath(in: record) {
            return
                "Its \"\(name(array))\" is an array of records: jq -c '.\(name(array))[]' makes lines of them"
        }
        return ""
    }

    /// The shortest path to an array that holds objects.
    static func arrayPath(in value: JSONValue) -> [String]? {
        shortest(in: value) { _, value in
            guard case .array(let elements) = value, case .object? = elements.first else { return false }
            return true
        }
    }

    static func name(_ path: [String]) -> String { path.joined(separator: ".") }

    private static func contentPath(in record: JSONValue) -> [String]? {
        for name in contents {
            let path = shortest(in: record) { key, value in
                guard key == name else { return false }
                switch value {
                case .string(let text): return !text.isEmpty
                // The parts of a message, which no array of whole messages is.
                case .array(let parts): return name == "content" && !parts.isEmpty
                default: return false
                }
            }
            if let path { return path }
        }
        return nil
    }

    private static func rolePath(in record: JSONValue, beside content: [String]) -> [String]? {
        if case .object(let members) = record, members.contains(where: { $0.key.elementsEqual("role".utf8) })
        {
            return nil
        }
        for name in roles {
            let path = shortest(in: record) { key, value in
                guard key == name, case .string = value else { return false }
                return true
            }
            if let path, path.count <= content.count { return path }
        }
        return nil
    }

    /// The first path, of those with the fewest names, to a member of an object, not through arrays, that is wanted.
    private static func shortest(in value: JSONValue, _ isWanted: (String, JSONValue) -> Bool) -> [String]? {
        var level: [([String], JSONValue)] = [([], value)]
        for _ in 0..<maximumDepth {
            var next: [([String], JSONValue)] = []
            for (path, value) in level {
                guard case .object(let members) = value else { continue }
                for member in members {
                    let key = String(decoding: member.key, as: UTF8.self)
                    guard isPlain(key) else { continue }
                    if isWanted(key, member.value) { return path + [key] }
                    next.append((path + [key], member.value))
                }
            }
            level = next
        }
        return nil
    }

    /// Whether it can be given to a shell, to jq and in a path as it is.
    private static func isPlain(_ key: String) -> Bool {
        guard let first = key.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return key.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
        }
    }
}
