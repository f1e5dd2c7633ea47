import JournalFileSystem
import Logging
import SegmentLog

extension Engine {
    /// Asks for a snapshot when replaying what came since the last one would take too long, or takes too much memory.
    func requestSnapshotIfDue() {
        guard snapshots != nil, !isReadOnly else { return }
        let options = maintenance.options
        let isDue = box.withLock { state in
            state.layer.eventCount >= options.events || state.layer.memoryBytes >= options.bytes
        }
        if isDue { requestSnapshot() }
    }

    /// Asks for a snapshot in the background, unless one waits already.
    func requestSnapshot() {
        guard snapshots != nil, !isReadOnly, maintenance.claimDueSnapshot(at: log.visibleSequence) else {
            return
        }
        do throws(JournalError) {
            _ = try maintenance.submit { [self] in
                do throws(JournalError) {
                    try takeDueSnapshot()
                    maintenance.dueSnapshotEnded()
                } catch {
                    if isOfSnapshot(error) {
                        maintenance.dueSnapshotEnded()
                        healNow(error)
                        return
                    }
                    maintenance.dueSnapshotFailed(at: log.visibleSequence)
                    if !maintenance.isStopping {
                        logger.error("journal could not take a snapshot", metadata: ["error": "\(error)"])
                    }
                }
            }
        } catch {
            maintenance.dueSnapshotFailed(at: log.visibleSequence)
            logger.error("journal could not take a snapshot", metadata: ["error": "\(error)"])
        }
    }

    /// Has the state rebuilt in the background, without the snapshot that an error names.
    func requestHealing(_ error: JournalError) {
        do throws(JournalError) {
            _ = try maintenance.submit { [self] in
                // Others may have met it too.
                if damagedSnapshots.withLock({ $0.contains(error.path!) }) { return }
                healNow(error)
            }
        } catch {
            logger.error("journal could not rebuild its state", metadata: ["error": "\(error)"])
        }
    }

    private func healNow(_ error: JournalError) {
        do throws(JournalError) {
            try heal(error)
        } catch {
            logger.critical("journal could not rebuild its state", metadata: ["error": "\(error)"])
        }
    }

    /// Writes the present state to a snapshot and lets the state lie upon it. On the maintenance thread, under the maintenance
    /// range.
    ///
    /// Adds go on meanwhile: the layer that they made is frozen, which takes no time, and the next ones go into a new one
    /// upon it.
    /// - Parameters:
    ///   - sealing: Ends the log's present segment too, when it is longer than this.
    ///   - lettingAllGo: Records first that history up to that record itself is let go.
    ///   - didWrite: Called after each piece of about a mebibyte, with how much is written.
    /// - Returns: The sequence that the newest snapshot covers.
    /// - Throws: `diskFull`, `system`: then there is no new snapshot, and nothing else changed; `damaged` when the last
    ///   one cannot be read.
    func takeSnapshot(
        sealing: UInt64 = Engine.sealedBytes, lettingAllGo: Bool = false,
        didWrite: @escaping (UInt64) -> Void = { _ in }
    ) throws(JournalError) -> UInt64 {
        guard let snapshots, !isReadOnly else {
            throw JournalError(.closed, "The journal is open for reading only; it takes no snapshots")
        }
        var isLeftOver = false
        let below = try whileCurrent { () throws(JournalError) -> Below in
            if lettingAllGo { try record(.floor(log.visibleSequence + 1)) }
            let state = box.withLock { $0 }
            // A frozen layer that could not be written is tried again, before another is frozen upon it.
            isLeftOver = state.below.layer != nil
            if isLeftOver { return state.below }
            // What a replay spilled has no name, and is gone with the process.
            let hasSpilled = state.below.tables.contains { $0.meta.isEmpty }
            guard hasSpilled || state.layer.lastSequence > state.layer.baseSequence else {
                return state.below
            }
            try asJournalError { () throws(LogError) in try log.seal(longerThan: sealing) }
            replaceState(state.frozen())
            return box.withLock { $0.below }
        }
        guard let layer = below.layer else { return below.tables.last?.sequence ?? 0 }
        var writtenBytes: UInt64 = 0
        let table = try asJournalError { () throws(LogError) in
            try snapshots.write(
                layer.lastSequence, level: maintenance.options.level, blockBytes: StateKeys.blockBytes,
                didWrite: { [maintenance] () throws(FileSystemError) in
                    writtenBytes += 1 << 20
                    didWrite(writtenBytes)
                    if maintenance.isStopping {
                        throw FileSystemError(operation: "snapshot", path: "", errno: .canceled)
                    }
                }
            ) { (writer) throws(LogError) in try below.write(to: writer, layer) }
        }
        damagedSnapshots.withLock { _ = $0.remove(table.path) }
        try betweenCommits { () throws(JournalError) in
            let state = box.withLock { $0 }
            // Else it was rebuilt meanwhile, and has in its layer what the table has.
            guard state.below === below else { return }
            replaceState(State(state.layer, upon: Below(tables: [table])))
        }
        try removeOldSnapshots(snapshots)
        logger.info(
            "journal took a snapshot",
            metadata: [
                "sequence": "\(layer.lastSequence)", "bytes": "\(table.length)",
            ])
        // What came since the failure is not in it yet.
        return isLeftOver ? try takeSnapshot(sealing: sealing) : layer.lastSequence
    }

    /// Runs `body` between commits, when the state is that of the log: with nothing that another process lost or erased, which must not
    /// be written again. Where it has to be built anew, that is done before.
    private func whileCurrent<R>(_ body: () throws(JournalError) -> R) throws(JournalError) -> R {
        while true {
            _ = try now()
            let result = try betweenCommits { () throws(JournalError) -> R? in
                if isPoisoned { throw Engine.poisoned }
                // What other processes wrote, and is in the state, is durable before a snapshot covers it.
                try asJournalError { () throws(LogError) in try log.sync() }
                if isDoubtful(at: log.visibleSequence) || holdsErased { return nil }
                return try body()
            }
            if let result { return result }
            try renewBesideCommits()
        }
    }

    /// A snapshot ends the segment, unless it is so short that reading it again costs nothing.
    static let sealedBytes: UInt64 = 1 << 20

    /// Records what the journal itself has to say. Only between commits.
    @discardableResult
    func record(_ append: Append) throws(JournalError) -> Receipt {
        switch commit([append])[0] {
        case .success(let receipts): return receipts[0]
        case .failure(let error as JournalError): throw error
        case .failure(let error): throw JournalError(.system, "\(error)")
        }
    }

    /// Removes the snapshots that are not needed any more.
    func removeOldSnapshots(_ snapshots: SnapshotFiles) throws(JournalError) {
        // What was let go is about to be dropped.
        let floor = box.withLock { $0.layer.floor }
        try asJournalError { () throws(LogError) in
            let first = max(log.firstSequence, floor + 1)
            for name in try surplus(snapshots, newest: nil, first) {
                do throws(LogError) {
                    try snapshots.remove(name)
                } catch {
                    // The new one stands; what cannot be removed is in nobody's way.
                    logger.warning("journal: an old snapshot stays", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// Which snapshots are not kept beside one that covers `newest` (nil: the newest that is not known to be damaged), when
    /// the log begins with `firstSequence`. While it reaches back to the beginning one is kept, else two: the oldest that the log
    /// leads on from too, so that all that is in the log can be looked back to, and serves when the newest is damaged. One that
    /// is damaged is no second.
    func surplus(
        _ snapshots: SnapshotFiles, newest: UInt64?, _ firstSequence: UInt64
    ) throws(LogError) -> [SnapshotFiles.Name] {
        let names = try snapshots.names()
        let damaged = Set(names.filter { stillDamaged($0) != nil }.map(\.path))
        let newest = newest ?? names.first { !damaged.contains($0.path) }?.sequence ?? 0
        let older = names.filter { $0.sequence < newest }
        guard firstSequence > 1 else { return older }
        let base = older.last { !damaged.contains($0.path) && $0.sequence + 1 >= firstSequence }
        return older.filter { $0 != base }
    }

    static let poisoned = JournalError(
        .notWritten, "The journal stopped taking writes after an earlier failure; close it and open it again")
}

extension Below {
    /// Writes all of it: the oldest table, with what the newer ones and the layer changed. Returns the meta block.
    func write(to writer: TableWriter, _ layer: Layer) throws(LogError) -> [UInt8] {
        var base: TableCursor?
        var sources: [any TableSource] = []
        var newKeys = layer.keys.count + layer.erasedKeys.count
        for table in tables {
            let cursor = TableCursor(table, isCaching: false)
            // A table without a meta block was spilled while replaying, and may hold deletions of nothing.
            if base == nil, sources.isEmpty, !table.meta.isEmpty {
                base = cursor
            } else {
                try cursor.load()
                sources.append(cursor)
                newKeys += try table.entryCount(StateKeys.filtered)
            }
        }
        sources.append(LayerSource(layer))
        try writer.filter(StateKeys.filtered, upon: base?.table, adding: newKeys)
        let changes = try MergedSource(sources, combine: StateKeys.combine)
        try TableMerge.run(base, changes, keepsDeletions: false, combine: StateKeys.combine, into: writer)
        var meta = StateMeta()
        meta.lastSequence = layer.lastSequence
        meta.recordedMicroseconds = layer.lastRecordedMicroseconds
        meta.floor = layer.floor
        meta.erasure = layer.erasure
        // What the tables below say; a state from the log alone is as the log is.
        meta.erasedThrough = erasedThrough == .max ? layer.erasure.through : erasedThrough
        meta.memories = try writer.memoryCount()
        return meta.encoded
    }
}

extension TableWriter {
    /// How many memories were written.
    func memoryCount() throws(LogError) -> UInt64 {
        do {
            return try entryCount(StateKeys.memories)
        } catch {
            throw LogError(system: error)
        }
    }
}
