import AgentJournal

/// What becomes of a memory whose idempotency key was used before for another.
enum ConflictPolicy: String, CaseIterable {
    /// Nothing of its batch is written.
    case stop
    /// The first stays.
    case skip
    /// The newest takes the place of the one before.
    case replace
}

/// Writes batches, and decides about keys that come again with something else.
actor BatchWriter {
    /// What became of a batch.
    struct Written: Sendable {
        var added = 0
        var replayed = 0
        var replaced = 0
        var skipped = 0
        /// Those that were skipped, without being asked for it, because only their metadata was another.
        var sameContent = ImportRemarks.Remark()
        /// Those that would take the place of a memory that was forgotten since.
        var forgotten = ImportRemarks.Remark()

        mutating func add(_ other: Written) {
            added += other.added
            replayed += other.replayed
            replaced += other.replaced
            skipped += other.skipped
            sameContent.add(other.sameContent)
            forgotten.add(other.forgotten)
        }

        fileprivate mutating func count(_ receipts: [Receipt]) {
            let old = receipts.count { $0.isReplayed }
            replayed += old
            added += receipts.count - old
        }
    }

    private let journal: Journal
    /// nil stops too, but for a memory that differs from the first in its metadata only.
    private let policy: ConflictPolicy?
    /// Of keys that came with several contents, the memory that is there now, and how often each content came.
    private var replacements: [Key: Replacement] = [:]

    private struct Key: Hashable {
        var conversation: [UInt8]
        var key: [UInt8]

        init?(_ item: (conversation: String, memory: NewMemory)) {
            guard let key = item.memory.idempotencyKey else { return nil }
            conversation = Array(item.conversation.utf8)
            self.key = Array(key.utf8)
        }
    }

    private struct Replacement {
        var sequence: UInt64
        var seen: [[UInt8]: Int] = [:]
    }

    /// What one item of a batch meets.
    private enum Conflict {
        /// A memory that was added before.
        case added(UInt64)
        /// An item of the same batch.
        case item(Int)
    }

    init(_ journal: Journal, _ policy: ConflictPolicy?) {
        self.journal = journal
        self.policy = policy
    }

    /// Writes a batch: whole or not at all, unless something is replaced, which is a step of its own.
    ///
    /// - Throws: `BadLine` for the line that is at fault, `JournalError`.
    func write(_ batch: Batch) async throws -> Written {
        var written = Written()
        let mayMeet =
            !replacements.isEmpty
            && batch.memories.contains { item in
                Key(item).map { replacements[$0] != nil } ?? false
            }
        if !mayMeet {
            do {
                written.count(try await journal.add(contentsOf: batch.memories))
                return written
            } catch let error as JournalError where error.code == .keyConflict && policy != .stop {
                // Decided below, for all of its items at once.
            } catch {
                throw locate(error, batch)
            }
        }
        let conflicts = try self.conflicts(in: batch)
        var kept: [Int] = []
        for (index, conflict) in conflicts.enumerated() {
            guard let conflict else {
                kept.append(index)
                continue
            }
            switch policy {
            case .replace:
                try await add(kept, of: batch, &written)
                kept = []
                try await replace(index, batch, &written)
            case .skip: written.skipped += 1
            case .stop, nil:
                guard try differsInMetadataOnly(index, conflict, batch) else {
                    throw BatchWriter.stopped(index, batch)
                }
                written.skipped += 1
                written.sameContent.add(batch.places[index])
            }
        }
        try await add(kept, of: batch, &written)
        return written
    }

    private func add(_ indices: [Int], of batch: Batch, _ written: inout Written) async throws {
        guard !indices.isEmpty else { return }
        do {
            written.count(try await journal.add(contentsOf: indices.map { batch.memories[$0] }))
        } catch {
            throw locate(error, batch.only(indices))
        }
    }

    /// What each item meets; nil for one that meets nothing, or its like.
    private func conflicts(in batch: Batch) throws -> [Conflict?] {
        let known = try journal.knownKeys(of: batch.memories)
        var first: [Key: Int] = [:]
        // The first content may come again behind another that took its place.
        var replaced: Set<Key> = []
        return batch.memories.indices.map { index in
            guard let key = Key(batch.memories[index]) else { return nil }
            let conflict: Conflict
            let isSame: Bool
            if let known = known[index] {
                conflict = .added(known.sequence)
                isSame = known.isSame && replacements[key].map { $0.sequence == known.sequence } ?? true
            } else if let earlier = first[key] {
                conflict = .item(earlier)
                isSame = batch.memories[earlier].memory.isSame(as: batch.memories[index].memory)
            } else {
                first[key] = index
                return nil
            }
            if isSame, !replaced.contains(key) { return nil }
            if policy == .replace { replaced.insert(key) }
            return conflict
        }
    }

    private func differsInMetadataOnly(_ index: Int, _ conflict: Conflict, _ batch: Batch) throws -> Bool {
        let first: NewMemory
        switch conflict {
        case .item(let item): first = batch.memories[item].memory
        case .added(let sequence):
            guard let memory = try journal.view().memory(sequence) else { return false }
            first = NewMemory(memory)
        }
        var other = batch.memories[index].memory
        other.metadata = first.metadata
        return other.isSame(as: first)
    }

    /// Puts an item in the place of the memory that its key stands for now.
    ///
    /// The key itself stays the first memory's. The new one has it with a digest of what it holds, so that the same import, repeated,
    /// finds each memory that it added.
    private func replace(_ index: Int, _ batch: Batch, _ written: inout Written) async throws {
        var item = batch.memories[index]
        guard let key = Key(item), let name = item.memory.idempotencyKey,
            let first = try journal.knownKeys(of: [item])[0]
        else { throw BatchWriter.stopped(index, batch) }
        var replacement = replacements[key] ?? Replacement(sequence: first.sequence)
        defer { replacements[key] = replacement }
        if let now = try journal.view().memory(replacement.sequence), item.memory.isSame(as: NewMemory(now)) {
            written.replayed += 1
            return
        }
        let digest = item.memory.comparedHash(in: item.conversation)
        let times = replacement.seen[digest, default: 0] + 1
        replacement.seen[digest] = times
        item.memory.idempotencyKey = BatchWriter.versionKey(name, digest, times)
        if let known = try journal.knownKeys(of: [item])[0] {
            replacement.sequence = known.sequence
            written.replayed += 1
            return
        }
        guard let target = try await successor(of: replacement.sequence) else {
            written.skipped += 1
            written.forgotten.add(batch.places[index])
            return
        }
        do {
            let conversation = journal.conversation(item.conversation)
            replacement.sequence = try await conversation.replace(target, with: item.memory).sequence
            written.replaced += 1
        } catch {
            throw locate(error, batch.only([index]))
        }
    }

    /// Keys have 512 bytes at most. The digest tells two apart whose beginnings are the same, as it is of their contents.
    private static func versionKey(_ key: String, _ digest: [UInt8], _ times: Int) -> String {
        var name = key
        while name.utf8.count > 440 { name.unicodeScalars.removeLast() }
        let digits = String(decoding: Hexadecimal.digits(of: digest), as: UTF8.self)
        return "\(name)~\(digits)" + (times > 1 ? "~\(times)" : "")
    }

    /// The memory that is there in the place of one; nil when it was forgotten.
    private func successor(of sequence: UInt64) async throws -> UInt64? {
        var sequence = sequence
        while try journal.view().memory(sequence) == nil {
            guard
                case .replaced(let next)? = try await journal.history(of: sequence).changes.dropFirst().first?
                    .kind
            else { return nil }
            sequence = next
        }
        return sequence
    }

    // MARK: Errors

    private static func stopped(_ index: Int, _ batch: Batch) -> BadLine {
        let (conversation, memory) = batch.memories[index]
        return BadLine(
            batch.places[index], code: JournalError.Code.keyConflict.rawValue,
            "its key \"\(memory.idempotencyKey ?? "")\" was used before in conversation \"\(conversation)\", with other "
                + "content, role, mime type or metadata. --on-conflict skip keeps the first, --on-conflict replace takes the newest"
        )
    }

    /// Names the line that made the journal refuse a batch.
    private func locate(_ error: any Error, _ batch: Batch) -> any Error {
        guard var error = error as? JournalError else { return error }
        var index = error.item
        if index == nil, error.code == .invalidArgument || error.code == .tooLarge {
            for (number, item) in batch.memories.enumerated() {
                do {
                    try journal.check(item.memory, in: item.conversation)
                } catch let problem {
                    index = number
                    error = problem
                    break
                }
            }
        }
        guard let index else { return error }
        if error.code == .keyConflict { return BatchWriter.stopped(index, batch) }
        return BadLine(batch.places[index], code: error.code.rawValue, error.message)
    }
}

extension Batch {
    fileprivate func only(_ indices: [Int]) -> Batch {
        var part = Batch()
        part.memories = indices.map { memories[$0] }
        part.places = indices.map { places[$0] }
        return part
    }
}

extension NewMemory {
    /// What a memory was added as, but for its time and key.
    init(_ memory: Memory) {
        self.init(memory.content, role: memory.role, mimeType: memory.mimeType, metadata: memory.metadata)
    }

    /// Whether a key that both bear would take them for the same.
    func isSame(as other: NewMemory) -> Bool {
        content == other.content && role == other.role && metadata == other.metadata
            && (mimeType ?? "").utf8.elementsEqual((other.mimeType ?? "").utf8)
    }
}
