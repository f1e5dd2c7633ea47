import SegmentLog
import Synchronization

extension Journal {
    /// The events behind a sequence, in order, up to the last one that is there now.
    ///
    /// Where history was let go by a compaction, reading it throws `noSuchPoint`, which says where the log begins.
    /// - Parameter sequence: 0 for all.
    public func events(after sequence: UInt64 = 0) -> EventSequence {
        EventSequence(journal: self, after: sequence, isFollowing: false)
    }

    /// The events behind a sequence, in order, and then those that come, until the task is cancelled or the journal closed.
    ///
    /// Each event is delivered once, when it is durable.
    /// - Parameter sequence: 0 for all.
    public func follow(after sequence: UInt64 = 0) -> EventSequence {
        EventSequence(journal: self, after: sequence, isFollowing: true)
    }
}

/// The events of a journal's log, in order of their sequences.
public struct EventSequence: AsyncSequence, Sendable {
    let journal: Journal
    let after: UInt64
    let isFollowing: Bool

    /// Starts reading.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    /// Reads the events one by one.
    public struct Iterator: AsyncIteratorProtocol {
        private let sequence: EventSequence
        private var cursor: EventCursor
        private let end: UInt64?
        private let id: UInt64
        private static let ids = Atomic<UInt64>(0)

        init(_ sequence: EventSequence) {
            self.sequence = sequence
            let log = sequence.journal.engine.log
            cursor = EventCursor(log, after: sequence.after)
            end = sequence.isFollowing ? nil : log.visibleSequence
            id = Iterator.ids.add(1, ordering: .relaxed).newValue
        }

        /// The next event; nil at the end.
        ///
        /// - Throws: `damaged` with the place; what lies before it was delivered. `noJournal` when one that is only read was
        ///   removed or replaced meanwhile.
        public mutating func next() async throws(JournalError) -> Event? {
            while true {
                if sequence.isFollowing, sequence.journal.isClosedNow { return nil }
                try sequence.journal.checkOpen()
                if let event = try cursor.nextEvent(upTo: end ?? .max) { return event }
                guard end == nil, !Task.isCancelled else { return nil }
                let journal = sequence.journal
                try asJournalError { () throws(LogError) in try journal.engine.log.checkIsThere() }
                await journal.engine.waitForMore(after: cursor.lastSequence, id: id) { journal.isClosedNow }
                if journal.engine.isStopping { return nil }
            }
        }
    }
}
