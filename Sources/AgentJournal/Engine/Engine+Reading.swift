import JournalFileSystem
import Logging
import SegmentLog
import Synchronization

extension Engine {
    /// How long the watcher sleeps at most before it looks whether it should end.
    private static let watchMilliseconds = 100

    /// The state of a read that begins now, and its bound: everything acknowledged before is at or below it, and in the state.
    ///
    /// - Complexity: some loads of words, when nothing is new.
    func now() throws(JournalError) -> (box: StateBox, bound: UInt64) {
        var attempts = 0
        if isReadOnly { try asJournalError { () throws(LogError) in try log.checkIsWritten() } }
        while true {
            do throws(JournalError) {
                if let known = nowIfKnown() { return known }
                try renewIfFarBehind(box)
                // In this order: what is visible after a rewind is of after it.
                let bound = log.visibleSequence
                if isDoubtful(at: bound) { try renewBesideCommits() }
                let box = box
                try catchUp(box, to: bound)
                try letGoOfErased()
                try renewIfLarge(box)
                // Else another state took its place meanwhile, and this one may lack what came between.
                if self.box === box { return (box, bound) }
            } catch {
                attempts += 1
                guard error.code == .noSuchPoint, attempts < 10 else { throw error }
                // What came behind this state was let go by another process; the newest snapshot has it.
                try renewBesideCommits()
            }
        }
    }

    /// The same when nothing is new; else nil.
    func nowIfKnown() -> (box: StateBox, bound: UInt64)? {
        // In this order: what is visible after a rewind is of after it.
        let bound = log.visibleSequence
        guard !isDoubtful(at: bound), !isReadOnly, !isPoisoned else { return nil }
        let box = box
        return box.lastSequence >= bound ? (box, bound) : nil
    }

    /// A replay of this engine's log, within its bound of memory.
    var replay: Replay { Replay(log: log, spill: snapshots.map { ($0, maintenance.options.replayBytes) }) }

    private func catchUp(_ box: StateBox, to bound: UInt64) throws(JournalError) {
        guard box.lastSequence < bound else { return }
        // Reads on other threads wait meanwhile: what they may show is not in the state yet.
        try box.withLock { (state) throws(JournalError) in try catchUp(&state, to: bound) }
    }

    /// Nothing is spilled: views of earlier bounds read in this state too.
    private func catchUp(_ state: inout State, to bound: UInt64) throws(JournalError) {
        guard state.lastSequence < bound else { return }
        let replay = Replay(log: log)
        try log.withTail(after: state.lastSequence) { (reader) throws(JournalError) in
            try replay.run(&state, reader, upTo: bound)
        }
    }

    /// Takes in what others have made durable, for an append, which then has less to read while all others wait for it.
    ///
    /// What fails fails again there, and is told there.
    func catchUpWithDurable() {
        // In this order: what is visible after a rewind is of after it.
        let bound = log.visibleSequence
        let box = box
        guard !isDoubtful(at: bound), box.lastSequence < bound else { return }
        try? catchUp(box, to: bound)
        // A read finds nothing new then, also where the append is refused, and would not let go of it.
        if holdsErased { try? renewBeforeCommit() }
    }

    /// Brings the state to the end of the log, durable or not: by that it is decided what to append. Under the log's exclusion.
    ///
    /// - Parameter mayHoldErased: Whether the state is good enough with what another process erased in it.
    /// - Returns: false when the state must be built anew first, which takes long: nobody waits for that under the exclusion.
    func catchUp(to head: LogHead, mayHoldErased: Bool) throws(JournalError) -> Bool {
        if isDoubtful(head.rewind) { return false }
        do throws(JournalError) {
            return try box.withLock { (state) throws(JournalError) in
                try catchUp(&state, to: head.lastSequence)
                return mayHoldErased || !holdsErased(state)
            }
        } catch {
            // A compaction of another process let go of it since; the snapshot has it.
            guard error.code == .noSuchPoint else { throw error }
            return false
        }
    }

    /// Lets go of what was erased since, by another process: of snapshots that were rewritten, and of what is in memory.
    func letGoOfErased() throws(JournalError) {
        if holdsErased { try renewBesideCommits() }
    }

    /// Whether the state holds what another process erased.
    var holdsErased: Bool { box.withLock { holdsErased($0) } }

    private func holdsErased(_ state: borrowing State) -> Bool {
        let through = state.layer.erasure.through
        guard state.below.erasedThrough < through || state.layer.baseSequence < through else { return false }
        // Once: where there is no snapshot that is newer, the state comes from the log again.
        return settledErasure.load(ordering: .acquiring) < through
    }

    /// Whether the state may have events that the log does not have, or has other ones in their places.
    func isDoubtful(at bound: UInt64) -> Bool {
        isDoubtful(log.rewind) || bound > doubtfulAfter.load(ordering: .acquiring)
    }

    private func isDoubtful(_ rewind: LogRewind) -> Bool {
        let settled = settledRewinds.load(ordering: .acquiring)
        guard rewind.count != settled else { return false }
        // What it had by then stayed as it was.
        if rewind.count == settled + 1, box.lastSequence <= rewind.sequence {
            settledRewinds.store(rewind.count, ordering: .releasing)
            return false
        }
        return true
    }

    /// Builds the state anew, as an opening does, of what is durable. Others commit meanwhile.
    private func rebuilt() throws(JournalError) -> State {
        var state = try state(at: log.visibleSequence)
        // What came meanwhile takes less time each time, unless it comes faster than it can be read.
        for _ in 0..<Engine.mostRounds {
            let visible = log.visibleSequence
            guard visible > state.lastSequence, visible - state.lastSequence > Engine.fewEvents else { break }
            try replay.run(&state, upTo: visible)
        }
        return state
    }

    /// So many events are read in some tens of microseconds.
    private static let fewEvents: UInt64 = 100
    private static let mostRounds = 16

    /// A state that was built anew takes the place of the present one. Only between commits, or before one is decided.
    ///
    /// - Parameter erased: Up to where what was erased is not in it.
    private func install(
        _ state: sending State, erased: UInt64, _ rewind: LogRewind
    ) {
        replaceState(state)
        settledErasure.store(erased, ordering: .releasing)
        doubtfulAfter.store(.max, ordering: .releasing)
        settledRewinds.store(rewind.count, ordering: .releasing)
    }

    /// Builds the state anew, for a commit that finds that it must. Whoever commits does it, before the log's exclusion: processes
    /// with a state that is right go on.
    func renewBeforeCommit() throws(JournalError) {
        // In this order: what is visible after a rewind is of after it.
        let rewind = log.rewind
        let fresh = try rebuilt()
        let erased = fresh.layer.erasure.through
        install(fresh, erased: erased, rewind)
    }

    /// Builds the state anew while others commit. They wait only while it catches up with the last of them.
    func renewBesideCommits() throws(JournalError) {
        try rebuilding.withLock { (_) throws(JournalError) in try renewAlone() }
    }

    private func renewAlone() throws(JournalError) {
        var fresh: State? = try rebuilt()
        let erased = fresh!.layer.erasure.through
        if isReadOnly { return install(fresh.take()!, erased: erased, log.rewind) }
        try betweenCommits { () throws(JournalError) in
            let rewind = log.rewind
            // Not copied: nobody else has it.
            var last = fresh.take()!
            try replay.run(&last, upTo: log.visibleSequence)
            install(last, erased: erased, rewind)
        }
    }

    /// A state that was not built yet, or for long, is built as an opening does it: from a snapshot, within the bound of
    /// memory.
    private func renewIfFarBehind(_ box: StateBox) throws(JournalError) {
        let visible = log.visibleSequence
        let last = box.lastSequence
        guard snapshots != nil, visible > last, visible - last > maintenance.options.events else { return }
        try rebuilding.withLock { (_) throws(JournalError) in
            if self.box === box { try renewAlone() }
        }
    }

    /// A state that is only read, or follows others for long, is built anew, within the bound of memory.
    private func renewIfLarge(_ box: StateBox) throws(JournalError) {
        guard isReadOnly || isPoisoned,
            box.withLock({ $0.layer.memoryBytes > maintenance.options.replayBytes })
        else { return }
        try rebuilding.withLock { (_) throws(JournalError) in
            guard self.box === box else { return }
            replaceState(try state(at: log.visibleSequence))
        }
    }

    /// Returns when something behind `sequence` may be visible, or the journal is closed, or the task is cancelled.
    func waitForMore(after sequence: UInt64, id: UInt64, isClosed: () -> Bool) async {
        startWatcherIfNeeded()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                followers.withLock { $0[id] = { continuation.resume() } }
                if log.visibleSequence > sequence || isClosed() || isStopping || Task.isCancelled {
                    wakeFollower(id)
                }
            }
        } onCancel: {
            wakeFollower(id)
        }
    }

    /// The same for a thread that may block: returns also when the time is over.
    func waitForMoreNow(
        after sequence: UInt64, id: UInt64, timeoutMilliseconds: Int, isInterrupted: () -> Bool
    ) {
        startWatcherIfNeeded()
        let isWoken = Monitor(false)
        followers.withLock {
            $0[id] = {
                isWoken.withLock { $0 = true }
                isWoken.signal()
            }
        }
        defer { followers.withLock { _ = $0.removeValue(forKey: id) } }
        if log.visibleSequence > sequence || isStopping || isInterrupted() { return }
        isWoken.withLock(timeout: .milliseconds(timeoutMilliseconds), waitingUntil: { $0 }) { _ in () }
    }

    /// A thread waits on the shared page for what other processes write: a task must not block.
    private func startWatcherIfNeeded() {
        watcher.withLock { watcher in
            guard watcher == nil, !isStopping else { return }
            do {
                watcher = try spawnThread(name: "journal-watch") { [self] in
                    var seen = log.visibleSequence
                    while !isStopping {
                        log.wait(after: seen, timeoutMilliseconds: Engine.watchMilliseconds)
                        seen = log.visibleSequence
                        wakeFollowers()
                    }
                }
            } catch {
                // The next event that is waited for tries again.
                logger.error("journal cannot watch for events", metadata: ["error": "\(error)"])
            }
        }
    }

    func wakeFollower(_ id: UInt64) {
        followers.withLock { $0.removeValue(forKey: id) }?()
    }

    func wakeFollowers() {
        let waiting = followers.withLock { followers in
            defer { followers.removeAll() }
            return Array(followers.values)
        }
        for wake in waiting { wake() }
    }
}
