/// Who a memory is from. An open set: any text of 1 to 64 bytes is a role.
public struct Role: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible
{
    /// The role as it is recorded.
    public let rawValue: String

    /// A role of that name.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// A role of that name.
    public init(_ rawValue: String) { self.rawValue = rawValue }
    /// A role of that name.
    public init(stringLiteral value: String) { self.rawValue = value }

    /// The person the agent talks with.
    public static let user = Role("user")
    /// The agent's model.
    public static let assistant = Role("assistant")
    /// Instructions from whoever runs the agent.
    public static let system = Role("system")
    /// What a tool returned.
    public static let tool = Role("tool")

    /// The name.
    public var description: String { rawValue }

    /// Compared as UTF-8 bytes.
    public static func == (a: Role, b: Role) -> Bool { a.rawValue.utf8.elementsEqual(b.rawValue.utf8) }
    /// Hashes the UTF-8 bytes.
    public func hash(into hasher: inout Hasher) { hasher.combineBytes(of: rawValue) }
}

extension Hasher {
    /// Hashes text as bytes, as the journal compares it.
    mutating func combineBytes(of text: String) {
        for byte in text.utf8 { combine(byte) }
        combine(0xFF as UInt8)
    }
}
