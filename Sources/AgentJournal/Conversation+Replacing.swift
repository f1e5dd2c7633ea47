import SegmentLog

extension Conversation {
    /// Forgets a memory and adds another content in its place, as one batch. What is not given stays as it was.
    ///
    /// The new memory comes last: it has a sequence of its own, behind all that is there, and its time is that of the
    /// replacing. ``Memory/replaces`` says whose place it took.
    ///
    /// - Parameters:
    ///   - sequence: The memory to be forgotten.
    ///   - content: What is remembered in its place.
    ///   - role: Whose it is; nil for the old memory's role.
    ///   - mimeType: What the content is; nil for the old memory's, where the new content is of the same kind (text, JSON or bytes).
    ///   - metadata: What else is to be noted; nil for the old memory's metadata, `[:]` for none.
    ///   - idempotencyKey: Makes a repeated replace return the first receipt. The old memory's key is not taken over.
    /// - Returns: The receipt of the new memory.
    /// - Throws: `noSuchMemory` when the memory is not there (any more). To keep nothing of the old memory, give a ``NewMemory``:
    ///   ``replace(_:with:)``.
    /// - Complexity: one sync of the disk, and the old memory is read.
    @discardableResult
    public func replace(
        _ sequence: UInt64, with content: Content, role: Role? = nil, mimeType: String? = nil,
        metadata: Metadata? = nil, idempotencyKey: String? = nil
    ) async throws -> Receipt {
        try journal.checkWritable()
        let change = Replacement(
            content: content, role: role, mimeType: mimeType, metadata: metadata,
            idempotencyKey: idempotencyKey)
        switch try prepare(change, of: sequence) {
        case .memory(let memory): return try await replace(sequence, with: memory)
        case .done(let receipt): return receipt
        }
    }

    /// Replaces a memory by a text, a JSON value or bytes that a variable holds. What is not given stays as it was.
    /// See ``replace(_:with:role:mimeType:metadata:idempotencyKey:)-(_,Content,_,_,_,_)``.
    @discardableResult
    public func replace(
        _ sequence: UInt64, with content: some ContentConvertible, role: Role? = nil, mimeType: String? = nil,
        metadata: Metadata? = nil, idempotencyKey: String? = nil
    ) async throws -> Receipt {
        try await replace(
            sequence, with: content.content, role: role, mimeType: mimeType, metadata: metadata,
            idempotencyKey: idempotencyKey)
    }

    /// Forgets a memory and adds another in its place, as one batch. The new one is as it is given: nothing of the old one is kept.
    ///
    /// It comes last, with a sequence of its own.
    /// - Returns: The receipt of the new memory.
    /// - Throws: `noSuchMemory` when it is not there (any more).
    @discardableResult
    public func replace(_ sequence: UInt64, with memory: NewMemory) async throws -> Receipt {
        try journal.checkOpen()
        return try await journal.submit(
            try Append.replace(sequence, in: name, with: memory, limits: journal.engine.limits))[0]
    }

    private enum Prepared {
        case memory(NewMemory)
        /// It was done before; this is its receipt.
        case done(Receipt)
    }

    /// The new memory whole, with what is kept of the old one.
    ///
    /// A repeated replace, known by its key, finds the old one gone. What was kept of it then is in the first replacement.
    private func prepare(_ change: Replacement, of sequence: UInt64) throws(JournalError) -> Prepared {
        let view = try journal.view()
        if let old = try view.memory(sequence), old.conversation.utf8.elementsEqual(name.utf8) {
            return .memory(change.keeping(old))
        }
        guard let key = change.idempotencyKey, let first = try view.memory(forKey: key, in: name) else {
            return .memory(change.keepingNothing)
        }
        if let memory = first.memory { return .memory(change.keeping(memory)) }
        if let memory = try journal.addedMemory(first.receipt.sequence) {
            return .memory(change.keeping(memory))
        }
        // It is forgotten and no more in the log: what it was nobody can compare.
        return .done(first.receipt)
    }
}

/// What the caller of a replace gave.
private struct Replacement {
    var content: Content
    var role: Role?
    var mimeType: String?
    var metadata: Metadata?
    var idempotencyKey: String?

    func keeping(_ old: Memory) -> NewMemory {
        NewMemory(
            content, role: role ?? old.role,
            mimeType: mimeType ?? (content.isOfKind(of: old.content) ? old.mimeType : nil),
            metadata: metadata ?? old.metadata, idempotencyKey: idempotencyKey)
    }

    var keepingNothing: NewMemory {
        NewMemory(
            content, role: role, mimeType: mimeType, metadata: metadata ?? [:], idempotencyKey: idempotencyKey
        )
    }
}

extension Content {
    fileprivate func isOfKind(of other: Content) -> Bool {
        switch (self, other) {
        case (.text, .text), (.json, .json), (.bytes, .bytes): true
        default: false
        }
    }
}

extension Journal {
    /// A memory as the log has it, also when it is forgotten since; nil when it is erased, or its history was let go.
    func addedMemory(_ sequence: UInt64) throws(JournalError) -> Memory? {
        let engine = try engine
        guard sequence > 0, try engine.presentFirstSequence() <= sequence else { return nil }
        var cursor = EventCursor(engine.log, after: sequence - 1)
        guard case .added(let memory) = try cursor.nextEvent(upTo: sequence)?.kind else { return nil }
        return own(memory)
    }
}
