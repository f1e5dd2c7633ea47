import JournalFileSystem
import Logging
import SegmentLog
import Synchronization

/// The engine of one open journal: takes what callers enqueue, appends it, syncs, publishes, and releases the callers.
///
/// A synchronous state machine driven by one thread, the committer. Everything that waits when the committer comes
/// round goes into one write and one sync; there is no artificial delay.
final class Engine: Sendable {
    let log: any EventLog
    let box: StateBox
    let limits: Limits
    let logger: Logger
    private let queue: Monitor<Queue>
    private let thread = Mutex<JoinableThread?>(nil)
    /// Tasks that wait for events, by the number of their iterator.
    private let followers = Mutex<[UInt64: CheckedContinuation<Void, Never>]>([:])
    private let isPoisonedFlag = Atomic<Bool>(false)

    private struct Queue {
        var pending: [Request] = []
        var isStopping = false
    }

    /// How long the watcher sleeps at most before it looks whether it should end.
    private static let watchMilliseconds = 200
    /// At most so much payload goes into one commit.
    private static let commitBytes = 4 << 20

    init(log: any EventLog, state: sending State, limits: Limits, logger: Logger) {
        self.log = log
        self.box = StateBox(state)
        self.limits = limits
        self.logger = logger
        queue = Monitor(Queue())
    }

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
    func enqueue(_ request: Request) {
        let isRefused = queue.withLock { queue in
            guard !queue.isStopping else { return true }
            queue.pending.append(request)
            return false
        }
        if isRefused {
            request.complete(.failure(Engine.closed))
        } else {
            queue.signal()
        }
    }

    /// Takes a request out of the queue if it was not taken up yet: it is then certainly not written.
    func cancel(_ request: Request) {
        let isCancelled = queue.withLock { queue in
            guard let index = queue.pending.firstIndex(where: { $0 === request }) else { return false }
            queue.pending.remove(at: index)
            return true
        }
        if isCancelled { request.complete(.failure(CancellationError())) }
    }

    static let closed = JournalError(.closed, "Not written: the journal is closed; open it again")

    // MARK: Committing

    private func run() {
        while true {
            let requests = queue.withLock(waitingUntil: { !$0.pending.isEmpty || $0.isStopping }) { queue in
                Engine.take(&queue)
            }
            if requests.isEmpty { return }
            commit(requests)
        }
    }

    private static func take(_ queue: inout Queue) -> [Request] {
        var bytes = 0
        var count = 0
        for request in queue.pending {
            bytes += request.append.rawBytes
            if count > 0, bytes > commitBytes { break }
            count += 1
        }
        if count == queue.pending.count {
            defer { queue.pending.removeAll(keepingCapacity: true) }
            return queue.pending
        }
        defer { queue.pending.removeFirst(count) }
        return Array(queue.pending[..<count])
    }

    /// What became of each request under the log's exclusion.
    private enum Decided {
        case refused(JournalError)
        case taken([Receipt])
    }

    /// Appends what the requests want, makes it durable, and answers them.
    func commit(_ requests: [Request]) {
        var decided: [Decided] = []
        do throws(LogError) {
            _ = try log.append(
                rawBytes: requests.reduce(0) { $0 + $1.append.rawBytes }, pieces: requests.count
            ) { head in
                decide(requests, head, &decided)
            }
            try log.sync()
        } catch {
            fail(requests, decided, error)
            return
        }
        box.withLock { $0.purge(upTo: log.visibleSequence) }
        for (request, outcome) in zip(requests, decided) {
            switch outcome {
            case .refused(let error): request.complete(.failure(error))
            case .taken(let receipts): request.complete(.success(receipts))
            }
        }
        wakeFollowers()
    }

    private func decide(_ requests: [Request], _ head: LogHead, _ decided: inout [Decided]) -> [EncodedEvents] {
        let decision = Decision(recordedMicroseconds: head.recordedMicroseconds)
        return box.withLock { state in
            precondition(state.lastSequence == head.lastSequence, "the state is that of the log's end")
            var events: [EncodedEvents] = []
            for request in requests {
                do throws(JournalError) {
                    let outcome = try decision.decide(request.append, &state)
                    if let new = outcome.events { events.append(new) }
                    decided.append(.taken(outcome.receipts))
                } catch {
                    decided.append(.refused(error))
                }
            }
            return events
        }
    }

    private func fail(_ requests: [Request], _ decided: [Decided], _ error: LogError) {
        // Met before anything was decided, so before anything was written. A smaller commit may still find room.
        if decided.isEmpty, error.kind == .noSpace, requests.count > 1 {
            for request in requests { commit([request]) }
            return
        }
        if error.kind != .noSpace, !isPoisonedFlag.exchange(true, ordering: .acquiringAndReleasing) {
            logger.critical("journal stopped taking writes", metadata: ["error": "\(error)"])
        } else if error.kind == .noSpace {
            logger.error("journal could not write", metadata: ["error": "\(error)"])
        }
        for (index, request) in requests.enumerated() {
            if index < decided.count, case .refused(let own) = decided[index] {
                request.complete(.failure(own))
            } else {
                request.complete(.failure(JournalError(error)))
            }
        }
        wakeFollowers()
    }

    // MARK: Reading

    /// The bound of a read that begins now: everything acknowledged before is at or below it, and in the state.
    func catchUp() throws(JournalError) -> UInt64 {
        let visible = log.visibleSequence
        let isBehind = box.withLock { $0.lastSequence < visible }
        if isBehind {
            // Reads on other threads wait meanwhile: what they may show is not in the state yet.
            try box.withLock { (state) throws(JournalError) in try Replay(log: log).run(&state) }
        }
        return visible
    }

    /// Returns when something behind `sequence` may be visible, or the journal is closed, or the task is cancelled.
    func waitForMore(after sequence: UInt64, id: UInt64) async {
        startWatcherIfNeeded()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                followers.withLock { $0[id] = continuation }
                if log.visibleSequence > sequence || isStopping || Task.isCancelled { wakeFollower(id) }
            }
        } onCancel: {
            wakeFollower(id)
        }
    }

    /// Where another process writes, a thread waits for it on the shared page: a task must not block.
    private func startWatcherIfNeeded() {
        thread.withLock { thread in
            guard thread == nil, !isStopping else { return }
            thread = try? spawnThread(name: "journal-watch") { [self] in
                while !isStopping {
                    log.wait(after: log.visibleSequence, timeoutMilliseconds: Engine.watchMilliseconds)
                    wakeFollowers()
                }
            }
        }
    }

    private func wakeFollower(_ id: UInt64) {
        followers.withLock { $0.removeValue(forKey: id) }?.resume()
    }

    func wakeFollowers() {
        let waiting = followers.withLock { followers in
            defer { followers.removeAll() }
            return Array(followers.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    var isStopping: Bool { queue.withLock { $0.isStopping } }

    // MARK: Closing

    /// Commits what is queued, ends the committer, and closes the log cleanly.
    func shutDown() throws(JournalError) {
        queue.withLock { $0.isStopping = true }
        queue.broadcast()
        wakeFollowers()
        thread.withLock { $0 }?.join()
        let log = log
        try asJournalError { () throws(LogError) in try log.close() }
    }
}
