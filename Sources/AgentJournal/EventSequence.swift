import JournalFileSystem
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
        private let engine: Result<Engine, JournalError>
        private var cursor: EventCursor?
        private let end: UInt64?
        private let id: UInt64
        private let generation = ForkGeneration.current
        /// Numbers for those that wait.
        static let ids = Atomic<UInt64>(0)

        init(_ sequence: EventSequence) {
            self.sequence = sequence
            // In the child of a fork this may have to open, and fail; the first event's call is the one that throws.
            engine = Result { () throws(JournalError) in try sequence.journal.engine }
            let log = (try? engine.get())?.log
            cursor = log.map { EventCursor($0, after: sequence.after) }
            end = sequence.isFollowing ? nil : log?.visibleSequence
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
                try JournalError.check(generation, "iterator")
                let engine = try engine.get()
                if var event = try cursor?.nextEvent(upTo: end ?? .max) {
                    if case .added(let memory) = event.kind {
                        event.kind = .added(sequence.journal.own(memory))
                    }
                    return event
                }
                guard end == nil, !Task.isCancelled else { return nil }
                let (journal, last) = (sequence.journal, cursor?.lastSequence ?? 0)
                try asJournalError { () throws(LogError) in try engine.log.checkIsThere() }
                await engine.waitForMore(after: last, id: id) { journal.isClosedNow }
                if engine.isStopping { return nil }
            }
        }
    }
}
