/// The journal that a memory was read from. It does not keep that open, and is no part of what the memory is: two memories
/// with the same members are equal wherever they were read.
struct MemoryOrigin: Sendable, Hashable {
    /// Shared by all memories that one journal gave out.
    private final class Link: Sendable {
        // Set once, before anybody else has the link; a weak reference may be read from any thread.
        nonisolated(unsafe) weak var journal: Journal?
    }

    private let link: Link?

    /// That of a memory whose journal is not known, as in a report about a journal that is not open.
    init() { link = nil }

    private init(_ link: Link) { self.link = link }

    /// For a journal that is being made, which is bound before anybody else has it.
    static func ofJournal() -> MemoryOrigin { MemoryOrigin(Link()) }

    func bind(to journal: Journal) { link?.journal = journal }

    var journal: Journal {
        get throws(JournalError) {
            guard let journal = link?.journal else {
                throw JournalError(
                    .closed,
                    "Not written: the journal that the memory was read from is closed, or nobody holds it any more. Open it, and "
                        + "call the conversation's forget or replace")
            }
            return journal
        }
    }

    static func == (a: MemoryOrigin, b: MemoryOrigin) -> Bool { true }
    func hash(into hasher: inout Hasher) {}
}

extension Memory {
    /// Forgets this memory in the journal that it was read from, which must still be open.
    ///
    /// - Throws: `noSuchMemory` when it is not there any more; `closed` when the journal is closed, or nobody holds it; else what
    ///   ``Conversation/forget(_:)`` throws.
    @discardableResult
    public func forget() async throws -> Receipt {
        try await origin.journal.forget(sequence)
    }

    /// Forgets this memory and adds another content in its place. What is not given stays as it was; the new memory comes last.
    /// See ``Conversation/replace(_:with:role:mimeType:metadata:idempotencyKey:)-(_,Content,_,_,_,_)``.
    @discardableResult
    public func replace(
        with content: some ContentConvertible, role: Role? = nil, mimeType: String? = nil,
        metadata: Metadata? = nil, idempotencyKey: String? = nil
    ) async throws -> Receipt {
        try await origin.journal.conversation(conversation).replace(
            sequence, with: content.content, role: role, mimeType: mimeType, metadata: metadata,
            idempotencyKey: idempotencyKey)
    }
}

extension Journal {
    /// A memory that was read from this journal, and knows it.
    func own(_ memory: Memory) -> Memory {
        var memory = memory
        memory.origin = origin
        return memory
    }
}
