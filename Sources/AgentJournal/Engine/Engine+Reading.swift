import JournalFileSystem
import Logging
import SegmentLog

extension Engine {
    /// How long the watcher sleeps at most before it looks whether it should end.
    private static let watchMilliseconds = 200

    /// The state of a read that begins now, and its bound: everything acknowledged before is at or below it, and in the state.
    func now() throws(JournalError) -> (box: StateBox, bound: UInt64) {
        var attempts = 0
        while true {
            do throws(JournalError) {
                try renewIfFarBehind(box)
                let box = box
                let bound = try catchUp(box)
                try renewIfLarge(box)
                // Else another state took its place meanwhile, and this one may lack what came between.
                if self.box === box { return (box, bound) }
            } catch {
                attempts += 1
                guard isReadOnly, error.code == .noSuchPoint, attempts < 10 else { throw error }
                // What came behind this state was let go by who writes; the newest snapshot has it.
                if let state = try? state(at: log.visibleSequence) { replaceState(state) }
            }
        }
    }

    /// A replay of this engine's log, within its bound of memory.
    var replay: Replay { Replay(log: log, spill: snapshots.map { ($0, maintenance.options.replayBytes) }) }

    private func catchUp(_ box: StateBox) throws(JournalError) -> UInt64 {
        let visible = log.visibleSequence
        let isBehind = box.withLock { $0.lastSequence < visible }
        if isBehind {
            // Reads on other threads wait meanwhile: what they may show is not in the state yet.
            // Nothing is spilled: views of earlier bounds read in this state too.
            try box.withLock { (state) throws(JournalError) in try Replay(log: log).run(&state) }
        }
        return visible
    }

    /// A reader's state that was not built yet, or for long, is built as an opening does it: from a snapshot, within the bound
    /// of memory.
    private func renewIfFarBehind(_ box: StateBox) throws(JournalError) {
        let isFar = { [log, maintenance] () -> Bool in
            let last = box.withLock { $0.lastSequence }
            return log.visibleSequence &- last > maintenance.options.events && log.visibleSequence > last
        }
        guard isReadOnly, snapshots != nil, isFar() else { return }
        try rebuilding.withLock { (_) throws(JournalError) in
            guard self.box === box, isFar() else { return }
            replaceState(try state(at: log.visibleSequence))
        }
    }

    /// A state that a reader follows for long is built anew, within the bound of memory, and takes this one's place.
    private func renewIfLarge(_ box: StateBox) throws(JournalError) {
        guard isReadOnly, box.withLock({ $0.layer.memoryBytes > maintenance.options.replayBytes }) else {
            return
        }
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
                followers.withLock { $0[id] = continuation }
                if log.visibleSequence > sequence || isClosed() || isStopping || Task.isCancelled {
                    wakeFollower(id)
                }
            }
        } onCancel: {
            wakeFollower(id)
        }
    }

    /// Where another process writes, a thread waits for it on the shared page: a task must not block.
    private func startWatcherIfNeeded() {
        thread.withLock { thread in
            guard thread == nil, !isStopping else { return }
            do {
                thread = try spawnThread(name: "journal-watch") { [self] in
                    while !isStopping {
                        log.wait(after: log.visibleSequence, timeoutMilliseconds: Engine.watchMilliseconds)
                        wakeFollowers()
                    }
                }
            } catch {
                // The next event that is waited for tries again.
                logger.error("journal cannot watch for events", metadata: ["error": "\(error)"])
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
}
