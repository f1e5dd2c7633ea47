@testable import AgentJournal

/// What a journal is, as simple as it can be said: all events in an array, and everything else looked up in it.
///
/// Nothing is fast here, nothing is kept twice, and nothing is taken from the engine but the times of recording.
struct Model: Sendable {
    /// A mistake made on purpose, to see that the test would find it.
    enum Mistake: CaseIterable, Sendable {
        case clearKeepsTheLast, forgetForgetsNothing, labelMeansTheFirst, keysAreForgotten,
            batchKeepsRepeatedKeys
        case conversationsAreUnsorted, beforeIsInclusive, expectingIsIgnored, lettingGoIsIgnored,
            replaceKeepsTheOld
    }

    /// A refusal that is expected.
    struct Failure: Error {
        let code: JournalError.Code
        static let invalidArgument = Failure(code: .invalidArgument)
        static let tooLarge = Failure(code: .tooLarge)
        static let keyConflict = Failure(code: .keyConflict)
        static let unexpectedSequence = Failure(code: .unexpectedSequence)
        static let noSuchMemory = Failure(code: .noSuchMemory)
        static let noSuchPoint = Failure(code: .noSuchPoint)
    }

    let mistake: Mistake?
    let maximumContentBytes: Int
    private(set) var events: [Event] = []
    /// The first event that the log holds.
    private(set) var firstSequence: UInt64 = 1
    /// History up to here was let go.
    private(set) var floor: UInt64 = 0
    /// The sequences of the snapshots that are kept, in order.
    private(set) var snapshots: [UInt64] = []

    init(maximumContentBytes: Int, mistake: Mistake? = nil) {
        self.maximumContentBytes = maximumContentBytes
        self.mistake = mistake
    }

    var lastSequence: UInt64 { UInt64(events.count) }

    // MARK: Looking

    /// The memories that are there after the first `count` events, oldest first.
    func memories(after count: UInt64) -> [Memory] {
        var live: [Memory] = []
        for event in events.prefix(Int(count)) {
            switch event.kind {
            case .added(let memory): live.append(memory)
            case .forgotten(let sequence, _) where mistake != .forgetForgetsNothing:
                live.removeAll { $0.sequence == sequence }
            case .cleared(let name):
                let last = mistake == .clearKeepsTheLast ? live.last?.sequence : nil
                live.removeAll { $0.conversation.isSame(name) && $0.sequence != last }
            case .forgotten, .flushed, .historyLetGo, .unknown: break
            }
        }
        return live
    }

    func memories(
        in name: String, last: Int? = nil, before: UInt64? = nil, after count: UInt64? = nil
    ) -> [Memory] {
        let bound = mistake == .beforeIsInclusive ? before.map { $0 + 1 } : before
        let all = memories(after: count ?? lastSequence).filter {
            $0.conversation.isSame(name) && $0.sequence < bound ?? .max
        }
        return last.map { Array(all.suffix(max(0, $0))) } ?? all
    }

    /// The conversations that hold memories, with how many, in order of their bytes.
    func conversations(
        prefix: String = "", after count: UInt64? = nil
    ) -> [JournalView.ConversationSummary] {
        var found: [JournalView.ConversationSummary] = []
        for memory in memories(after: count ?? lastSequence)
        where memory.conversation.utf8.starts(with: prefix.utf8) {
            if let index = found.firstIndex(where: { $0.name.isSame(memory.conversation) }) {
                found[index].count += 1
            } else {
                found.append(.init(name: memory.conversation, count: 1))
            }
        }
        if mistake == .conversationsAreUnsorted { return found }
        return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    func lastSequence(of name: String) -> UInt64 {
        events.last { $0.conversation?.isSame(name) == true }?.sequence ?? 0
    }

    /// The last event that counts at a point, or why it cannot be looked at.
    func sequence(at point: Point) -> Result<UInt64, Failure> {
        let sequence: UInt64
        switch point {
        case .sequence(let wanted):
            guard wanted <= lastSequence else { return .failure(.noSuchPoint) }
            sequence = wanted
        case .date(let date): sequence = events.last { $0.recorded <= date }?.sequence ?? 0
        case .label(let label):
            let named = events.filter {
                if case .flushed(let name?) = $0.kind { name.isSame(label) } else { false }
            }
            guard let flush = mistake == .labelMeansTheFirst ? named.first : named.last else {
                return .failure(.noSuchPoint)
            }
            sequence = flush.sequence
        }
        return canLook(at: sequence) ? .success(sequence) : .failure(.noSuchPoint)
    }

    /// Whether the log, or a snapshot and the log behind it, lead to a sequence.
    func canLook(at sequence: UInt64) -> Bool {
        firstSequence == 1 || mistake == .lettingGoIsIgnored
            || snapshots.contains { $0 <= sequence && $0 + 1 >= firstSequence }
    }

    /// For asking what a point would mean, were all history still there.
    mutating func pretendToReachBack() { firstSequence = 1 }

    /// The memory with a sequence, if it was ever added.
    private func added(_ sequence: UInt64) -> Memory? {
        guard events.indices.contains(Int(sequence) - 1),
            case .added(let memory) = events[Int(sequence) - 1].kind
        else { return nil }
        return memory
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

    // MARK: Changing

    /// What is to be appended, and the receipts it gives; times are not known before the journal has told them.
    struct Change: Sendable {
        var kinds: [Event.Kind] = []
        var receipts: [(sequence: UInt64, isReplayed: Bool)] = []
    }

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
            if let first = first(name, memory, change) {
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
        guard let memory = added(sequence), memory.conversation.isSame(name) else {
            return .failure(.noSuchMemory)
        }
        return forget([sequence])
    }

    func replace(_ sequence: UInt64, in name: String, with memory: NewMemory) -> Result<Change, Failure> {
        guard let old = added(sequence), old.conversation.isSame(name) else { return .failure(.noSuchMemory) }
        if let failure = invalid(memory) { return .failure(failure) }
        if let first = first(name, memory, Change()) {
            guard first.isSame(as: memory) else { return .failure(.keyConflict) }
            return .success(Change(receipts: [(first.sequence, true)]))
        }
        guard live(sequence) != nil else { return .failure(.noSuchMemory) }
        let added = lastSequence + (mistake == .replaceKeepsTheOld ? 1 : 2)
        var change = Change()
        if mistake != .replaceKeepsTheOld {
            change.kinds.append(.forgotten(sequence, conversation: old.conversation))
        }
        change.kinds.append(.added(Memory(added, old.conversation, memory)))
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

    /// Records what the journal has recorded, at the time that it gave.
    mutating func apply(_ change: Change, at recorded: Timestamp) {
        for kind in change.kinds { append(kind, at: recorded) }
    }

    mutating func append(_ kind: Event.Kind, at recorded: Timestamp) {
        var kind = kind
        if case .added(var memory) = kind {
            memory.recorded = recorded
            if memory.timestamp == Memory.unknownTime { memory.timestamp = recorded }
            kind = .added(memory)
        }
        events.append(Event(sequence: lastSequence + 1, recorded: recorded, kind: kind))
    }

    // MARK: Snapshots and compaction

    /// A snapshot covers everything.
    mutating func snapshot() {
        if lastSequence > snapshots.last ?? 0 { snapshots.append(lastSequence) }
        removeOldSnapshots()
    }

    mutating func letGo(upTo floor: UInt64, firstSequence: UInt64, recorded: Timestamp) {
        if floor > self.floor {
            append(.historyLetGo(through: floor), at: recorded)
            self.floor = floor
        }
        snapshot()
        self.firstSequence = firstSequence
        removeOldSnapshots()
    }

    /// While the log reaches back one is kept, else two, if the log leads from one to the other.
    private mutating func removeOldSnapshots() {
        let first = max(firstSequence, floor + 1)
        let newest = snapshots.last
        let second = snapshots.dropLast().last
        snapshots.removeAll { $0 != newest && ($0 != second || first == 1 || $0 + 1 < first) }
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
    fileprivate static let unknownTime = Timestamp("0001-01-01T00:00:00.000001Z")!

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

extension String {
    /// Compared as bytes.
    func isSame(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
