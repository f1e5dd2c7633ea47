import AgentJournal

/// Tells whether lines without keys are in the journal already, as they are when a file is imported twice.
///
/// The journal notes no file that was imported. Only this is compared: the first ten lines of the file's first conversation
/// that bring no keys, with memories without keys that follow one another among the conversation's newest 100,000.
enum ImportedBefore {
    private static let comparedLines = 10
    private static let pageMemories = 1000
    private static let comparedMemories = 100_000

    struct Found {
        var conversation: String
        var lines: Int
        var sequences: ClosedRange<UInt64>
    }

    /// The memories that are equal to the first of a batch, the first of an import.
    static func find(_ batch: Batch, in journal: Journal) throws -> Found? {
        let unkeyed = batch.memories.filter { isWithoutOwnKey($0.memory) }
        guard let conversation = unkeyed.first?.conversation else { return nil }
        let wanted = unkeyed.lazy.filter { $0.conversation.utf8.elementsEqual(conversation.utf8) }
            .prefix(comparedLines).map(\.memory)
        guard let first = wanted.first else { return nil }
        let view = try journal.view()
        // The memories behind the one that is looked at, the oldest first.
        var window: [Memory] = []
        var before: UInt64?
        for _ in 0..<comparedMemories / pageMemories {
            let page = try view.memories(in: conversation, last: pageMemories, before: before)
            for memory in page.reversed() {
                window.insert(memory, at: 0)
                if window.count > wanted.count { window.removeLast() }
                guard window.count == wanted.count, isEqual(memory, first),
                    zip(window, wanted).allSatisfy({ isEqual($0, $1) })
                else { continue }
                return Found(
                    conversation: conversation, lines: wanted.count,
                    sequences: memory.sequence...(window.last ?? memory).sequence)
            }
            guard page.count == pageMemories, let oldest = page.first else { return nil }
            before = oldest.sequence
        }
        return nil
    }

    /// A key of a line's content does not find what was added without.
    private static func isWithoutOwnKey(_ memory: NewMemory) -> Bool {
        memory.idempotencyKey.map { $0.hasPrefix(ContentKeys.prefix) } ?? true
    }

    private static func isEqual(_ memory: Memory, _ wanted: NewMemory) -> Bool {
        memory.idempotencyKey == nil && wanted.isSame(as: NewMemory(memory))
            && wanted.timestamp.map { $0 == memory.timestamp } ?? true
    }
}
