import SegmentLog

/// What a run of events did to the memory state, in memory. It lies upon what came before: other layers, and tables.
///
/// It holds what is *written*; each entry says from which sequence to which it is there, so that one layer answers
/// both for what was written (keys, expected sequences) and for what is visible (reads at a bound).
/// A value; not thread-safe while it changes: `StateBox` guards it.
struct Layer: Sendable {
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
        /// The first event that cleared it; `.max` when none did. Nothing from below is there since.
        var clearedAt = UInt64.max
        /// Those that cleared it again.
        var laterClears: [UInt64] = []
        /// Memories from below that were forgotten, and when.
        var removedBelow: [UInt64: UInt64] = [:]

        /// By how many memories it differs from what lies below; when cleared, how many there are.
        var liveDifference: Int {
            entries.count - removedCount - (clearedAt == .max ? removedBelow.count : 0)
        }
    }

    struct Key: Hashable {
        var conversation: Int
        var bytes: [UInt8]

        /// All bytes at once: what is made for arrays goes through them one by one.
        func hash(into hasher: inout Hasher) {
            hasher.combine(conversation)
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
    }

    /// The first add with a key, which a repeated one is compared with.
    struct KeyRecord {
        var sequence: UInt64
        var recordedMicroseconds: Int64
        var place: Arena.Place
    }

    /// An add, in the order of the sequences.
    struct Added {
        var sequence: UInt64
        var conversation: UInt32
        /// The memory is erased; only the add's place is left.
        var isErased = false
    }

    /// What a layer lies upon, in short.
    struct Base: Sendable {
        var sequence: UInt64 = 0
        var recordedMicroseconds: Int64 = 0
        var floor: UInt64 = 0
        var erasure = ErasureState()
        /// A table below, up to this sequence, from which the memories that are forgotten up to `through` are erased already.
        var erased: (sequence: UInt64, through: UInt64) = (0, 0)
        /// Adds in the layers below whose memories are erased, and whose forgetting did not come yet.
        var erasedAdds: Set<UInt64> = []
    }

    /// A bound that every event is at or below; one less than what stands for never.
    static let everything = UInt64.max - 1

    /// The last event of what lies below.
    let baseSequence: UInt64
    private(set) var names = NameTable()
    private(set) var conversations: [ConversationState] = []
    private(set) var arena = Arena()
    private(set) var keys: [Key: KeyRecord] = [:]
    /// The latest flush with each label.
    private(set) var labels: [[UInt8]: UInt64] = [:]
    /// Which conversation the add with a sequence belongs to, in order of the sequences.
    private(set) var added: [Added] = []
    /// The adds whose keys are erased, by the hashes of these.
    private(set) var erasedKeys: [[UInt8]: KeyValue] = [:]
    /// The last event applied.
    private(set) var lastSequence: UInt64
    private(set) var lastRecordedMicroseconds: Int64
    /// History up to here was let go.
    private(set) var floor: UInt64
    private(set) var erasure: ErasureState
    private let erasedBelow: (sequence: UInt64, through: UInt64)
    /// Adds, here or below, whose memories are erased, and whose forgetting did not come yet.
    private var erasedAdds: Set<UInt64>
    /// Events applied to this layer.
    private(set) var eventCount: UInt64 = 0
    /// Bytes of events in it, with a guess of what it keeps beside them.
    private(set) var memoryBytes = 0

    /// What an entry, its place among the added, and its share of a list's spare room take.
    private static let entryBytes = 96

    init(upon base: Base = Base()) {
        baseSequence = base.sequence
        lastSequence = base.sequence
        lastRecordedMicroseconds = base.recordedMicroseconds
        floor = base.floor
        erasure = base.erasure
        erasedBelow = base.erased
        erasedAdds = base.erasedAdds
    }

    /// An empty layer that lies upon this one.
    func next() -> Layer {
        Layer(
            upon: Base(
                sequence: lastSequence, recordedMicroseconds: lastRecordedMicroseconds, floor: floor,
                erasure: erasure, erased: erasedBelow, erasedAdds: erasedAdds))
    }

    /// Applies the next event, which was checked.
    ///
    /// - Complexity: amortized constant for an add, logarithmic for a forget, linear in the conversation for a clear.
    mutating func apply(
        _ fields: EventFields, _ bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64
    ) {
        skip(to: sequence, recordedMicroseconds: recordedMicroseconds)
        eventCount += 1
        if fields.kind == EventFields.Kind.flushed, let label = fields.label {
            labels[Array(bytes[label])] = sequence
        }
        if let floor = fields.floor { self.floor = max(self.floor, floor) }
        if let erasedThrough = fields.erasedThrough { note(fields, bytes, erasedThrough) }
        if fields.kind == EventFields.Kind.erased, let hash = fields.keyHash {
            memoryBytes += 2 * Layer.entryBytes
            erasedKeys[Array(bytes[hash])] = KeyValue(
                sequence: sequence, recordedMicroseconds: recordedMicroseconds, hash: [])
        }
        guard let range = fields.conversation else { return }
        let number = conversation(named: UnsafeRawBufferPointer(rebasing: bytes[range]))
        switch fields.kind {
        case EventFields.Kind.added: add(bytes, fields, number, sequence, recordedMicroseconds)
        case EventFields.Kind.forgotten: remove(fields.target!, from: number, at: sequence)
        case EventFields.Kind.cleared: clear(number, at: sequence)
        case EventFields.Kind.erased where fields.was == EventFields.Kind.added:
            added.append(Added(sequence: sequence, conversation: UInt32(number), isErased: true))
            erasedAdds.insert(sequence)
            memoryBytes += Layer.entryBytes / 2
        default: break
        }
        conversations[number].lastSequence = sequence
    }

    private mutating func note(
        _ fields: EventFields, _ bytes: UnsafeRawBufferPointer, _ erasedThrough: UInt64
    ) {
        if fields.kind == EventFields.Kind.erasureBegun {
            erasure.begunThrough = max(erasure.begunThrough, erasedThrough)
            erasure.key = Array(bytes[fields.erasureKey!])
        } else {
            erasure.through = max(erasure.through, erasedThrough)
        }
    }

    /// History up to a sequence is known to be gone.
    mutating func letGo(upTo sequence: UInt64) { floor = max(floor, sequence) }

    /// Passes over a sequence that holds nothing this version knows, or that was lost (when salvaging).
    mutating func skip(to sequence: UInt64, recordedMicroseconds: Int64) {
        lastSequence = sequence
        lastRecordedMicroseconds = recordedMicroseconds
    }

    private mutating func conversation(named name: UnsafeRawBufferPointer) -> Int {
        let number = names.findOrAdd(name)
        if number == conversations.count {
            conversations.append(ConversationState())
            memoryBytes += 2 * name.count + Layer.entryBytes
        }
        return number
    }

    private mutating func add(
        _ bytes: UnsafeRawBufferPointer, _ fields: EventFields, _ number: Int, _ sequence: UInt64,
        _ recordedMicroseconds: Int64
    ) {
        let place = arena.append(bytes)
        memoryBytes += bytes.count + Layer.entryBytes
        conversations[number].entries.append(
            Entry(sequence: sequence, recordedMicroseconds: recordedMicroseconds, place: place))
        added.append(Added(sequence: sequence, conversation: UInt32(number)))
        guard let key = fields.key else { return }
        memoryBytes += key.count + Layer.entryBytes
        // The first add with a key is the one that counts; a log never holds a second.
        let record = KeyRecord(sequence: sequence, recordedMicroseconds: recordedMicroseconds, place: place)
        let known = Key(conversation: number, bytes: Array(bytes[key]))
        if keys[known] == nil { keys[known] = record }
    }

    private mutating func remove(_ target: UInt64, from number: Int, at sequence: UInt64) {
        if erasedAdds.remove(target) != nil { return }
        guard target > baseSequence else {
            // It is erased from there already.
            if target <= erasedBelow.sequence, sequence <= erasedBelow.through { return }
            if conversations[number].clearedAt == .max {
                conversations[number].removedBelow[target] = sequence
                memoryBytes += Layer.entryBytes / 2
            }
            return
        }
        guard let (owner, index) = find(target), conversations[owner].entries[index].removedAt == .max
        else { return }
        conversations[owner].entries[index].removedAt = sequence
        conversations[owner].removedCount += 1
    }

    private mutating func clear(_ number: Int, at sequence: UInt64) {
        for index in conversations[number].entries.indices
        where conversations[number].entries[index].removedAt == .max {
            conversations[number].entries[index].removedAt = sequence
            conversations[number].removedCount += 1
        }
        guard conversations[number].clearedAt != .max else {
            conversations[number].clearedAt = sequence
            return
        }
        conversations[number].laterClears.append(sequence)
        memoryBytes += MemoryLayout<UInt64>.stride
    }

    /// The conversation and the place in it of the memory with this sequence.
    func find(_ target: UInt64) -> (conversation: Int, index: Int)? {
        guard let number = conversation(ofAdd: target) else { return nil }
        let entries = conversations[number].entries
        let index = entries.partitionIndex { $0.sequence >= target }
        guard index < entries.count, entries[index].sequence == target else { return nil }
        return (number, index)
    }

    /// The conversation that the add with this sequence belonged to, also when the memory is forgotten, or erased.
    func conversation(ofAdd target: UInt64) -> Int? {
        let index = added.partitionIndex { $0.sequence >= target }
        guard index < added.count, added[index].sequence == target else { return nil }
        return Int(added[index].conversation)
    }

    func number(of name: [UInt8]) -> Int? { name.withUnsafeBytes { names.find($0) } }

    /// - Complexity: constant, without an allocation.
    func number(of name: String) -> Int? {
        var name = name
        return name.withUTF8 { names.find(UnsafeRawBufferPointer($0)) }
    }

    /// The last event of a conversation at `bound`; 0 when this layer has none of it.
    ///
    /// - Complexity: constant, without an allocation; linear in the conversation where its last event lies behind the bound.
    func lastSequence(of name: String, at bound: UInt64) -> UInt64 {
        guard let number = number(of: name) else { return 0 }
        let last = conversations[number].lastSequence
        return last <= bound ? last : ConversationValue(conversations[number], at: bound).lastSequence
    }

    /// By how many memories the whole differs from what lies below, not counting what clears took from there.
    var liveDifference: Int { conversations.reduce(0) { $0 + $1.liveDifference } }
}
