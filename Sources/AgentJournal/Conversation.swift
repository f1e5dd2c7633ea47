/// One conversation of a journal: a named stream of memories.
public struct Conversation: Sendable {
    /// The journal it belongs to.
    public let journal: Journal
    /// Its name: 1 to 512 bytes of UTF-8 without control characters. Compared as bytes.
    public let name: String

    // MARK: Adding

    /// Adds a memory, and returns when it is on stable storage.
    ///
    /// - Parameters:
    ///   - content: Text, JSON or bytes.
    ///   - role: Whose it is.
    ///   - mimeType: What the content is.
    ///   - metadata: What else is to be noted with it.
    ///   - timestamp: Its own time, for an import of old memories; nil for the time of recording.
    ///   - idempotencyKey: Makes a repeated add with the same content return the first receipt.
    ///   - expecting: The sequence of the conversation's last event (0 for none): if another came since, nothing is added.
    /// - Returns: The receipt; its sequence is the memory's identity.
    /// - Throws: `JournalError` with `invalidArgument`, `tooLarge`, `keyConflict`, `unexpectedSequence`, `diskFull` or
    ///   `notWritten`: certainly not written; with `outcomeUnknown`: open again and retry with the key.
    ///   `CancellationError` when the task was cancelled before the add was taken up: not written.
    /// - Complexity: one sync of the disk, shared with all adds that wait at the same time.
    @discardableResult
    public func add(
        _ content: Content, role: Role? = nil, mimeType: String? = nil, metadata: Metadata = [:],
        timestamp: Timestamp? = nil, idempotencyKey: String? = nil, expecting: UInt64? = nil
    ) async throws -> Receipt {
        try await add(
            NewMemory(
                content, role: role, mimeType: mimeType, metadata: metadata, timestamp: timestamp,
                idempotencyKey: idempotencyKey), expecting: expecting)
    }

    /// Adds a text, a JSON value or bytes that a variable holds. See ``add(_:role:mimeType:metadata:timestamp:idempotencyKey:expecting:)-(Content,_,_,_,_,_,_)``.
    @discardableResult
    public func add(
        _ content: some ContentConvertible, role: Role? = nil, mimeType: String? = nil,
        metadata: Metadata = [:], timestamp: Timestamp? = nil, idempotencyKey: String? = nil,
        expecting: UInt64? = nil
    ) async throws -> Receipt {
        try await add(
            content.content, role: role, mimeType: mimeType, metadata: metadata, timestamp: timestamp,
            idempotencyKey: idempotencyKey, expecting: expecting)
    }

    /// Adds a memory that is put together already, and returns when it is on stable storage.
    @discardableResult
    public func add(_ memory: NewMemory, expecting: UInt64? = nil) async throws -> Receipt {
        let append = try Append.add(
            memory, to: name, expecting: expecting, limits: journal.engine.limits)
        return try await journal.submit(append)[0]
    }

    /// Adds several memories as one batch: all of them, or none.
    ///
    /// Items whose idempotency keys are known already are skipped and get their first receipts; one key used before with
    /// other content refuses the whole batch.
    /// - Returns: A receipt for each item, in order.
    @discardableResult
    public func add(contentsOf memories: [NewMemory], expecting: UInt64? = nil) async throws -> [Receipt] {
        if let only = memories.first, memories.count == 1 {
            return [try await add(only, expecting: expecting)]
        }
        let append = try Append.add(
            memories.map { (name, $0) }, expecting: expecting, limits: journal.engine.limits)
        return try await journal.submit(append)
    }

    // MARK: Forgetting

    /// Forgets a memory of this conversation.
    ///
    /// Its bytes stay in the log until it is compacted with erasure.
    /// - Throws: `noSuchMemory` when it is not there (any more).
    @discardableResult
    public func forget(_ sequence: UInt64) async throws -> Receipt {
        try checkOwn(sequence)
        return try await journal.submit(try Append.forget([sequence], limits: journal.engine.limits))[0]
    }

    /// Forgets all memories of this conversation, as they are when this is recorded.
    @discardableResult
    public func clear() async throws -> Receipt {
        try await journal.submit(try Append.clear(name))[0]
    }

    /// A memory never changes its conversation, so this can be checked before the append is queued.
    func checkOwn(_ sequence: UInt64) throws(JournalError) {
        try journal.checkOpen()
        let owner = try journal.engine.read { (box, _) throws(JournalError) in
            try box.withLock { (state) throws(JournalError) in try state.conversation(ofAdd: sequence) }
        }
        guard let owner, owner.elementsEqual(name.utf8) else {
            throw JournalError(
                .noSuchMemory, "There is no memory with sequence \(sequence) in conversation \"\(name)\"",
                sequences: sequence...sequence)
        }
    }

    // MARK: Reading

    /// Memories, oldest first: everything acknowledged before this call.
    ///
    /// - Parameters:
    ///   - last: At most so many, the newest; nil for all.
    ///   - before: Only those with a lower sequence, to page backwards.
    /// - Complexity: linear in the number returned (and in those forgotten between them).
    public func memories(last: Int? = nil, before: UInt64? = nil) async throws(JournalError) -> [Memory] {
        try journal.view().memories(in: name, last: last, before: before)
    }

    /// How many memories it holds: everything acknowledged before this call.
    ///
    /// - Complexity: constant; nothing of the memories is read.
    public func count() async throws(JournalError) -> Int {
        try journal.view().count(of: name)
    }

    /// The sequence of the conversation's last event, for `expecting`; 0 when it has none.
    ///
    /// What is known is told on the caller's actor at once: then the caller is not suspended, and other tasks of that actor do not run
    /// meanwhile.
    /// - Complexity: constant where the journal is open for writing, nothing is new, and the conversation changed since the last
    ///   snapshot. Else what is new is read, or the snapshot, away from the actor; and while the conversation's last event is being made
    ///   durable, it is linear in the conversation.
    public nonisolated(nonsending) func lastSequence() async throws(JournalError) -> UInt64 {
        try journal.checkOpen()
        if let known = journal.knownLastSequence(of: name) { return known }
        return try await readLastSequence()
    }

    @concurrent private func readLastSequence() async throws(JournalError) -> UInt64 {
        try journal.engine.read { (box, bound) throws(JournalError) in
            try box.lastSequence(of: name, at: bound)
        }
    }
}
