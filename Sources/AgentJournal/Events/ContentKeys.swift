package import CanonicalJSON
import Crypto

/// Makes idempotency keys of what lines hold, so that importing the same lines again adds nothing.
///
/// A key is a digest of the conversation and of the line in canonical form, without its `sequence`, and how many equal lines came before
/// it: equal lines of one import stay several memories. Some 60 bytes of memory a line that differs from the ones before.
package struct ContentKeys: Sendable {
    private var seen: [Digest: UInt32] = [:]

    /// The first 16 bytes of a SHA-256.
    private struct Digest: Hashable {
        var high: UInt64
        var low: UInt64
    }

    /// With what such keys begin.
    package static let prefix = "content:"

    package init() {}

    /// The key of a line's object.
    package mutating func key(of line: JSONValue, conversation: String) -> String {
        var bytes = Array(conversation.utf8)
        // No name of a conversation has a zero byte.
        bytes.append(0)
        if case .object(let members) = line {
            JSONValue.object(members.filter { !$0.key.elementsEqual("sequence".utf8) }).appendCanonical(
                to: &bytes)
        } else {
            line.appendCanonical(to: &bytes)
        }
        let hash = Array(SHA256.hash(data: bytes).prefix(16))
        let digest = hash.span.bytes.withUnsafeBytes {
            Digest(
                high: $0.loadUnaligned(as: UInt64.self),
                low: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        let ordinal = seen[digest, default: 0] + 1
        seen[digest] = ordinal
        let digits = String(decoding: Hexadecimal.digits(of: hash), as: UTF8.self)
        return "\(ContentKeys.prefix)\(digits)" + (ordinal > 1 ? ":\(ordinal)" : "")
    }
}
