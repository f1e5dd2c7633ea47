import JournalFileSystem
import SystemPackage

/// Where the journal ends, and whether the copy is its beginning.
extension Backup {
    /// Where what is visible ends in the last segment; every frame behind what the copy has already is checked.
    func findEnd(
        of entry: CatalogEntry, _ record: CleanCloseRecord?
    ) throws(LogError) -> (end: FrameCursor.Position, file: any File) {
        let fileSystem = fileSystem
        let file = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        let cursor = FrameCursor(
            file, path: entry.path, header: entry.header, maximumRawBytes: log.identity.maximumFrameBytes)
        let visible = log.visibleSequence
        if let record, record.segment == entry.header.id {
            while cursor.offset < record.end, case .frame = try cursor.next(.header) {}
            guard cursor.offset == record.end, cursor.chain == record.chain else { throw target.diverged }
            if let restart = cursor.restart { cursor.seek(to: restart) }
        }
        var isFresh = false
        while cursor.nextSequence <= visible {
            switch try cursor.next(.payload) {
            case .frame(let frame):
                isFresh = false
                try check(frame, cursor.payload, of: entry.path)
            case .invalid(let reason):
                // What was read ahead may be older than what is visible by now; or the log goes on in another segment.
                if isFresh {
                    guard try !hasSuccessor(entry) else { return (cursor.position, file) }
                    throw LogProblem(
                        file: log.paths.relative(entry.path), offset: cursor.offset, kind: .frame,
                        message: reason
                    ).error(in: log.paths)
                }
                isFresh = true
                cursor.refresh()
                if let restart = cursor.restart, restart.offset < cursor.offset {
                    let sequence = cursor.nextSequence
                    cursor.seek(to: restart)
                    while cursor.nextSequence < sequence, case .frame = try cursor.next(.payload) {}
                }
            case .unsupported(let what): throw Tail.unsupported(what, at: cursor.offset, entry, log.paths)
            }
        }
        return (cursor.position, file)
    }

    private func hasSuccessor(_ entry: CatalogEntry) throws(LogError) -> Bool {
        try log.refreshCatalog()
        return log.entries.last?.header.originalID != entry.header.originalID
    }

    /// What the last backup left must be the beginning of what there is now.
    func checkNotDiverged(
        _ record: CleanCloseRecord?, _ copies: [SegmentName], _ entries: [CatalogEntry],
        _ end: CleanCloseRecord
    ) throws(LogError) {
        guard let record else { return }
        guard record.lastSequence <= end.lastSequence,
            let name = copies.last(where: { $0.id == record.segment })
        else { throw target.diverged }
        let path = target.paths.segment(name)
        let header = try SegmentCatalog.readHeader(path, fileSystem: fileSystem).header
        guard let header else { throw target.diverged }
        if let entry = entries.first(where: { $0.header.originalID == header.originalID }) {
            guard let ending = entry.ending else { return }
            if ending.end > record.end || (ending.end == record.end && ending.chain == record.chain) {
                return
            }
            // After an unclean end the journal's last events were written again, into another segment.
            guard ending.end < record.end, try isTheSame(path, header, behind: ending, upTo: record) else {
                throw target.diverged
            }
        } else if let first = entries.first, header.firstSequence >= first.header.firstSequence {
            throw target.diverged
        }
    }

    /// Whether the copy's events behind the end that a segment has now are those of the journal.
    private func isTheSame(
        _ path: FilePath, _ header: SegmentHeader, behind ending: SegmentHeader.Predecessor,
        upTo record: CleanCloseRecord
    ) throws(LogError) -> Bool {
        let fileSystem = fileSystem
        let file = try asLogError { () throws(FileSystemError) in try fileSystem.openFile(path, .readOnly) }
        defer { file.close() }
        let cursor = FrameCursor(
            file, path: path, header: header, maximumRawBytes: log.identity.maximumFrameBytes)
        var (copied, present) = (EventDigest(), EventDigest())
        while cursor.offset < record.end {
            guard case .frame(let frame) = try cursor.next(.payload) else { return false }
            if frame.firstSequence > ending.lastSequence { copied.add(frame, cursor.payload) }
        }
        let reader = log.reader(after: ending.lastSequence)
        while let frame = try reader.next(), frame.firstSequence <= record.lastSequence {
            present.add(frame, reader.payload)
        }
        copied.finish()
        present.finish()
        return copied == present
    }
}
