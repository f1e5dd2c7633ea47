/// What a journal knows of an idempotency key that a memory bears.
package struct KnownKey: Sendable {
    /// The first add with the key.
    package var sequence: UInt64
    /// Whether that add had this content, role, mime type and metadata; of an erased one nobody knows, and it passes for the same.
    package var isSame: Bool
}

extension Journal {
    /// What the journal knows of the keys of memories, in their order; nil for a memory without a key and for a new key.
    ///
    /// For deciding what becomes of a batch that was refused for a key; others may add meanwhile.
    package func knownKeys(
        of memories: [(conversation: String, memory: NewMemory)]
    ) throws(JournalError) -> [KnownKey?] {
        let box = try engine.now().box
        var known: [KnownKey?] = []
        known.reserveCapacity(memories.count)
        for (conversation, memory) in memories {
            guard let key = memory.idempotencyKey else {
                known.append(nil)
                continue
            }
            let found = try box.withLock { (state) throws(JournalError) in
                try state.known(Array(conversation.utf8), Array(key.utf8))
            }
            known.append(
                found.map { found in
                    KnownKey(
                        sequence: found.sequence,
                        isSame: found.isErased || found.hash == memory.comparedHash(in: conversation))
                })
        }
        return known
    }
}

extension NewMemory {
    /// A digest of what makes two memories under one key the same: content, role, mime type and metadata.
    package func comparedHash(in conversation: String) -> [UInt8] {
        let addition = Append.Additions(self, to: conversation)
        return addition.withBody(addition.items[0], Decision.hash)
    }
}
