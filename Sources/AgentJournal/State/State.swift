import SegmentLog

/// The memory state: a pure fold over the events.
///
/// A layer that takes the events, upon what lies below: a snapshot, mostly. The members here tell what is *written*;
/// what is visible at a bound is `StateBox`'s to tell.
struct State: Sendable {
    var layer: Layer
    let below: Below

    /// Empty.
    init() {
        layer = Layer()
        below = Below()
    }

    init(_ layer: Layer, upon below: Below) {
        self.layer = layer
        self.below = below
    }

    /// As a snapshot has it.
    init(snapshot table: TableReader) throws(JournalError) {
        guard let meta = StateMeta(table.meta), meta.lastSequence == table.sequence else {
            throw JournalError(
                .damaged, "\(table.path) does not say what it covers", path: table.path)
        }
        layer = Layer(
            upon: Layer.Base(
                sequence: meta.lastSequence, recordedMicroseconds: meta.recordedMicroseconds,
                floor: meta.floor, erasure: meta.erasure, erased: (meta.lastSequence, meta.erasedThrough)))
        below = Below(tables: [table])
    }

    /// The last event applied.
    var lastSequence: UInt64 { layer.lastSequence }

    /// Applies the next event, as it was read from a file: nothing of it was checked.
    mutating func apply(
        _ bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64,
        inErasedSegment: Bool = false
    ) throws(EventProblem) {
        let fields = try EventFields(bytes, at: sequence, inErasedSegment: inErasedSegment)
        layer.apply(fields, bytes, sequence: sequence, recordedMicroseconds: recordedMicroseconds)
    }

    /// Applies the next event, which was checked, or encoded here.
    mutating func apply(
        checked bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64
    ) {
        layer.apply(
            EventFields(checked: bytes), bytes, sequence: sequence,
            recordedMicroseconds: recordedMicroseconds)
    }

    /// Passes over a sequence that holds nothing this version knows, or that was lost (when salvaging).
    mutating func skip(to sequence: UInt64, recordedMicroseconds: Int64) {
        layer.skip(to: sequence, recordedMicroseconds: recordedMicroseconds)
    }

    /// The last event of a conversation; 0 when it has none.
    func lastSequence(of name: String) throws(JournalError) -> UInt64 {
        let own = layer.lastSequence(of: name, at: Layer.everything)
        return own > 0 ? own : try below.conversation(Array(name.utf8))?.lastSequence ?? 0
    }

    /// The first add with an idempotency key.
    func known(_ name: [UInt8], _ key: [UInt8]) throws(JournalError) -> KeyValue? {
        if let known = layer.known(name, key) { return known }
        if let known = try below.key(name, key) { return known }
        guard !layer.erasure.key.isEmpty else { return nil }
        let hash = StateKeys.hash(ofKey: key, in: name, erasureKey: layer.erasure.key)
        if let known = layer.erasedKeys[hash] { return known }
        return try below.erasedKey(hash)
    }

    /// The conversation that the add with this sequence belonged to, also when the memory is forgotten.
    func conversation(ofAdd sequence: UInt64) throws(JournalError) -> [UInt8]? {
        if let number = layer.conversation(ofAdd: sequence) { return layer.names.names[number] }
        guard sequence <= layer.baseSequence else { return nil }
        return try below.conversation(ofAdd: sequence)
    }

    /// The conversation of a memory that is there; nil when it is not.
    func conversation(ofLive sequence: UInt64) throws(JournalError) -> [UInt8]? {
        if let (number, index) = layer.find(sequence) {
            return layer.conversations[number].entries[index].removedAt == .max
                ? layer.names.names[number] : nil
        }
        guard sequence <= layer.baseSequence, let name = try below.conversation(ofAdd: sequence) else {
            return nil
        }
        var mask = Below.Mask()
        var none: [Stored] = []
        layer.collect(name, at: Layer.everything, last: 0, before: nil, &mask, &none)
        guard !mask.isCleared, !mask.removed.contains(sequence) else { return nil }
        return try below.memory(name, sequence, mask) == nil ? nil : name
    }

    /// Freezes the layer: what comes next goes into a new one, upon it.
    func frozen() -> State {
        State(layer.next(), upon: Below(layer, tables: below.tables))
    }
}
