import JournalFileSystem

/// What is done when a process is found to have died while it changed or synced the log, or when a sync failed: the same as
/// an opening does after a crash, while others have the log open.
extension SegmentLog {
    /// Finds the end of the log and writes again what no promise vouches for, into a new segment. Under the writer range.
    ///
    /// Those who wait for what they wrote find it durable, unless it is not all there; then `failures` tells them.
    func recover(_ writer: inout Writer, _ shared: CommitPage) throws(LogError) {
        guard let lockFile else { preconditionFailure("a log that is written has a lock file") }
        _ = try inSyncerRange(shared, evenIfMarked: true) { () throws(LogError) in
            guard shared.setWriter(opener), shared.setSyncer(opener) else { throw notWritten(noBlock) }
            var catalog = try SegmentCatalog.load(
                paths, journal: identity.journal, fileSystem: options.fileSystem)
            if let problem = catalog.problems.first { throw problem.error(in: paths) }
            var report = OpeningReport()
            let opening = LogOpening(paths: paths, options: options)
            let found = try opening.recover(
                identity, .none, lockFile, &catalog, &report, leavesMark: false,
                firstFreeID: shared.nextSegmentID)
            guard found.lastSequence >= max(shared.visible, visibleSequence) else {
                throw LogProblem(
                    file: paths.relative(catalog.entries.last!.path), offset: found.predecessor.end,
                    kind: .frame,
                    lost: .checked(found.lastSequence + 1, max(shared.visible, visibleSequence)),
                    message: "the log ends before what was durable"
                ).error(in: paths)
            }
            do throws(FileSystemError) {
                try reservePage()
            } catch {
                throw notWritten(error)
            }
            // Without the end of what was written nobody can say whether all of it is there.
            let isWhole = shared.written.map { found.lastSequence >= $0.lastSequence } ?? false
            if !isWhole { shared.countFailure() }
            guard shared.settleFailures(upTo: found.lastSequence), settle(found, &writer, catalog, shared)
            else {
                throw notWritten(noBlock)
            }
        }
    }

    /// Takes over what was found, and tells the others; false when that could not be stored.
    private func settle(
        _ found: Writer, _ writer: inout Writer, _ fresh: SegmentCatalog, _ shared: CommitPage
    ) -> Bool {
        writer.active?.file.close()
        writer.active = found.active
        writer.predecessor = found.predecessor
        writer.lastSequence = found.lastSequence
        writer.recordedMicroseconds = max(writer.recordedMicroseconds, found.recordedMicroseconds)
        writer.generation = max(writer.generation, shared.written?.generation ?? 0)
        writer.failures = shared.settledFailures
        catalog.withLock { catalog in
            let changes = catalog.changes
            catalog = fresh
            catalog.changes = changes + 1
        }
        shared.directoryChanged()
        // The marks last: while they stand, the next one recovers again.
        return shared.setNextSegmentID(max(shared.nextSegmentID, fresh.highestID + 1))
            && publishWritten(&writer, shared) && shared.publish(visible: writer.lastSequence)
            && shared.setSyncer(nil) && shared.setWriter(nil)
    }
}
