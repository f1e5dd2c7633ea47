import JournalFileSystem
import Logging
import SegmentLog
import Synchronization
import SystemPackage

/// The engine of one open journal: takes what callers enqueue, appends it, syncs, publishes, and releases the callers.
///
/// A synchronous state machine driven by one thread, the committer. Everything that waits when the committer comes
/// round goes into one write and one sync (`CommitQueue`). Where very many wait, two committers take turns: one writes while the
/// other syncs. A caller who is alone drives it itself.
final class Engine: Sendable {
    let log: any EventLog
    private let current: Monitor<StateBox>
    let limits: Limits
    let logger: Logger
    /// Where snapshots are; nil in tests of the engine alone.
    let snapshots: SnapshotFiles?
    let isReadOnly: Bool
    let maintenance: Maintenance
    /// One at a time builds the state anew.
    let rebuilding = Monitor(())
    /// Snapshots that turned out to be damaged when they were read.
    let damagedSnapshots = Monitor<Set<FilePath>>([])
    private let queue: Monitor<CommitQueue>
    let thread = Monitor<JoinableThread?>(nil)
    /// Waits for what other processes write, for those who follow.
    let watcher = Monitor<JoinableThread?>(nil)
    /// Up to which rewind of the log the state is known to be right.
    let settledRewinds: Atomic<UInt64>
    /// What the state says of events behind this one may not be what became of them: this engine wrote them, and failed.
    let doubtfulAfter = Atomic<UInt64>(.max)
    /// The erasure of another process of which this state has let go.
    let settledErasure = Atomic<UInt64>(0)
    /// How those that wait for events are woken, by the number of their iterator.
    let followers = Monitor<[UInt64: @Sendable () -> Void]>([:])
    private let isPoisonedFlag = Atomic<Bool>(false)
    private let hasDoubtedClock = Atomic<Bool>(false)

    init(
        log: any EventLog, state: sending State, limits: Limits, logger: Logger,
        snapshots: SnapshotFiles? = nil, isReadOnly: Bool = false,
        maintenance: Maintenance.Options = Maintenance.Options(), rewinds: UInt64 = 0
    ) {
        self.log = log
        settledRewinds = Atomic(rewinds)
        self.snapshots = snapshots
        self.isReadOnly = isReadOnly
        self.maintenance = Maintenance(maintenance)
        current = Monitor(StateBox(state))
        self.limits = limits
        self.logger = logger
        queue = Monitor(CommitQueue())
    }

    /// The state. Another one takes its place when a snapshot begins and when it is done; whoever holds this one reads on in it.
    var box: StateBox { current.withLock { $0 } }

    /// Whether an earlier failure ended writing; opening again makes a new engine.
    var isPoisoned: Bool { isPoisonedFlag.load(ordering: .acquiring) }

    /// Starts the committer. An engine without one is driven by `commit` (in tests).
    func start() throws(JournalError) {
        do {
            let started = try spawnThread(name: "journal-commit") { [self] in run() }
            thread.withLock { $0 = started }
        } catch {
            throw JournalError(.system, "The committer's thread cannot be started: \(error)", errno: error)
        }
    }

    // MARK: Enqueueing

    /// Puts a request at the end of the queue.
    func enqueue(_ request: Request) { enqueue(CollectionOfOne(request)) }

    /// Puts several requests at the end of the queue, for one commit if they are not too long.
    func enqueue(_ requests: some Collection<Request> & Sendable) {
        guard !requests.isEmpty else { return }
        let (isRefused, isDue) = queue.withLock { queue in
            guard !queue.isStopping else { return (true, false) }
            queue.append(requests)
            return (false, queue.isDue)
        }
        if isRefused {
            Request.complete(requests.lazy.map { ($0, .failure(Engine.closed)) })
        } else if isDue {
            queue.broadcast()
        }
    }

    /// Takes a request out of the queue if it was not taken up yet: it is then certainly not written.
    func cancel(_ request: Request) {
        if withdraw(request) { request.complete(.failure(CancellationError())) }
    }

    /// The same, without telling its caller; false when it was taken up already.
    func withdraw(_ request: Request) -> Bool { queue.withLock { $0.remove(request) } }

    static let closed = JournalError(.closed, "Not written: the journal is closed; open it again")

    // MARK: Committing

    /// Commits an append on the caller's thread, if nobody else is there.
    ///
    /// - Parameter mayBlock: The thread is the caller's own, not one of a pool that tasks share.
    /// - Returns: What came of it; nil when it is to be enqueued.
    func commitAsCaller(_ append: Append, mayBlock: Bool) -> Result<[Receipt], any Error>? {
        if !mayBlock, log.isHeldByOthers { return nil }
        let isMine = queue.withLock { queue in
            guard queue.isQuiet, !queue.isAwaited, queue.pending.isEmpty, !queue.isStopping,
                queue.turns.allows(append.rawBytes, mayBlock: mayBlock)
            else { return false }
            queue.isCommitting = true
            return true
        }
        guard isMine else { return nil }
        let start = ContinuousClock.now
        let result = commit([append])[0]
        let mustWake = queue.withLock { queue in
            queue.isCommitting = false
            queue.turns.callerCommitted(in: ContinuousClock.now - start, othersWait: !queue.pending.isEmpty)
            return !queue.pending.isEmpty || queue.isStopping || queue.isAwaited
        }
        if mustWake { queue.broadcast() }
        return result
    }

    private func run() {
        while true {
            let requests = queue.withLock(waitingUntil: { $0.isDue || $0.isDone }) { queue -> [Request] in
                queue.isDue ? queue.beginWriting() : []
            }
            if requests.isEmpty { return }
            let start = ContinuousClock.now
            let appends = requests.map(\.append)
            let appended = append(appends)
            let writing = ContinuousClock.now - start
            let isDue = queue.withLock { queue in
                queue.beginSyncing()
                if queue.isDue, queue.second == nil, !queue.hasNoThreads {
                    queue.second = try? spawnThread(name: "journal-commit2") { [self] in run() }
                    queue.hasNoThreads = queue.second == nil
                }
                return queue.isDue
            }
            if isDue { queue.broadcast() }
            let results =
                switch appended {
                case .ended(let results): results
                case .written(let written): sync(appends, written)
                }
            // Before the callers are told: one who is alone then finds that nobody commits.
            let committing = ContinuousClock.now - start
            let (mustWake, wait) = queue.withLock { queue in
                let wait = queue.endSyncing(requests.count, commit: committing, sync: committing - writing)
                return (queue.mustWake, wait)
            }
            if mustWake { queue.broadcast() }
            Request.complete(zip(requests, results))
            if let wait { gather(wait) }
        }
    }

    /// Waits for those who were just released.
    private func gather(_ wait: Gathering.Wait) {
        _ = queue.withLock(timeout: wait.limit, waitingUntil: { !$0.isGathering(wait) }) { _ in () }
        queue.withLock { $0.endGathering(wait) }
    }

    /// Runs `body` while nobody commits: between two commits, when all that is written is durable.
    func betweenCommits<R>(_ body: () throws(JournalError) -> R) throws(JournalError) -> R {
        // One at a time: only the maintenance thread, or one that heals, comes here.
        queue.withLock(waitingUntil: { !$0.isAwaited }) { $0.isAwaited = true }
        queue.withLock(waitingUntil: { $0.isQuiet }) { queue in
            queue.isAwaited = false
            queue.isCommitting = true
        }
        defer {
            queue.withLock { $0.isCommitting = false }
            queue.broadcast()
        }
        return try body()
    }

    /// Another state takes the place of the present one. Only between commits.
    func replaceState(_ state: sending State) {
        let box = StateBox(state)
        current.withLock { $0 = box }
    }

    /// What became of each request under the log's exclusion.
    private enum Decided {
        case refused(JournalError)
        case taken([Receipt])
    }

    /// What came of writing.
    private enum Appended {
        /// Nothing of it is to become durable.
        case ended([Result<[Receipt], any Error>])
        case written(Written)
    }

    private struct Written: Sendable {
        var decided: [Decided]
        var target: SyncTarget
    }

    /// Appends what is wanted and makes it durable. Never called twice at once.
    ///
    /// - Returns: What became of each, in order.
    func commit(_ appends: [Append]) -> [Result<[Receipt], any Error>] {
        switch append(appends) {
        case .ended(let results): results
        case .written(let written): sync(appends, written)
        }
    }

    private func append(_ appends: [Append]) -> Appended {
        for attempt in 0..<Engine.mostRebuildings {
            // An erasure that is not durable yet is let go of later.
            if let appended = appendOnce(appends, mayHoldErased: attempt > 0) { return appended }
            do throws(JournalError) {
                try renewBeforeCommit()
            } catch {
                if isOfSnapshot(error) { requestHealing(error) }
                return .ended(appends.map { _ in .failure(error) })
            }
        }
        let busy = JournalError(
            .busy,
            "Not written: other processes change the log faster than this one can read what they did. Add it again"
        )
        return .ended(appends.map { _ in .failure(busy) })
    }

    /// So often a commit builds the state anew, where each time another process fails or erases meanwhile.
    private static let mostRebuildings = 10

    /// - Returns: nil when the state must be built anew first; nothing was decided then, and nothing written.
    private func appendOnce(_ appends: [Append], mayHoldErased: Bool) -> Appended? {
        catchUpWithDurable()
        let rawBytes = appends.reduce(0) { $0 + $1.rawBytes }
        let ahead = log.compressAhead(appends.count, rawBytes: rawBytes) { Append.additions(appends) }
        var decided: [Decided] = []
        var behind: JournalError?
        var isCurrent = true
        let head: LogHead
        do throws(LogError) {
            head = try log.append(rawBytes: rawBytes, pieces: appends.count) { head in
                do throws(JournalError) {
                    isCurrent = try catchUp(to: head, mayHoldErased: mayHoldErased)
                } catch {
                    behind = error
                    return []
                }
                guard isCurrent else { return [] }
                let events = decide(appends, head, &decided)
                // Nothing was refused, and nothing was there already.
                if let ahead, events.reduce(0, { $0 + $1.count }) == ahead.count { return [ahead] }
                return events
            }
        } catch {
            return .ended(fail(appends, decided, error))
        }
        guard isCurrent else { return nil }
        if let doubted = head.doubtedMicroseconds {
            warn(ofClock: doubted, recording: head.recordedMicroseconds)
        }
        if let behind {
            if isOfSnapshot(behind) { requestHealing(behind) }
            return .ended(appends.map { _ in .failure(behind) })
        }
        guard let target = head.written else { preconditionFailure("what was decided can become durable") }
        return .written(Written(decided: decided, target: target))
    }

    /// Says once that the clock is not believed.
    private func warn(ofClock now: Int64, recording time: Int64) {
        guard !hasDoubtedClock.exchange(true, ordering: .relaxed) else { return }
        let (now, time) = (
            Timestamp(clampingMicrosecondsSince1970: now), Timestamp(clampingMicrosecondsSince1970: time)
        )
        logger.warning(
            "journal: the clock says \(now), more than 1,000 days after the last event, and is not believed: what is added is recorded as of \(time). If the clock is right, say so once: `agent-journal flush DIR --accept-clock`"
        )
    }

    /// Makes durable what was appended.
    private func sync(_ appends: [Append], _ written: Written) -> [Result<[Receipt], any Error>] {
        do throws(LogError) {
            try log.sync(written.target)
        } catch {
            return fail(appends, written.decided, error)
        }
        wakeFollowers()
        requestSnapshotIfDue()
        return written.decided.map { outcome in
            switch outcome {
            case .refused(let error): .failure(error)
            case .taken(let receipts): .success(receipts)
            }
        }
    }

    private func decide(_ appends: [Append], _ head: LogHead, _ decided: inout [Decided]) -> [EncodedEvents] {
        let decision = Decision(recordedMicroseconds: head.recordedMicroseconds)
        return self.box.withLock { state in
            precondition(state.lastSequence == head.lastSequence, "the state is that of the log's end")
            var events: [EncodedEvents] = []
            for append in appends {
                do throws(JournalError) {
                    let outcome = try decision.decide(append, &state)
                    if let new = outcome.events { events.append(new) }
                    decided.append(.taken(outcome.receipts))
                } catch {
                    if isOfSnapshot(error) { requestHealing(error) }
                    decided.append(.refused(error))
                }
            }
            return events
        }
    }

    private func fail(
        _ appends: [Append], _ decided: [Decided], _ error: LogError
    ) -> [Result<[Receipt], any Error>] {
        // Met before anything was decided, so before anything was written. A smaller commit may still find room.
        if decided.isEmpty, error.kind == .noSpace, appends.count > 1 {
            return appends.flatMap { commit([$0]) }
        }
        if log.isPoisoned {
            if !isPoisonedFlag.exchange(true, ordering: .acquiringAndReleasing) {
                logger.critical("journal stopped taking writes", metadata: ["error": "\(error)"])
                // Opening again, here or in another process, may find of it what it finds.
                doubtfulAfter.store(log.visibleSequence, ordering: .releasing)
            }
        } else {
            logger.error("journal could not write", metadata: ["error": "\(error)"])
        }
        wakeFollowers()
        return appends.indices.map { index in
            if index < decided.count, case .refused(let own) = decided[index] { return .failure(own) }
            return .failure(JournalError(error))
        }
    }

    var isStopping: Bool { queue.withLock { $0.isStopping } }

    // MARK: Closing

    /// Commits what is queued, ends the committer, and closes the log cleanly.
    func shutDown() throws(JournalError) {
        maintenance.stop()
        queue.withLock { $0.isStopping = true }
        queue.broadcast()
        wakeFollowers()
        thread.withLock { $0 }?.join()
        queue.withLock { $0.second }?.join()
        // No other begins: it is looked whether the engine stops under the same lock.
        if let watcher = watcher.withLock({ $0 }) {
            log.wake()
            watcher.join()
        }
        let log = log
        try asJournalError { () throws(LogError) in try log.close() }
    }
}
