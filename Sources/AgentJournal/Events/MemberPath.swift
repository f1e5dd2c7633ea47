import CanonicalJSON

/// Where in a line's object a value lies: names with dots between them, such as `message.content`.
///
/// A member that bears the whole path as its name, dots and all, comes before one that lies deeper.
package struct MemberPath: Sendable {
    /// As it was given.
    package let text: String
    private let names: [[UInt8]]

    /// A path of one name or more; nil where a name is empty.
    package init?(_ text: String) {
        let names = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(
            Array.init)
        guard names.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.text = text
        self.names = names
    }

    /// The value; nil where there is none, or null.
    func value(in members: [JSONMember]) -> JSONValue? {
        var copy = members
        return take(from: &copy)
    }

    /// The value, which is taken out, with the objects that hold nothing else; nil where there is none, or null.
    func take(from members: inout [JSONMember]) -> JSONValue? {
        let whole = Array(text.utf8)
        if let index = members.firstIndex(where: { $0.key == whole }), members[index].value != .null {
            return members.remove(at: index).value
        }
        return MemberPath.take(names[...], from: &members)
    }

    private static func take(_ names: ArraySlice<[UInt8]>, from members: inout [JSONMember]) -> JSONValue? {
        guard let name = names.first, let index = members.firstIndex(where: { $0.key == name }) else {
            return nil
        }
        guard names.count > 1 else {
            return members[index].value == .null ? nil : members.remove(at: index).value
        }
        guard case .object(var inner) = members[index].value,
            let value = take(names.dropFirst(), from: &inner)
        else { return nil }
        if inner.isEmpty { members.remove(at: index) } else { members[index].value = .object(inner) }
        return value
    }
}
