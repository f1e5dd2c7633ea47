import SegmentLog

/// How a conversation at one point differs from what it was at another.
public struct ConversationDiff: Sendable, Hashable {
    /// The last event of the first point.
    public var from: UInt64
    /// The last event of the second point.
    public var to: UInt64
    /// Memories that are there at the second point and not at the first, in order. `Memory.replaces` tells whose place one took.
    public var added: [Memory]
    /// Memories that are there at the first point and not at the second, in order.
    public var removed: [Memory]

    /// Whether it is the same at both.
    public var isEmpty: Bool { added.isEmpty && removed.isEmpty }
}

extension Conversation {
    /// How the conversation changed between two points, which may be in either order.
    ///
    /// Erased memories are there at no point.
    /// - Throws: `noSuchPoint`, as `Journal.view(at:)` does.
    /// - Complexity: linear in the events between the points, or, if that is less, in those that lie between each point and the
    ///   nearest snapshot before it; and in what differs.
    public func diff(from: Point, to: Point) async throws(JournalError) -> ConversationDiff {
        try journal.checkOpen()
        let first = try journal.sequence(of: from)
        let second = try journal.sequence(of: to)
        let (lower, upper) = (min(first, second), max(first, second))
        var (added, removed) = try journal.changes(in: name, lower, upper)
        if first > second { swap(&added, &removed) }
        return ConversationDiff(from: first, to: second, added: added, removed: removed)
    }
}

extension Journal {
    /// The last event that counts at a point.
    func sequence(of point: Point) throws(JournalError) -> UInt64 {
        let visible = try engine.log.visibleSequence
        switch point {
        case .sequence(let sequence):
            guard sequence <= visible else { throw Journal.notReached(sequence, visible) }
            return sequence
        case .label(let label): return try flush(labelled: label)
        case .date(let date):
            let log = try segmentLog
            // Recorded times do not run backwards: no event of an earlier segment is later than this one's creation.
            let entry = log.entries.last {
                $0.header.createdMicroseconds <= date.microsecondsSince1970
            }
            var last = entry.map { $0.header.firstSequence - 1 } ?? 0
            let first = try engine.presentFirstSequence()
            if last + 1 < first { throw try engine.historyGone(back: nil) }
            let reader = log.reader(after: last)
            while let frame = try asJournalError({ () throws(LogError) in try reader.next() }),
                frame.recordedMicroseconds <= date.microsecondsSince1970
            {
                last = frame.lastSequence
            }
            return last
        }
    }

    /// What came to a conversation between two points, and what went.
    fileprivate func changes(
        in name: String, _ lower: UInt64, _ upper: UInt64
    ) throws(JournalError) -> (added: [Memory], removed: [Memory]) {
        if try upper - lower <= replayed(for: lower) + replayed(for: upper),
            let found = try changesInLog(name, lower, upper)
        {
            return found
        }
        let before = try pastView(at: .sequence(lower)).memories(in: name)
        let after = try pastView(at: .sequence(upper)).memories(in: name)
        let (old, new) = (Set(before.map(\.sequence)), Set(after.map(\.sequence)))
        return (
            after.filter { !old.contains($0.sequence) }, before.filter { !new.contains($0.sequence) }
        )
    }

    /// How many events a view of a point replays.
    private func replayed(for sequence: UInt64) throws(JournalError) -> UInt64 {
        let engine = try engine
        let names = try asJournalError { () throws(LogError) in try engine.snapshots?.names() ?? [] }
        return sequence - (names.first { $0.sequence <= sequence }?.sequence ?? 0)
    }

    /// So many memories are read from the log one by one.
    private static let mostRead = 16

    /// The same, from the events between the points alone; nil when they do not tell.
    private func changesInLog(
        _ name: String, _ lower: UInt64, _ upper: UInt64
    ) throws(JournalError) -> (added: [Memory], removed: [Memory])? {
        let engine = try engine
        let bytes = Array(name.utf8)
        var added: [Memory] = []
        // Of those that were added in between, and of those that were there before.
        var gone: Set<UInt64> = []
        var removed: Set<UInt64> = []
        guard try engine.presentFirstSequence() <= lower + 1 else { return nil }
        var cursor = EventCursor(engine.log, after: lower)
        while let event = try cursor.nextFields(upTo: upper) {
            let fields = event.fields
            guard let range = fields.conversation, event.bytes[range].elementsEqual(bytes) else { continue }
            switch fields.kind {
            case EventFields.Kind.added:
                added.append(
                    Memory(
                        fields, event.bytes, sequence: event.sequence,
                        recordedMicroseconds: event.recordedMicroseconds))
            case EventFields.Kind.forgotten:
                if fields.target! > lower {
                    gone.insert(fields.target!)
                } else {
                    removed.insert(fields.target!)
                }
            // What was there before is not in these events.
            case EventFields.Kind.cleared: return nil
            default: break
            }
        }
        guard removed.count <= Journal.mostRead, try (removed.min() ?? .max) >= engine.presentFirstSequence()
        else { return nil }
        var before: [Memory] = []
        for sequence in removed.sorted() {
            // One that is erased was there at no point.
            if let memory = try addedMemory(sequence) { before.append(memory) }
        }
        return (added.filter { !gone.contains($0.sequence) }.map(own), before)
    }
}
