@testable import AgentJournal

/// What a journal is, as simple as it can be said: all events in an array, and everything else looked up in it.
///
/// Nothing is fast here, and nothing is kept twice. What no model can know is taken from the engine and checked by the run: the
/// times of recording, the order of adds that are concurrent, whether what a power cut met is there, and which history a
/// compaction let go, because segments end where they are full.
struct Model: Sendable {
    /// A mistake made on purpose, to see that the test would find it.
    enum Mistake: CaseIterable, Sendable {
        case clearKeepsTheLast, forgetForgetsNothing, labelMeansTheFirst, keysAreForgotten,
            batchKeepsRepeatedKeys
        case conversationsAreUnsorted, beforeIsInclusive, expectingIsIgnored, lettingGoIsIgnored,
            replaceKeepsTheOld, erasureForgetsKeys, erasureKeepsNames
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
    /// The first adds with idempotency keys that are erased since.
    var erasedKeys: [(conversation: String, key: String, sequence: UInt64)] = []
    /// The sequences of the snapshots that are kept, in order.
    private(set) var snapshots: [UInt64] = []

    init(maximumContentBytes: Int, mistake: Mistake? = nil) {
        self.maximumContentBytes = maximumContentBytes
        self.mistake = mistake
    }

    var lastSequence: UInt64 { UInt64(events.count) }

    // MARK: Recording

    /// What is to be appended, and the receipts it gives; times are not known before the journal has told them.
    struct Change: Sendable {
        var kinds: [Event.Kind] = []
        var receipts: [(sequence: UInt64, isReplayed: Bool)] = []
        /// Those of the receipts that are of erased memories.
        var erased: Set<UInt64> = []
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

    /// While the log reaches back one is kept, else the oldest from which it leads on, too.
    private mutating func removeOldSnapshots() {
        let first = max(firstSequence, floor + 1)
        let newest = snapshots.last
        let base = first == 1 ? newest : snapshots.first { $0 + 1 >= first }
        snapshots.removeAll { $0 != newest && $0 != base }
    }

    /// Something else stands in the place of an event.
    mutating func put(_ kind: Event.Kind, at sequence: UInt64) { events[Int(sequence) - 1].kind = kind }

    /// For asking what a point would mean, were all history still there.
    mutating func pretendToReachBack() { firstSequence = 1 }
}
