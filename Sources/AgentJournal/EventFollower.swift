import JournalFileSystem
import SegmentLog
import Synchronization

/// Follows a journal's events for callers that are not asynchronous: those behind a sequence, and then those that come.
package final class EventFollower: Sendable {
    private let journal: Journal
    private let engine: Engine
    private let cursor: Monitor<EventCursor>
    /// Calls that wait, by the number that each is woken by.
    private let waiting = Monitor<Set<UInt64>>([])
    private let isInterrupted = Atomic<Bool>(false)
    private let generation = ForkGeneration.current

    /// What a call found.
    package enum Found: Sendable {
        /// Lines of canonical JSON, an event each.
        case lines([UInt8])
        /// Nothing came in time.
        case nothing
        /// Somebody called `interrupt`.
        case interrupted
    }

    /// So many bytes of lines are collected at most, and the line that passes this.
    private static let linesBytes = 256 << 10

    package init(_ journal: Journal, after sequence: UInt64) throws(JournalError) {
        try journal.checkOpen()
        self.journal = journal
        engine = try journal.engine
        cursor = Monitor(EventCursor(engine.log, after: sequence))
    }

    /// The next events, as many as are there; waits for one where there is none.
    ///
    /// - Throws: `closed` when the journal was closed, or this was made before the process was forked.
    package func next(timeoutMilliseconds: Int, limit: Int = .max) throws(JournalError) -> Found {
        try JournalError.check(generation, "follower")
        let start = ContinuousClock.now
        while true {
            try journal.checkOpen()
            if isInterrupted.exchange(false, ordering: .acquiringAndReleasing) { return .interrupted }
            let (lines, last) = try read(limit)
            if !lines.isEmpty { return .lines(lines) }
            guard !engine.isStopping else { throw Engine.closed }
            try asJournalError { () throws(LogError) in try engine.log.checkIsThere() }
            let elapsed = (ContinuousClock.now - start) / .milliseconds(1)
            guard elapsed < Double(timeoutMilliseconds) else { return .nothing }
            wait(after: last, timeoutMilliseconds: max(1, timeoutMilliseconds - Int(elapsed)))
        }
    }

    private func wait(after last: UInt64, timeoutMilliseconds: Int) {
        let id = EventSequence.Iterator.ids.add(1, ordering: .relaxed).newValue
        let journal = journal
        waiting.withLock { _ = $0.insert(id) }
        defer { waiting.withLock { _ = $0.remove(id) } }
        engine.waitForMoreNow(after: last, id: id, timeoutMilliseconds: timeoutMilliseconds) {
            journal.isClosedNow || isInterrupted.load(ordering: .acquiring)
        }
    }

    private func read(_ limit: Int) throws(JournalError) -> (lines: [UInt8], last: UInt64) {
        try cursor.withLock { (cursor) throws(JournalError) in
            var lines: [UInt8] = []
            var count = 0
            while count < limit, lines.count < EventFollower.linesBytes,
                let event = try cursor.nextFields()
            {
                EventLine.append(event, to: &lines)
                count += 1
            }
            return (lines, cursor.lastSequence)
        }
    }

    /// Ends a call of `next` that waits, or else the next one, with `interrupted`. From any thread.
    package func interrupt() {
        guard generation == .current else { return }
        isInterrupted.store(true, ordering: .releasing)
        for id in waiting.withLock({ $0 }) { engine.wakeFollower(id) }
    }
}
