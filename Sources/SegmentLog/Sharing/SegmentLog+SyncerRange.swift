import JournalFileSystem
import SystemPackage

/// What is to become durable, and in which file it is.
package struct SyncTarget: Sendable {
    fileprivate var sequence: UInt64
    fileprivate var failures: UInt64
    fileprivate var file: (any File)?
    fileprivate var segment: UInt32?
}

/// Of the processes that wait for what they wrote to be durable one is elected, by the syncer range, to sync what all have
/// written; the others sleep until it says how far that is.
extension SegmentLog {
    /// Makes everything appended so far durable, whoever appended it, and then visible.
    ///
    /// - Throws: `outcomeUnknown` when a sync failed, of this process or of another, which poisons the log: what the disk holds
    ///   is then not known, and a second sync would not tell (the kernel forgets which pages it could not write); or,
    ///   without poisoning it, when another process that syncs takes longer than `LogOptions.lockTimeout`.
    package func sync() throws(LogError) {
        try sync(
            writer.withLock { (writer) throws(LogError) in
                if let poison = writer.poison { throw poisoned(by: poison) }
                if writer.isClosed { throw closed }
                return syncTarget(writer)
            })
    }

    /// The same of all that an `append` had written when it returned, while others may append already.
    package func sync(_ wanted: SyncTarget) throws(LogError) {
        guard let lockFile, let shared else { return }
        var waiting: ContinuousClock.Instant?
        var mayBeDead = false
        while true {
            let changes = shared.changes
            // In this order: what is visible after a failure was settled may be another event.
            let isDurable = shared.visible >= wanted.sequence
            guard shared.failures == wanted.failures else { throw failedElsewhere(shared, lockFile) }
            if isDurable { return see(wanted.sequence) }
            // Who syncs says when it is done, unless it died.
            let isBusy = shared.syncer != nil && !mayBeDead
            switch isBusy ? .busy : syncIfElected(wanted, lockFile, shared) {
            case .done: continue
            case .failed(let what, let cause):
                let error = writer.withLock { poison(&$0, .outcomeUnknown, what, cause) }
                // Those of this process who wait then find the cause.
                shared.wakeWaiters()
                throw error
            case .isMarked:
                // Who synced before died meanwhile, or failed.
                do throws(LogError) {
                    try writer.withLock { (writer) throws(LogError) in
                        if let poison = writer.poison { throw poison }
                        try inWriterRange(&writer) { (writer, shared) throws(LogError) in
                            if shared.visible < wanted.sequence { try recover(&writer, shared) }
                        }
                    }
                } catch {
                    throw notSynced(error)
                }
            case .busy:
                let now = ContinuousClock.now
                if let waiting, now - waiting > options.lockTimeout {
                    // This process itself may have been stopped for so long.
                    if isBusy {
                        mayBeDead = true
                        continue
                    }
                    throw LogError(
                        .outcomeUnknown,
                        "\(SegmentLog.holder(shared.syncer, lockFile, options)) has been syncing the log for more than "
                            + "\(options.lockTimeout): it is not known whether the events are on disk. If it is stopped, "
                            + "continue or end it", path: paths.directory)
                }
                waiting = waiting ?? now
                shared.waitForChange(from: changes, timeoutMilliseconds: SegmentLog.lockPollMilliseconds)
                mayBeDead = shared.changes == changes
            }
        }
    }

    /// What was written is not synced, whatever kept it from that.
    private func notSynced(_ failure: LogError) -> LogError {
        guard failure.kind != .outcomeUnknown else { return failure }
        return LogError(
            .outcomeUnknown,
            "It is not known whether the events are on disk: they were written, and then could not be synced "
                + "(\(failure.message))", path: failure.path, cause: failure.cause)
    }

    func syncTarget(_ writer: Writer) -> SyncTarget {
        SyncTarget(
            sequence: writer.lastSequence, failures: writer.failures, file: writer.active?.file,
            segment: writer.active?.frames.header.id)
    }

    private enum Election {
        case done
        /// Another process syncs.
        case busy
        /// The page says that one syncs, and none does.
        case isMarked
        case failed(String, FileSystemError)
    }

    private func syncIfElected(
        _ wanted: SyncTarget, _ lockFile: any File, _ shared: CommitPage
    ) -> Election {
        syncer.withLock { _ in
            do throws(FileSystemError) {
                guard try lockFile.lock(LockFile.syncerRange, .exclusive, wait: false) else { return .busy }
            } catch {
                return .failed("Syncing the log failed", error)
            }
            let election = syncElected(wanted, shared)
            if let failure = letGo(of: LockFile.syncerRange) {
                return .failed("Letting go of the log failed", failure)
            }
            if case .failed = election { return election }
            shared.wakeWaiters()
            return election
        }
    }

    private func syncElected(_ wanted: SyncTarget, _ shared: CommitPage) -> Election {
        guard shared.syncer == nil else { return .isMarked }
        guard shared.visible < wanted.sequence else { return .done }
        // Who ends a segment makes it durable under this range. So what is wanted is in the present one.
        guard let written = shared.written, written.segment == wanted.segment, let file = wanted.file
        else { return .isMarked }
        return sync(file, written, shared)
    }

    private func sync(
        _ file: any File, _ written: CommitPage.Written, _ shared: CommitPage
    ) -> Election {
        do throws(FileSystemError) {
            try reservePage()
            guard shared.setSyncer(opener) else { throw noBlock }
            let start = ContinuousClock.now
            try file.syncData()
            pace.record(ContinuousClock.now - start)
        } catch {
            shared.countFailure()
            return .failed("Syncing the log failed", error)
        }
        do throws(FileSystemError) {
            // The page's block may have gone while the log was synced.
            try reservePage()
            guard shared.publish(visible: written.lastSequence) else { throw noBlock }
        } catch {
            shared.countFailure()
            return .failed("Showing other processes what is durable failed", error)
        }
        shared.setSyncer(nil)
        return .done
    }

    private func failedElsewhere(_ shared: CommitPage, _ lockFile: any File) -> LogError {
        let cause = FileSystemError(operation: "sync", path: paths.log, errno: .ioError)
        let who = SegmentLog.holder(shared.syncer, lockFile, options)
        return writer.withLock { poison(&$0, .outcomeUnknown, "A sync of the log by \(who) failed", cause) }
    }

    /// Runs `body`, which makes everything written durable in another way than by syncing the present segment, while no other
    /// process syncs.
    ///
    /// - Returns: nil when who held the range before died while it synced, or failed to; then `body` was not run.
    func inSyncerRange<R>(
        _ shared: CommitPage, evenIfMarked: Bool = false, _ body: () throws(LogError) -> R
    ) throws(LogError) -> R? {
        guard let lockFile else { preconditionFailure("a log that is written has a lock file") }
        return try syncer.withLock { (_) throws(LogError) -> R? in
            let isTaken: Bool
            do throws(FileSystemError) {
                isTaken = try SegmentLog.takeRange(
                    LockFile.syncerRange, of: lockFile, options,
                    wait: {
                        let changes = shared.changes
                        return { shared.waitForChange(from: changes, timeoutMilliseconds: $0) }
                    })
            } catch {
                throw notWritten(error)
            }
            guard isTaken else {
                throw LogError(
                    .busy,
                    "Not written: \(SegmentLog.holder(shared.syncer, lockFile, options)) has been syncing the log for more "
                        + "than \(options.lockTimeout). If it is stopped, continue or end it",
                    path: paths.directory)
            }
            defer {
                // When it fails, so does letting go of the writer range, which tells.
                _ = letGo(of: LockFile.syncerRange)
                shared.wakeWaiters()
            }
            guard evenIfMarked || shared.syncer == nil else { return nil }
            return try body()
        }
    }
}
