/// The members of an object while it is parsed, which knows at each key whether it is a new one.
///
/// Keys in ascending order, which is how canonical JSON has them, cost one comparison each; a few keys in any order
/// are compared with one another; many are hashed. So an object of n members takes time in the order of its bytes
/// whoever wrote it: Swift's hashing is seeded, and no input makes its keys collide on purpose.
struct MemberList {
    private(set) var members: [JSONMember] = []
    private var isAscending = true
    private var hashedKeys: Set<[UInt8]> = []

    private static let mostComparedKeys = 16

    init() {}

    /// Whether no member has this key. Every key must be asked about once, and then appended.
    mutating func isNew(_ key: [UInt8]) -> Bool {
        guard let last = members.last else { return true }
        if isAscending {
            if last.key.lexicographicallyPrecedes(key) { return true }
            isAscending = false
        }
        if members.count <= Self.mostComparedKeys {
            return !members.contains { $0.key == key }
        }
        if hashedKeys.isEmpty { hashedKeys = Set(members.map(\.key)) }
        return hashedKeys.insert(key).inserted
    }

    mutating func append(_ member: JSONMember) {
        members.append(member)
    }
}
