internal import CanonicalJSON

/// Puts a canonical object together from members in any order; of several with the same key the last one counts.
struct ObjectBuilder {
    /// Keys are decoded UTF-8, values canonical JSON.
    private var members: [(key: [UInt8], value: [UInt8])] = []

    /// Adds a member, to be taken in place of those added before under the same key.
    mutating func set(_ value: [UInt8], forKey key: [UInt8]) {
        members.append((key, value))
    }

    /// The object, `{}` without members.
    func canonicalBytes() -> [UInt8] {
        let order = members.indices.sorted { earlier, later in
            if members[earlier].key == members[later].key { return earlier < later }
            return members[earlier].key.lexicographicallyPrecedes(members[later].key)
        }
        var output = [UInt8(ascii: "{")]
        for (place, index) in order.enumerated() {
            let member = members[index]
            if place + 1 < order.count, members[order[place + 1]].key == member.key { continue }
            if output.count > 1 { output.append(UInt8(ascii: ",")) }
            JSONValue.appendString(utf8: member.key, to: &output)
            output.append(UInt8(ascii: ":"))
            output += member.value
        }
        output.append(UInt8(ascii: "}"))
        return output
    }
}
