import JournalFileSystem
import Logging
import SegmentLog
import SystemPackage

extension Engine {
    /// The state of the newest snapshot that qualifies; the empty one where the log reaches back to the beginning.
    ///
    /// - Throws: `noSuchPoint` when history was let go that would be needed; `damaged` when a snapshot had it.
    func nearestState(_ qualifies: (StateMeta) -> Bool) throws(JournalError) -> State {
        let first = try presentFirstSequence()
        var oldest: UInt64?
        var damaged: (path: FilePath, errno: Errno?)?
        for name in try asJournalError({ () throws(LogError) in try snapshots?.names() ?? [] })
        where name.sequence + 1 >= first {
            switch try find(name) {
            case .table(let table, let meta):
                if qualifies(meta) { return try State(snapshot: table) }
                oldest = name.sequence
            case .damaged(let errno):
                // Its name says what it covered; when that was recorded is not known.
                var meta = StateMeta()
                meta.lastSequence = name.sequence
                meta.recordedMicroseconds = .min
                if qualifies(meta) { damaged = damaged ?? (name.path, errno) }
            case .gone: continue
            }
        }
        guard first > 1 else { return State() }
        if let damaged {
            throw JournalError(damagedFor: damaged.path, damaged.errno, historyGone(back: oldest))
        }
        throw historyGone(back: oldest)
    }

    private enum FoundSnapshot {
        case table(TableReader, StateMeta)
        /// With why it could not be read, where that is known.
        case damaged(Errno?)
        /// It was removed just now.
        case gone
    }

    private func find(_ name: SnapshotFiles.Name) throws(JournalError) -> FoundSnapshot {
        if let problem = stillDamaged(name) { return .damaged(problem.cause?.errno) }
        do {
            guard let table = try snapshots?.open(name) else { return .gone }
            guard let meta = StateMeta(table.meta) else { return .damaged(nil) }
            return .table(table, meta)
        } catch {
            if error.cause?.errno == .noSuchFileOrDirectory { return .gone }
            guard error.kind == .damaged else { throw JournalError(error) }
            return .damaged(error.cause?.errno)
        }
    }

    /// The first event that the log holds, whatever another process let go.
    func presentFirstSequence() throws(JournalError) -> UInt64 {
        try asJournalError { () throws(LogError) in try log.presentFirstSequence() }
    }

    func historyGone(back oldest: UInt64?) -> JournalError {
        let first = log.firstSequence
        let far =
            oldest.map { "One can look back to sequence \($0)" } ?? "The log begins with sequence \(first)"
        return JournalError(
            .noSuchPoint,
            "The history up to sequence \(first - 1) was let go when the journal was compacted. \(far)")
    }

    /// A state of its own as of a sequence.
    func state(at sequence: UInt64) throws(JournalError) -> State {
        var state = try nearestState { $0.lastSequence <= sequence }
        try replay.run(&state, upTo: sequence)
        return state
    }

    // MARK: Damaged snapshots

    /// What is wrong with a snapshot that was found damaged before; nil when it was not, or is not any more.
    ///
    /// A read that failed once, for want of memory or by a passing fault of the disk, is no damage. So the file is read once more,
    /// whole, whenever it is needed.
    func stillDamaged(_ name: SnapshotFiles.Name) -> LogError? {
        guard let snapshots, damagedSnapshots.withLock({ $0.contains(name.path) }) else { return nil }
        do {
            let table = try snapshots.open(name)
            try table.verify()
            _ = try SurveyedSnapshots.check(table)
        } catch {
            return error
        }
        damagedSnapshots.withLock { _ = $0.remove(name.path) }
        return nil
    }

    /// Whether an error says that a snapshot is not what was written: the log may still have what it holds.
    func isOfSnapshot(_ error: JournalError) -> Bool {
        error.code == .damaged && error.path?.string.hasSuffix(SnapshotFiles.suffix) == true
    }

    /// Reads the state as it is now; and once more without a snapshot that turns out to be damaged.
    func read<R>(
        _ body: (_ box: StateBox, _ bound: UInt64) throws(JournalError) -> R
    ) throws(JournalError) -> R {
        let (box, bound) = try now()
        do {
            return try body(box, bound)
        } catch {
            try heal(error)
            let (box, bound) = try now()
            return try body(box, bound)
        }
    }

    /// Builds the state anew without a snapshot that turned out to be damaged, and has another snapshot taken.
    ///
    /// - Throws: `error` when the log does not reach back far enough for that.
    /// - Complexity: a replay; adds go on meanwhile.
    func heal(_ error: JournalError) throws(JournalError) {
        guard let path = error.path, isOfSnapshot(error) else { throw error }
        damagedSnapshots.withLock { _ = $0.insert(path) }
        try rebuilding.withLock { (_) throws(JournalError) in
            // Others may have met it before; and a view of the past may rest on another one than the present state.
            guard box.withLock({ state in state.below.tables.contains { $0.path == path } }) else { return }
            logger.error(
                "journal: a snapshot is damaged and is rebuilt from the log", metadata: ["error": "\(error)"])
            try rebuild(without: path, because: error)
        }
        requestSnapshot()
    }

    private func rebuild(without path: FilePath, because cause: JournalError) throws(JournalError) {
        let state: State
        do throws(JournalError) {
            // Once more, because a compaction may let go meanwhile of what was to be replayed.
            do throws(JournalError) {
                state = try self.state(at: log.visibleSequence)
            } catch {
                guard error.code == .noSuchPoint || isOfSnapshot(error) else { throw error }
                state = try self.state(at: log.visibleSequence)
            }
        } catch {
            // The system's reason, where one was given, is that of the first try.
            let isForWantOfIt = error.code == .noSuchPoint || (error.code == .damaged && error.path == path)
            throw isForWantOfIt ? JournalError(damagedFor: path, cause.errno, error) : error
        }
        if isReadOnly {
            replaceState(state)
            return
        }
        var rebuilt: State? = state
        try betweenCommits { () throws(JournalError) in
            var last = rebuilt.take()!
            try replay.run(&last)
            replaceState(last)
        }
    }
}

extension JournalError {
    fileprivate init(damagedFor path: FilePath, _ errno: Errno?, _ gone: JournalError) {
        // One that says so already says it once.
        guard gone.code == .noSuchPoint else {
            self = gone
            self.errno = errno
            return
        }
        self.init(
            .damaged,
            "\(path) \(errno.map { "cannot be read (\($0))" } ?? "is damaged"), and the history that it was made from is not "
                + "there any more: \(gone.message). Restore the journal from a backup", path: path,
            errno: errno)
    }
}
