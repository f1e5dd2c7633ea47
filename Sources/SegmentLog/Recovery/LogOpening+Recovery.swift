import JournalFileSystem
import SystemPackage

extension LogOpening {
    /// Finds the log's end; after an unclean one, writes again what no promise vouches for.
    ///
    /// - Parameters:
    ///   - leavesMark: Whether the log is then marked as cleanly closed, as it is until the first append.
    ///   - firstFreeID: Segment ids below it are in use, also where no file has them yet.
    /// - Returns: the writer's state: all that is written is durable.
    func recover(
        _ identity: JournalIdentity, _ record: CleanCloseRecord.Found, _ lockFile: any File,
        _ catalog: inout SegmentCatalog, _ report: inout OpeningReport, leavesMark: Bool = true,
        firstFreeID: UInt32 = 0
    ) throws(LogError) -> SegmentLog.Writer {
        let entry = catalog.entries.last!
        let tail = try findTail(entry, identity, record, &report)
        let vouched = tail.vouched
        var writer = SegmentLog.Writer(
            lastSequence: tail.end.nextSequence - 1,
            recordedMicroseconds: max(tail.end.recordedMicroseconds ?? 0, entry.header.createdMicroseconds),
            active: nil,
            predecessor: SegmentHeader.Predecessor(
                originalID: entry.header.originalID, chain: vouched.chain,
                lastSequence: vouched.nextSequence - 1,
                end: vouched.offset))
        // A journal made just now has a durable segment and nothing in it.
        if tail.verdict == .clean || (report.ending == .created && !tail.evidence.hasBytesBeyond) {
            writer.active = try resume(entry, tail)
            return writer
        }
        if report.ending != .created { report.ending = .unclean }
        do {
            // A writer that was killed may have renamed a segment, or journal.json, and not synced the directory.
            try fileSystem.syncDirectory(paths.log)
            try fileSystem.syncDirectory(paths.directory)
            // Nobody but us has had the first segment of a journal made now.
            if report.ending == .created { writer.active = try resume(entry, tail) }
            // What is behind the end, or missing before it, is not taken for a change of what a clean close left, once a
            // successor names that end.
            let length = try fileSystem.status(of: entry.path)?.length ?? 0
            let isOdd = tail.evidence.hasBytesBeyond || length < tail.end.offset
            if vouched.offset < tail.end.offset || (isOdd && report.ending != .created) {
                let again = try rewrite(
                    entry, tail, writer.predecessor, id: max(catalog.highestID + 1, firstFreeID), identity,
                    &report)
                let active = try SegmentFactory(options, paths).makeForOpening(again)
                catalog.append(CatalogEntry(path: active.path, header: active.frames.header))
                writer.predecessor = active.asPredecessor
                writer.active = active
            }
            let end = writer.predecessor
            if leavesMark {
                try SegmentLog.leaveMark(
                    CleanCloseRecord(
                        segment: catalog.entries.last!.header.id, chain: end.chain, end: end.end,
                        lastSequence: end.lastSequence,
                        closedMicroseconds: options.now()), lockFile)
            }
        } catch let error as FileSystemError {
            throw LogError(
                error.isFull ? .noSpace : .system,
                "The journal was not closed cleanly, and recovering it failed: \(error). Nothing is lost: free some space "
                    + "or mend the disk and open it again, or open it for reading only", path: error.path,
                cause: error)
        } catch let error as LogError {
            throw error
        } catch {
            fatalError("only the two errors above are thrown")
        }
        return writer
    }

    /// Reads the last segment and says what recovery found.
    func findTail(
        _ entry: CatalogEntry, _ identity: JournalIdentity, _ record: CleanCloseRecord.Found,
        _ report: inout OpeningReport
    ) throws(LogError) -> Tail {
        let file = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        defer { file.close() }
        let tail = try Tail.find(
            in: entry, record: record, file: file, paths: paths, maximumRawBytes: identity.maximumFrameBytes)
        if let problem = tail.problem { throw problem.error(in: paths) }
        if case .record(let found) = record, tail.evidence.record == .matches {
            report.closedMicroseconds = found.closedMicroseconds
        }
        if record == .unreadable { report.notes.append("lock: the clean-close record is damaged") }
        if tail.verdict == .unclean, report.ending != .created {
            report.ending = .unclean
            if tail.evidence.hasBytesBeyond {
                report.tornTail = (paths.relative(entry.path), tail.end.offset)
            }
        }
        return tail
    }

    private func resume(_ entry: CatalogEntry, _ tail: Tail) throws(LogError) -> ActiveSegment {
        let fileSystem = fileSystem
        let file = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readWrite)
        }
        var frames = FrameWriter(entry.header, level: options.compressionLevel)
        frames.resume(
            end: tail.end.offset, chain: tail.end.chain, lastSequence: tail.end.nextSequence - 1,
            recordedMicroseconds: tail.end.recordedMicroseconds ?? entry.header.createdMicroseconds,
            isShared: false)
        do {
            return try ActiveSegment(
                file: file, path: entry.path, frames: frames, allocatedEnd: try file.length(),
                firstReservationBytes: options.preallocationBytes)
        } catch {
            throw LogError(system: error)
        }
    }

    /// Encodes the frames from the last promise on for a new segment: same events, sequences and times.
    ///
    /// The page cache may show frames that the disk does not have (after a failed sync it keeps doing so), so they are
    /// made durable somewhere else before they are shown.
    private func rewrite(
        _ entry: CatalogEntry, _ tail: Tail, _ predecessor: SegmentHeader.Predecessor, id: UInt32,
        _ identity: JournalIdentity, _ report: inout OpeningReport
    ) throws(LogError) -> FrameWriter {
        let fileSystem = fileSystem
        let file = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        defer { file.close() }
        let header = SegmentFactory(options, paths).header(
            id: id, journal: identity.journal, firstSequence: tail.vouched.nextSequence,
            createdMicroseconds: tail.vouched.recordedMicroseconds ?? entry.header.createdMicroseconds,
            predecessor: predecessor)
        var writer = FrameWriter(header, level: options.compressionLevel)
        let cursor = FrameCursor(
            file, path: entry.path, header: entry.header, maximumRawBytes: identity.maximumFrameBytes)
        cursor.seek(to: tail.promise.restart)
        while cursor.offset < tail.end.offset {
            guard case .frame(let frame) = try cursor.next(.payload) else {
                throw LogError(
                    .damaged, "a frame that was valid a moment ago is not any more: the disk is failing",
                    path: entry.path, offset: cursor.offset)
            }
            guard frame.offset >= tail.vouched.offset else { continue }
            writer.appendAgain(
                cursor.payload, as: frame.header, time: frame.recordedMicroseconds,
                followsSync: frame.offset == tail.vouched.offset)
            report.reappendedEvents += UInt64(frame.header.eventCount)
        }
        return writer
    }
}
