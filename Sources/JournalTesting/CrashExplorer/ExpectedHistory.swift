import AgentJournal

/// What a journal must hold after each of its events: a model too simple to be wrong.
struct ExpectedHistory: Sendable {
    struct Item: Hashable, Sendable {
        var sequence: UInt64
        var conversation: String
        var text: String
        var key: String?
    }

    enum Event: Sendable {
        case added(conversation: String, text: String, key: String?)
        case forgotten(UInt64)
        case cleared(String)
        /// A flush, or a floor.
        case mark
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
            var hash = fingerprint
            for byte in "\(event)".utf8 { hash = Disk.mix(hash, UInt64(byte)) }
            fingerprints.append(hash)
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
            case .added(let conversation, let text, let key):
                live.append(
                    Item(sequence: UInt64(index) + 1, conversation: conversation, text: text, key: key))
            case .forgotten(let target): live.removeAll { $0.sequence == target }
            case .cleared(let name): live.removeAll { $0.conversation == name }
            case .mark: break
            }
        }
        live.sort { ($0.conversation, $0.sequence) < ($1.conversation, $1.sequence) }
        states[sequence] = live
        return live
    }

    /// The newest add that had a key, at or before a sequence, whether it is forgotten since or not.
    func lastKeyed(at sequence: UInt64) -> Item? {
        for index in events.prefix(Int(sequence)).indices.reversed() {
            if case .added(let conversation, let text, let key?) = events[index] {
                return Item(sequence: UInt64(index) + 1, conversation: conversation, text: text, key: key)
            }
        }
        return nil
    }
}
