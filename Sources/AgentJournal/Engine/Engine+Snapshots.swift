import JournalFileSystem
import SegmentLog

extension Engine {
    /// Asks for a snapshot when replaying what came since the last one would take too long, or takes too much memory.
    func requestSnapshotIfDue() {
        guard snapshots != nil else { return }
        let options = maintenance.options
        let isDue = box.withLock { state in
            state.layer.eventCount >= options.events || state.layer.memoryBytes >= options.bytes
        }
        if isDue { requestSnapshot() }
    }

    /// Asks for a snapshot in the background, unless one waits already.
    func requestSnapshot() {
        guard snapshots != nil, maintenance.claimDueSnapshot() else { return }
        do throws(JournalError) {
            _ = try maintenance.submit { [self] in
                do throws(JournalError) {
                    _ = try takeSnapshot()
                    maintenance.dueSnapshotEnded()
                } catch {
                    // It stays claimed: a disk that is full is not tried again with every add. The next opening does.
                    if !maintenance.isStopping {
                        logger.error("journal could not take a snapshot", metadata: ["error": "\(error)"])
                    }
                }
            }
        } catch {
            logger.error("journal could not take a snapshot", metadata: ["error": "\(error)"])
        }
    }

    /// Writes the present state to a snapshot and lets the state lie upon it. On the maintenance thread.
    ///
    /// Adds go on meanwhile: the layer that they made is frozen, which takes no time, and the next ones go into a new one
    /// upon it.
    /// - Returns: The sequence that the newest snapshot covers.
    /// - Throws: `diskFull`, `system`: then there is no new snapshot, and nothing else changed; `damaged` when the last
    ///   one cannot be read.
    func takeSnapshot() throws(JournalError) -> UInt64 {
        guard let snapshots else {
            throw JournalError(.closed, "The journal is open for reading only; it takes no snapshots")
        }
        let below = try betweenCommits { () throws(JournalError) -> Below in
            if isPoisoned { throw Engine.poisoned }
            let state = box.withLock { $0 }
            // A frozen layer that could not be written is tried again, before another is frozen upon it.
            guard state.below.layer == nil, state.layer.lastSequence > state.layer.baseSequence else {
                return state.below
            }
            replaceState(state.frozen())
            return box.withLock { $0.below }
        }
        guard let layer = below.layer else { return below.tables.last?.sequence ?? 0 }
        let table = try asJournalError { () throws(LogError) in
            try snapshots.write(
                layer.lastSequence, level: maintenance.options.level, blockBytes: StateKeys.blockBytes,
                didWrite: { [maintenance] () throws(FileSystemError) in
                    if maintenance.isStopping {
                        throw FileSystemError(operation: "snapshot", path: "", errno: .canceled)
                    }
                }
            ) { (writer) throws(LogError) in try below.write(to: writer, layer) }
        }
        try betweenCommits { () throws(JournalError) in
            let state = box.withLock { $0 }
            replaceState(State(state.layer, upon: Below(tables: [table])))
        }
        try removeOldSnapshots(snapshots)
        logger.info(
            "journal took a snapshot",
            metadata: [
                "sequence": "\(layer.lastSequence)", "bytes": "\(table.length)",
            ])
        return layer.lastSequence
    }

    /// While the log reaches back to the beginning one snapshot is kept, else two.
    private func removeOldSnapshots(_ snapshots: SnapshotFiles) throws(JournalError) {
        try asJournalError { () throws(LogError) in
            let kept = log.firstSequence <= 1 ? 1 : 2
            for name in try snapshots.names().dropFirst(kept) { try snapshots.remove(name) }
        }
    }

    static let poisoned = JournalError(
        .notWritten, "The journal stopped taking writes after an earlier failure; close it and open it again")
}

extension Below {
    /// Writes all of it: the oldest table, with what the newer ones and the layer changed. Returns the meta block.
    func write(to writer: TableWriter, _ layer: Layer) throws(LogError) -> [UInt8] {
        var base: TableCursor?
        var sources: [any TableSource] = []
        for table in tables {
            let cursor = TableCursor(table, isCaching: false)
            // A table without a meta block was spilled while replaying, and may hold deletions of nothing.
            if base == nil, sources.isEmpty, !table.meta.isEmpty {
                base = cursor
            } else {
                try cursor.load()
                sources.append(cursor)
            }
        }
        sources.append(LayerSource(layer))
        let changes = try MergedSource(sources, combine: StateKeys.combine)
        try TableMerge.run(base, changes, keepsDeletions: false, combine: StateKeys.combine, into: writer)
        var meta = StateMeta()
        meta.lastSequence = layer.lastSequence
        meta.recordedMicroseconds = layer.lastRecordedMicroseconds
        meta.floor = layer.floor
        do {
            meta.memories = try writer.entryCount(StateKeys.memories)
        } catch {
            throw LogError(system: error)
        }
        return meta.encoded
    }
}
