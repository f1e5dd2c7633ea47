import SegmentLog

/// What became of a memory.
public struct MemoryHistory: Sendable, Hashable {
    /// Something that happened to it.
    public struct Change: Sendable, Hashable {
        /// The event that recorded it.
        public var sequence: UInt64
        /// When it was recorded.
        public var recorded: Timestamp
        /// What happened.
        public var kind: Kind

        /// What happened.
        public enum Kind: Sendable, Hashable {
            /// It was added, perhaps in the place of another memory.
            case added(replacing: UInt64?)
            /// It was forgotten.
            case forgotten
            /// It was forgotten, and the memory with this sequence took its place.
            case replaced(by: UInt64)
            /// Its conversation was cleared.
            case cleared
            /// An erasure began, which took its content.
            case erased
        }
    }

    /// The sequence of its add: its identity.
    public var sequence: UInt64
    /// Its conversation; nil when the name is erased.
    public var conversation: String?
    /// The memory, also when it is forgotten; nil when it is erased.
    public var memory: Memory?
    /// What happened, in order. Of an erased memory whose conversation's name is erased too nobody can tell whether that was cleared.
    public var changes: [Change]

    /// Whether it is there.
    public var isLive: Bool { changes.count == 1 }
}

extension Journal {
    /// What became of a memory: added, forgotten, replaced, cleared, erased, and when.
    ///
    /// - Parameter sequence: The sequence of its add.
    /// - Throws: `noSuchMemory` when no memory was added with it; `noSuchPoint` when it is not there any more and its history was
    ///   let go.
    /// - Complexity: of a memory that is there, that of reading it; else linear in the events between its add and what became of it.
    public func history(of sequence: UInt64) async throws(JournalError) -> MemoryHistory {
        try checkOpen()
        let engine = try engine
        let bound = engine.log.visibleSequence
        guard sequence > 0, sequence <= bound else { throw Journal.noMemory(sequence) }
        if let stored = try engine.read({ (box, bound) throws(JournalError) in
            try box.stored(sequence: sequence, at: bound)
        }) {
            return MemoryHistory(added: own(stored.memory()))
        }
        guard try engine.presentFirstSequence() <= sequence else { throw engine.historyGone(back: nil) }
        var cursor = EventCursor(engine.log, after: sequence - 1)
        guard let first = try cursor.nextEvent(upTo: bound), first.sequence == sequence else {
            throw Journal.noMemory(sequence)
        }
        var history: MemoryHistory
        switch first.kind {
        case .added(let memory): history = MemoryHistory(added: own(memory))
        case .erased(let left) where left.kind == .added:
            history = MemoryHistory(
                sequence: sequence, conversation: left.conversation,
                changes: [
                    .init(sequence: sequence, recorded: first.recorded, kind: .added(replacing: nil))
                ])
            try history.follow(&cursor, upTo: bound)
            try history.add(erasure: left.erasure, engine.log)
            return history
        case .lost:
            throw JournalError(
                .noSuchMemory, "The event with sequence \(sequence) was lost to damage, as a repair recorded",
                sequences: sequence...sequence)
        default: throw Journal.noMemory(sequence)
        }
        try history.follow(&cursor, upTo: bound)
        return history
    }

    private static func noMemory(_ sequence: UInt64) -> JournalError {
        JournalError(
            .noSuchMemory, "No memory was ever added with sequence \(sequence); `log` lists the events",
            sequences: sequence...max(sequence, 1))
    }
}

extension MemoryHistory {
    fileprivate init(added memory: Memory) {
        self.init(
            sequence: memory.sequence, conversation: memory.conversation, memory: memory,
            changes: [
                Change(
                    sequence: memory.sequence, recorded: memory.recorded,
                    kind: .added(replacing: memory.replaces))
            ])
    }

    /// Reads on to what ended it.
    fileprivate mutating func follow(_ cursor: inout EventCursor, upTo bound: UInt64) throws(JournalError) {
        while let event = try cursor.nextFields(upTo: bound) {
            let fields = event.fields
            let kind = fields.kind == EventFields.Kind.erased ? fields.was! : fields.kind
            switch kind {
            case EventFields.Kind.forgotten where fields.target == sequence:
                note(event, .forgotten)
                // What takes its place is the next event of the same batch.
                if let next = try cursor.nextFields(upTo: bound), next.fields.replaces == sequence {
                    changes[1].kind = .replaced(by: next.sequence)
                }
                return
            case EventFields.Kind.cleared:
                guard let name = fields.conversation, let conversation,
                    event.bytes[name].elementsEqual(conversation.utf8)
                else { continue }
                return note(event, .cleared)
            default: continue
            }
        }
    }

    private mutating func note(_ event: EventCursor.Found, _ kind: Change.Kind) {
        changes.append(
            Change(
                sequence: event.sequence,
                recorded: Timestamp(clampingMicrosecondsSince1970: event.recordedMicroseconds), kind: kind))
    }

    fileprivate mutating func add(erasure sequence: UInt64, _ log: any EventLog) throws(JournalError) {
        var cursor = EventCursor(log, after: sequence - 1)
        if let event = try cursor.nextFields(upTo: sequence) { note(event, .erased) }
    }
}
