import AgentJournal

/// What a journal must hold after each of its events: a model too simple to be wrong.
struct ExpectedHistory: Sendable {
    /// A memory, as it was given to the journal.
    struct Added: Hashable, Sendable {
        var conversation: String
        var text: String
        var key: String?
        var role: Role? = .user
        var metadata = Metadata()

        var newMemory: NewMemory {
            NewMemory(.text(text), role: role, metadata: metadata, idempotencyKey: key)
        }
    }

    struct Item: Hashable, Sendable {
        var sequence: UInt64
        var added: Added
    }

    enum Event: Hashable, Sendable {
        case added(Added)
        case forgotten(UInt64, conversation: String)
        case cleared(String)
        case flushed(label: String?)
        /// History was let go, up to this event itself.
        case letGo
        /// History was let go while other processes appended: up to this event, or up to one before it.
        case letGoBeside
        /// An erasure begins, or is done.
        case erasure
        /// Either history was let go or an erasure began or was done: what a compaction that does both records.
        case upkeep
    }

    /// The event with sequence `n` at `n - 1`.
    private(set) var events: [Event] = []
    /// The sequences at which a batch ends: no state lies between two of them.
    private(set) var ends: Set<UInt64> = [0]
    /// What is there after each event, by sequence; filled as it is asked for.
    private var states: [UInt64: [Item]] = [:]

    /// Tells histories apart: for each event, of it and all before it.
    private var fingerprints: [UInt64] = []

    var lastSequence: UInt64 { UInt64(events.count) }

    var fingerprint: UInt64 { fingerprints.last ?? 0 }

    mutating func append(_ batch: [Event]) {
        for event in batch {
            events.append(event)
            fingerprints.append(Disk.mix(fingerprint, "\(event)"))
        }
        ends.insert(lastSequence)
    }

    /// Forgets what came after a sequence: it was certainly not written.
    mutating func cut(to sequence: UInt64) {
        guard sequence < lastSequence else { return }
        fingerprints.removeLast(Int(lastSequence - sequence))
        events.removeLast(Int(lastSequence - sequence))
        ends = ends.filter { $0 <= sequence }
        states = states.filter { $0.key <= sequence }
    }

    /// The memories that are there after an event, by conversation and sequence.
    mutating func live(at sequence: UInt64) -> [Item] {
        if let state = states[sequence] { return state }
        var live: [Item] = []
        for (index, event) in events.prefix(Int(sequence)).enumerated() {
            switch event {
            case .added(let added): live.append(Item(sequence: UInt64(index) + 1, added: added))
            case .forgotten(let target, _): live.removeAll { $0.sequence == target }
            case .cleared(let name): live.removeAll { $0.added.conversation == name }
            case .flushed, .letGo, .letGoBeside, .erasure, .upkeep: break
            }
        }
        live.sort { ($0.added.conversation, $0.sequence) < ($1.added.conversation, $1.sequence) }
        states[sequence] = live
        return live
    }

    /// The newest add that had a key, at or before a sequence, whether it is forgotten since or not.
    func lastKeyed(at sequence: UInt64) -> Item? {
        for index in events.prefix(Int(sequence)).indices.reversed() {
            if case .added(let added) = events[index], added.key != nil {
                return Item(sequence: UInt64(index) + 1, added: added)
            }
        }
        return nil
    }

    /// The labels that were ever given, each once, in order.
    var labels: [String] {
        var labels: Set<String> = []
        for case .flushed(let label?) in events { labels.insert(label) }
        return labels.sorted()
    }

    /// The latest flush with a label, at or before a sequence.
    func flush(labelled label: String, at sequence: UInt64) -> UInt64? {
        events.prefix(Int(sequence)).lastIndex(of: .flushed(label: label)).map { UInt64($0) + 1 }
    }

    /// Whether an event may be erased, when the log ends with another. Up to where an erasure goes other processes may have
    /// added to before it began.
    mutating func mayBeErased(_ sequence: UInt64, at last: UInt64) -> Bool {
        let index = events.prefix(Int(last)).lastIndex { $0 == .erasure || $0 == .upkeep }
        guard let erasure = index, erasure >= sequence else { return false }
        return (sequence...UInt64(erasure)).contains { isErased(sequence, through: $0) }
    }

    /// Whether an event is erased by an erasure of all up to an event.
    mutating func isErased(_ sequence: UInt64, through: UInt64) -> Bool {
        guard sequence <= through else { return false }
        let live = live(at: through)
        switch events[Int(sequence) - 1] {
        case .added: return !live.contains { $0.sequence == sequence }
        case .forgotten(_, let name), .cleared(let name):
            return !live.contains { $0.added.conversation == name }
        case .flushed, .letGo, .letGoBeside, .erasure, .upkeep: return false
        }
    }

    /// Up to where history was let go, at or before a sequence; 0 when it was not.
    func floor(at sequence: UInt64) -> UInt64 {
        let index = events.prefix(Int(sequence)).lastIndex {
            $0 == .letGo || $0 == .letGoBeside || $0 == .upkeep
        }
        return index.map { UInt64($0) + 1 } ?? 0
    }
}

extension ExpectedHistory.Added {
    init(_ memory: Memory) {
        self.init(
            conversation: memory.conversation, text: memory.content.text ?? "", key: memory.idempotencyKey,
            role: memory.role, metadata: memory.metadata)
    }
}

extension ExpectedHistory.Event {
    /// Whether an event of the log is what was expected.
    func allows(_ found: ExpectedHistory.Event?) -> Bool {
        switch self {
        case .letGoBeside: found == .letGoBeside || found == .letGo
        case .upkeep: found == .letGoBeside || found == .letGo || found == .erasure
        default: found == self
        }
    }

    /// Whether this is what is left of it.
    func allows(erased left: AgentJournal.Event.Erased) -> Bool {
        switch self {
        case .added(let added):
            left.kind == .added && left.conversation ?? added.conversation == added.conversation
        case .forgotten(let target, _):
            left.kind == .forgotten && left.target == target && left.conversation == nil
        case .cleared: left.kind == .cleared && left.conversation == nil
        case .flushed, .letGo, .letGoBeside, .erasure, .upkeep: false
        }
    }

    /// What was recorded; nil for what no workload does.
    init?(_ event: AgentJournal.Event) {
        switch event.kind {
        case .added(let memory): self = .added(.init(memory))
        case .forgotten(let target, let conversation): self = .forgotten(target, conversation: conversation)
        case .cleared(let conversation): self = .cleared(conversation)
        case .flushed(let label): self = .flushed(label: label)
        case .historyLetGo(let through) where through == event.sequence: self = .letGo
        case .historyLetGo(let through) where through < event.sequence: self = .letGoBeside
        case .erasureBegun(let through) where through < event.sequence,
            .erasureDone(let through) where through < event.sequence:
            self = .erasure
        case .historyLetGo, .erased, .erasureBegun, .erasureDone, .lost, .unknown: return nil
        }
    }
}
