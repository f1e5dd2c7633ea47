import JournalFileSystem
import SegmentLog

/// Of the processes that have a journal open one at a time takes snapshots and compacts.
extension Engine {
    private static let pollMilliseconds = 10

    /// Runs `body` while no other process takes snapshots or compacts. On the maintenance thread.
    ///
    /// - Throws: `busy` when another one does for longer than `Maintenance.Options.patience`.
    func inMaintenanceRange<R>(_ body: () throws(JournalError) -> R) throws(JournalError) -> R {
        let start = ContinuousClock.now
        let nobody = Monitor(false)
        while true {
            let isTaken = try asJournalError { () throws(LogError) in try log.takeMaintenanceRange() }
            if isTaken { break }
            if maintenance.isStopping { throw Engine.closed }
            guard ContinuousClock.now - start < maintenance.options.patience else {
                throw JournalError(
                    .busy,
                    "\(log.maintainer) has been taking a snapshot or compacting for more than "
                        + "\(maintenance.options.patience). If it is stopped, continue or end it, then try again"
                )
            }
            _ = nobody.withLock(timeout: .milliseconds(Engine.pollMilliseconds), waitingUntil: { $0 }) { _ in
                ()
            }
        }
        defer { log.releaseMaintenanceRange() }
        try asJournalError { () throws(LogError) in try log.finishMaintenanceOfOthers() }
        if let snapshots { try asJournalError { () throws(LogError) in try snapshots.removeUnfinished() } }
        return try body()
    }

    /// Takes a snapshot because one is due, unless another process took one that serves as well: then the state goes on upon
    /// that.
    func takeDueSnapshot() throws(JournalError) {
        try inMaintenanceRange { () throws(JournalError) in
            guard let snapshots else { return }
            let names = try asJournalError { () throws(LogError) in try snapshots.names() }
            let base = box.withLock { $0.layer.baseSequence }
            if let newest = names.first(where: { stillDamaged($0) == nil }), newest.sequence > base,
                log.visibleSequence - min(newest.sequence, log.visibleSequence) < maintenance.options.events
            {
                try renewBesideCommits()
            } else {
                _ = try takeSnapshot()
            }
        }
    }
}
