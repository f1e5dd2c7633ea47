/// The memory state: a pure fold over the events.
///
/// It holds what is *written*; each entry says from which sequence to which it is there, so that one state answers
/// both for what was written (keys, expected sequences) and for what is visible (reads).
/// Not thread-safe: `StateBox` guards it.
struct State {
    /// A memory in the list of its conversation.
    struct Entry {
        var sequence: UInt64
        /// The sequence of the event that forgot it; `.max` while it is there.
        var removedAt = UInt64.max
        var recordedMicroseconds: Int64
        var place: Arena.Place

        func isLive(at bound: UInt64) -> Bool { sequence <= bound && removedAt > bound }
    }

    struct ConversationState {
        /// In order of their sequences.
        var entries: [Entry] = []
        /// Entries that were forgotten and are still in the list.
        var removedCount = 0
        /// The last event that belongs to it; what `expecting` compares.
        var lastSequence: UInt64 = 0
    }

    struct Key: Hashable {
        var conversation: Int
        var bytes: [UInt8]
    }

    /// The first add with a key, which a repeated one is compared with.
    struct KeyRecord {
        var sequence: UInt64
        var recordedMicroseconds: Int64
        var place: Arena.Place
    }

    private(set) var names = NameTable()
    private(set) var conversations: [ConversationState] = []
    private(set) var arena = Arena()
    private(set) var keys: [Key: KeyRecord] = [:]
    /// Which conversation the add with a sequence belongs to, in order of the sequences.
    private var added: [(sequence: UInt64, conversation: UInt32)] = []
    /// The last event applied.
    private(set) var lastSequence: UInt64 = 0
    private(set) var lastRecordedMicroseconds: Int64 = 0
    /// While somebody reads an older bound, forgotten entries stay.
    var pins = 0
    /// Conversations in which something was forgotten since the last purge.
    private var touched: Set<Int> = []

    /// Applies the next event.
    ///
    /// - Complexity: amortized constant for an add, logarithmic for a forget, linear in the conversation for a clear.
    mutating func apply(
        _ bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64
    ) throws(EventProblem) {
        let fields = try EventFields(bytes)
        lastSequence = sequence
        lastRecordedMicroseconds = recordedMicroseconds
        guard let range = fields.conversation else { return }
        let number = conversation(named: UnsafeRawBufferPointer(rebasing: bytes[range]))
        switch fields.kind {
        case EventFields.Kind.added:
            let place = arena.append(bytes)
            conversations[number].entries.append(
                Entry(sequence: sequence, recordedMicroseconds: recordedMicroseconds, place: place))
            added.append((sequence, UInt32(number)))
            if let key = fields.key {
                let key = Key(conversation: number, bytes: Array(bytes[key]))
                // The first add with a key is the one that counts; a log never holds a second.
                if keys[key] == nil {
                    keys[key] = KeyRecord(
                        sequence: sequence, recordedMicroseconds: recordedMicroseconds, place: place)
                }
            }
        case EventFields.Kind.forgotten: remove(fields.target!, at: sequence)
        case EventFields.Kind.cleared:
            for index in conversations[number].entries.indices
            where conversations[number].entries[index].removedAt == .max {
                conversations[number].entries[index].removedAt = sequence
                conversations[number].removedCount += 1
            }
            touched.insert(number)
        default: break
        }
        conversations[number].lastSequence = sequence
    }

    /// Passes over a sequence that holds nothing this version knows, or that was lost (when salvaging).
    mutating func skip(to sequence: UInt64, recordedMicroseconds: Int64) {
        lastSequence = sequence
        lastRecordedMicroseconds = recordedMicroseconds
    }

    private mutating func conversation(named name: UnsafeRawBufferPointer) -> Int {
        let number = names.findOrAdd(name)
        if number == conversations.count { conversations.append(ConversationState()) }
        return number
    }

    private mutating func remove(_ target: UInt64, at sequence: UInt64) {
        guard let (number, index) = find(target), conversations[number].entries[index].removedAt == .max
        else { return }
        conversations[number].entries[index].removedAt = sequence
        conversations[number].removedCount += 1
        touched.insert(number)
    }

    /// The conversation and the place in it of the memory with this sequence.
    func find(_ target: UInt64) -> (conversation: Int, index: Int)? {
        guard let number = conversation(ofAdd: target) else { return nil }
        let entries = conversations[number].entries
        let index = entries.partitionIndex { $0.sequence >= target }
        guard index < entries.count, entries[index].sequence == target else { return nil }
        return (number, index)
    }

    /// The conversation that the add with this sequence belonged to, also when the memory is forgotten.
    func conversation(ofAdd target: UInt64) -> Int? {
        let index = added.partitionIndex { $0.sequence >= target }
        guard index < added.count, added[index].sequence == target else { return nil }
        return Int(added[index].conversation)
    }

    /// Drops entries that were forgotten at or before `bound`, where they are most of a list. Does nothing while somebody
    /// reads an older bound.
    mutating func purge(upTo bound: UInt64) {
        guard pins == 0, !touched.isEmpty else { return }
        for number in touched
        where conversations[number].removedCount > 32
            && conversations[number].removedCount * 2 > conversations[number].entries.count
        {
            conversations[number].entries.removeAll { $0.removedAt <= bound }
            conversations[number].removedCount = conversations[number].entries.count { $0.removedAt != .max }
        }
        touched.removeAll()
    }

    /// How many memories are there.
    var liveCount: Int { conversations.reduce(0) { $0 + $1.entries.count - $1.removedCount } }

    func number(of name: String) -> Int? {
        var name = name
        return name.withUTF8 { names.find(UnsafeRawBufferPointer($0)) }
    }
}

extension Array {
    /// The first index whose element satisfies the predicate, in an array where all behind it do too.
    func partitionIndex(where predicate: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
