@testable import AgentJournal

/// What the journal must append when it is asked to, or how it must refuse.
extension Model {
    func add(
        _ items: [(conversation: String, memory: NewMemory)], expecting: UInt64? = nil
    ) -> Result<Change, Failure> {
        for item in items {
            if let failure = invalid(item.conversation, 512) ?? invalid(item.memory) {
                return .failure(failure)
            }
        }
        var change = Change()
        var isNew = false
        for (name, memory) in items {
            if let sequence = memory.idempotencyKey.flatMap({ erased(name, $0) }) {
                change.receipts.append((sequence, true))
                change.erased.insert(sequence)
            } else if let first = first(name, memory, change) {
                guard first.isSame(as: memory) else { return .failure(.keyConflict) }
                change.receipts.append((first.sequence, true))
            } else {
                isNew = true
                let sequence = lastSequence + UInt64(change.kinds.count) + 1
                change.kinds.append(.added(Memory(sequence, name, memory)))
                change.receipts.append((sequence, false))
            }
        }
        if let expecting, isNew, mistake != .expectingIsIgnored,
            lastSequence(of: items[0].conversation) != expecting
        {
            return .failure(.unexpectedSequence)
        }
        return .success(change)
    }

    /// The add that had a memory's key first: before, or earlier in the same batch.
    private func first(_ name: String, _ memory: NewMemory, _ change: Change) -> Memory? {
        guard let key = memory.idempotencyKey else { return nil }
        if let known = known(name, key) { return known }
        if mistake == .batchKeepsRepeatedKeys { return nil }
        for case .added(let earlier) in change.kinds
        where earlier.conversation.isSame(name) && earlier.idempotencyKey?.isSame(key) == true {
            return earlier
        }
        return nil
    }

    func forget(_ sequences: [UInt64]) -> Result<Change, Failure> {
        var change = Change()
        var done: Set<UInt64> = []
        for sequence in sequences where done.insert(sequence).inserted {
            guard let memory = live(sequence) else { return .failure(.noSuchMemory) }
            append(.forgotten(sequence, conversation: memory.conversation), to: &change)
        }
        return .success(change)
    }

    func forget(_ sequence: UInt64, in name: String) -> Result<Change, Failure> {
        guard owner(of: sequence)?.isSame(name) == true else { return .failure(.noSuchMemory) }
        return forget([sequence])
    }

    func replace(_ sequence: UInt64, in name: String, with memory: NewMemory) -> Result<Change, Failure> {
        if let failure = invalid(memory) { return .failure(failure) }
        if let first = memory.idempotencyKey.flatMap({ erased(name, $0) }) {
            return .success(Change(receipts: [(first, true)], erased: [first]))
        }
        if let first = first(name, memory, Change()) {
            guard first.isSame(as: memory) else { return .failure(.keyConflict) }
            return .success(Change(receipts: [(first.sequence, true)]))
        }
        guard let owner = owner(of: sequence), owner.isSame(name), live(sequence) != nil else {
            return .failure(.noSuchMemory)
        }
        let added = lastSequence + (mistake == .replaceKeepsTheOld ? 1 : 2)
        var change = Change()
        if mistake != .replaceKeepsTheOld {
            change.kinds.append(.forgotten(sequence, conversation: owner))
        }
        var new = Memory(added, owner, memory)
        if mistake != .replaceKeepsTheOld { new.replaces = sequence }
        change.kinds.append(.added(new))
        change.receipts = [(added, false)]
        return .success(change)
    }

    func clear(_ name: String) -> Result<Change, Failure> {
        if let failure = invalid(name, 512) { return .failure(failure) }
        var change = Change()
        append(.cleared(conversation: name), to: &change)
        return .success(change)
    }

    func flush(_ label: String?) -> Result<Change, Failure> {
        if let label, let failure = invalid(label, 512) { return .failure(failure) }
        var change = Change()
        append(.flushed(label: label), to: &change)
        return .success(change)
    }

    private func append(_ kind: Event.Kind, to change: inout Change) {
        change.kinds.append(kind)
        change.receipts.append((lastSequence + UInt64(change.kinds.count), false))
    }

    // MARK: What is there already

    /// The conversation of the memory with a sequence, if it was ever added, and its name is not erased.
    private func owner(of sequence: UInt64) -> String? {
        guard events.indices.contains(Int(sequence) - 1) else { return nil }
        switch events[Int(sequence) - 1].kind {
        case .added(let memory): return memory.conversation
        case .erased(let left) where left.kind == .added: return left.conversation
        default: return nil
        }
    }

    private func live(_ sequence: UInt64) -> Memory? {
        memories(after: lastSequence).first { $0.sequence == sequence }
    }

    /// The first add of a conversation with an idempotency key.
    private func known(_ name: String, _ key: String) -> Memory? {
        if mistake == .keysAreForgotten {
            return memories(in: name).first { $0.idempotencyKey?.isSame(key) == true }
        }
        for case .added(let memory) in events.map(\.kind)
        where memory.conversation.isSame(name) && memory.idempotencyKey?.isSame(key) == true {
            return memory
        }
        return nil
    }

    // MARK: What is taken

    private func invalid(_ text: String, _ maximumBytes: Int) -> Failure? {
        let isControl = text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        return text.isEmpty || text.utf8.count > maximumBytes || isControl ? .invalidArgument : nil
    }

    private func invalid(_ memory: NewMemory) -> Failure? {
        let size: Int
        switch memory.content {
        case .text(let text): size = text.utf8.count
        case .bytes(let bytes): size = bytes.count
        case .json(let json):
            if json.kind == .string || json.kind == .null { return .invalidArgument }
            size = json.description.utf8.count
        }
        if size > maximumContentBytes { return .tooLarge }
        return memory.mimeType.flatMap { invalid($0, 255) }
            ?? memory.role.flatMap { invalid($0.rawValue, 64) }
            ?? memory.idempotencyKey.flatMap { invalid($0, 512) }
    }
}

extension Memory {
    /// Stands for the time of recording, until that is known.
    static let unknownTime = Timestamp("0001-01-01T00:00:00.000001Z")!

    fileprivate init(_ sequence: UInt64, _ conversation: String, _ new: NewMemory) {
        self.init(
            sequence: sequence, conversation: conversation, content: new.content, role: new.role,
            mimeType: new.mimeType, metadata: new.metadata, timestamp: new.timestamp ?? Memory.unknownTime,
            recorded: Memory.unknownTime, idempotencyKey: new.idempotencyKey)
    }

    /// What a repeated key is compared by.
    fileprivate func isSame(as new: NewMemory) -> Bool {
        content == new.content && role == new.role && metadata == new.metadata
            && mimeType.map { Array($0.utf8) } == new.mimeType.map { Array($0.utf8) }
    }
}
