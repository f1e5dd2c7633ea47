/// What an idempotency key was used for: the first add's receipt, and its memory if that is still there.
///
///     switch try await conversation.memory(forKey: "request-17/answer") {
///     case nil: // Never used: the answer is still to be found.
///     case let known?: known.memory  // The first answer; nil when it was forgotten since.
///     }
public struct KeyedMemory: Sendable, Hashable {
    /// What a repeated add with this key gets.
    public var receipt: Receipt
    /// The memory; nil when it was forgotten, replaced or cleared since. ``Journal/history(of:)`` with the receipt's sequence says
    /// what became of it. What took its place is another memory, with a key of its own or none.
    public var memory: Memory?
}

extension Conversation {
    /// The memory that was first added with an idempotency key, so that a retried request finds its first answer.
    ///
    /// - Parameter key: The key, which belongs to this conversation.
    /// - Returns: What is known of the key, acknowledged before this call; nil when no add ever had it.
    /// - Throws: What reading throws.
    /// - Complexity: constant: a look-up, in memory or in a block or three of the newest snapshot.
    public func memory(forKey key: String) async throws(JournalError) -> KeyedMemory? {
        try journal.view().memory(forKey: key, in: name)
    }
}

extension JournalView {
    /// The memory that was first added to a conversation with an idempotency key, as of this view.
    ///
    /// - Returns: nil when no add had the key until then. Its `memory` is nil when that was forgotten, replaced or cleared until then.
    /// - Complexity: constant.
    public func memory(forKey key: String, in conversation: String) throws(JournalError) -> KeyedMemory? {
        guard let (value, stored) = try stored(forKey: key, in: conversation) else { return nil }
        return KeyedMemory(receipt: Receipt(repeating: value), memory: stored.map(memory))
    }
}

extension Receipt {
    /// What a repeated add gets of the first one.
    init(repeating first: KeyValue) {
        self.init(
            sequence: first.sequence,
            recorded: Timestamp(clampingMicrosecondsSince1970: first.recordedMicroseconds), isReplayed: true,
            isErased: first.isErased)
    }
}
