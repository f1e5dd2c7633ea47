import JournalFileSystem
package import SystemPackage

/// Copies a journal while it is written, and brings such a copy up to date.
///
/// Sealed segments and snapshots never change under their names, so each is copied once; the last segment is copied up to what is
/// visible, and grows with the next backup. What is copied is read back, inflated and compared with its checksums. The copy is a
/// journal that was closed cleanly.
struct Backup {
    let log: SegmentLog
    let target: BackupTarget
    let shouldContinue: () -> Bool

    private var fileSystem: any FileSystem { log.options.fileSystem }

    private static let pieceBytes = 1 << 20
    /// So often the journal's files may change their names under the hands of a backup.
    private static let mostAttempts = 20

    /// Files to be given their names when all is copied.
    private struct Prepared {
        var result = BackupResult()
        var renames: [(from: FilePath, to: FilePath)] = []
        /// The file that grows: from which offset on, and what it grows by.
        var growth: (path: FilePath, from: UInt64, source: any File)?
        /// What the copy has besides.
        var removals: [FilePath] = []
        var record: CleanCloseRecord
    }

    func run() throws(LogError) -> BackupResult {
        let found = try target.inspect()
        if found == .nothing { try target.begin(log.identity, log.options) }
        let lockFile = try target.lock()
        defer { lockFile.close() }
        let page = try LogOpening.readPage(lockFile)
        var record: CleanCloseRecord?
        if case .record(let left) = page.withUnsafeBytes({ CleanCloseRecord.read($0) }) { record = left }
        // Whoever opens it for writing takes the record back.
        if found == .complete, record == nil { throw target.diverged }
        if found != .complete { record = nil }
        for attempt in 1... {
            do {
                let prepared = try prepare(record)
                try install(prepared, lockFile)
                return prepared.result
            } catch {
                // It was packed or dropped meanwhile.
                guard error.cause?.errno == .noSuchFileOrDirectory, attempt < Backup.mostAttempts else {
                    throw error
                }
            }
        }
        preconditionFailure("the last attempt returns or throws")
    }

    // MARK: Copying

    private func prepare(_ record: CleanCloseRecord?) throws(LogError) -> Prepared {
        try removeUnfinished()
        // Before the segments, so that what they lead on from is there.
        let snapshots = try snapshots().names()
        try log.refreshCatalog()
        let entries = log.entries
        guard let last = entries.last else {
            throw LogError(.damaged, "The journal has no segment", path: log.paths.log)
        }
        let copies = try targetSegments()
        let (tail, file) = try findEnd(of: last, record, copies)
        var prepared = Prepared(
            record: CleanCloseRecord(
                segment: last.header.id, chain: tail.chain, end: tail.offset,
                lastSequence: tail.nextSequence - 1, closedMicroseconds: log.options.now()))
        prepared.result.sequence = tail.nextSequence - 1
        try checkNotDiverged(record, copies, entries, prepared.record)
        for entry in entries.dropLast() {
            try prepareSealed(
                entry, isTrusted: record.map { $0.segment != entry.header.id } ?? false, &prepared)
        }
        try prepareLast(last, file, tail.offset, record, &prepared)
        for name in snapshots { try prepare(snapshot: name, &prepared) }
        try findRemovals(entries, snapshots, &prepared)
        return prepared
    }

    private func snapshots() -> SnapshotFiles {
        SnapshotFiles(
            log.paths, fileSystem, journal: log.identity.journal, cache: BlockCache(limit: 0),
            random: log.options.random)
    }

    private func targetSegments() throws(LogError) -> [SegmentName] {
        let (fileSystem, path) = (fileSystem, target.paths.log)
        return try asLogError { () throws(FileSystemError) in
            try fileSystem.names(inDirectory: path).compactMap { SegmentName($0) }
        }
    }

    /// Where what is visible ends in the last segment; every frame behind what the copy has already is checked.
    private func findEnd(
        of entry: CatalogEntry, _ record: CleanCloseRecord?, _ copies: [SegmentName]
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
            case .frame: isFresh = false
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
    private func checkNotDiverged(
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

    /// - Parameter isTrusted: whether a file of its name in the copy is whole: it was given its name when it was durable.
    private func prepareSealed(
        _ entry: CatalogEntry, isTrusted: Bool, _ prepared: inout Prepared
    ) throws(LogError) {
        let (fileSystem, path) = (fileSystem, target.paths.segment(entry.header.name))
        let source = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        defer { source.close() }
        let (length, copied) = try asLogError { () throws(FileSystemError) in
            (
                entry.header.isPacked ? try source.length() : entry.ending!.end,
                try fileSystem.status(of: path)?.length
            )
        }
        if isTrusted, copied == length {
            prepared.result.keptCount += 1
            return
        }
        let unfinished = FilePath(path.string + SegmentName.unfinishedSuffix)
        try copy(source, length, to: unfinished)
        var written = entry
        written.path = unfinished
        let walk = try SealedSegmentWalk(
            written, target.paths, fileSystem: fileSystem, maximumRawBytes: log.identity.maximumFrameBytes)
        defer { walk.file.close() }
        _ = try walk.digest()
        note(unfinished, path, length, &prepared)
    }

    private func prepareLast(
        _ entry: CatalogEntry, _ source: any File, _ end: UInt64, _ record: CleanCloseRecord?,
        _ prepared: inout Prepared
    ) throws(LogError) {
        let path = target.paths.segment(entry.header.name)
        if let record, record.segment == entry.header.id {
            if record.end == end {
                prepared.result.keptCount += 1
                source.close()
            } else {
                prepared.growth = (path, record.end, source)
                prepared.result.written.append(
                    .init(file: target.paths.relative(path), bytes: end - record.end))
            }
            return
        }
        defer { source.close() }
        let unfinished = FilePath(path.string + SegmentName.unfinishedSuffix)
        try copy(source, end, to: unfinished)
        note(unfinished, path, end, &prepared)
    }

    private func prepare(snapshot name: SnapshotFiles.Name, _ prepared: inout Prepared) throws(LogError) {
        // What came behind the end is for the next backup.
        guard name.sequence <= prepared.record.lastSequence else { return }
        let fileSystem = fileSystem
        let path = target.paths.snapshots.appending(name.path.lastComponent!.string)
        let source = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(name.path, .readOnly)
        }
        defer { source.close() }
        let length = try asLogError { () throws(FileSystemError) in try source.length() }
        if try isSame(source, length, path) {
            prepared.result.keptCount += 1
            return
        }
        let unfinished = FilePath(path.string + SnapshotFiles.unfinishedSuffix)
        try copy(source, length, to: unfinished)
        let written = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(unfinished, .readOnly)
        }
        do throws(LogError) {
            try TableReader(
                written, path: unfinished, journal: log.identity.journal, cache: BlockCache(limit: 0)
            ).verify()
        } catch {
            guard error.kind == .damaged else { throw error }
            throw LogError(
                .damaged,
                "\(name.path) is damaged, so no backup is made of it: \(error.message). Run `agent-journal repair`",
                path: name.path, offset: error.offset)
        }
        note(unfinished, path, length, &prepared)
    }

    /// A snapshot has its name again when something was erased from it: then it has another salt.
    private func isSame(_ source: any File, _ length: UInt64, _ path: FilePath) throws(LogError) -> Bool {
        let fileSystem = fileSystem
        return try asLogError { () throws(FileSystemError) in
            guard try fileSystem.status(of: path)?.length == length else { return false }
            let copy = try fileSystem.openFile(path, .readOnly)
            defer { copy.close() }
            let ends = [0, length - min(length, UInt64(TableFormat.footerLength))]
            for offset in ends {
                let ours = try source.read(TableFormat.footerLength, at: offset)
                if try copy.read(TableFormat.footerLength, at: offset) != ours { return false }
            }
            return true
        }
    }

    private func note(_ from: FilePath, _ to: FilePath, _ length: UInt64, _ prepared: inout Prepared) {
        prepared.renames.append((from, to))
        prepared.result.written.append(.init(file: target.paths.relative(to), bytes: length))
    }

    /// Copies the beginning of a file, durably.
    private func copy(_ source: any File, _ length: UInt64, to path: FilePath) throws(LogError) {
        let fileSystem = fileSystem
        let copy = try asLogError { () throws(FileSystemError) in
            let copy = try fileSystem.openFile(path, .createNew)
            try copy.allocate(0..<length)
            return copy
        }
        defer { copy.close() }
        try write(source, 0..<length, to: copy)
        try asLogError { () throws(FileSystemError) in try copy.sync() }
    }

    private func write(_ source: any File, _ range: Range<UInt64>, to copy: any File) throws(LogError) {
        var at = range.lowerBound
        while at < range.upperBound {
            guard shouldContinue() else {
                throw LogError(
                    .closed, "The backup was interrupted; run it again", path: target.paths.directory)
            }
            let offset = at
            let wanted = Int(min(UInt64(Backup.pieceBytes), range.upperBound - at))
            let count = try asLogError { () throws(FileSystemError) in
                let bytes = try source.read(wanted, at: offset)
                try copy.write(bytes, at: offset)
                return bytes.count
            }
            guard count == wanted else {
                throw LogError(.damaged, "A file of the journal ends before its end", path: log.paths.log)
            }
            at += UInt64(count)
        }
    }

    private func removeUnfinished() throws(LogError) {
        let (fileSystem, paths) = (fileSystem, target.paths)
        try asLogError { () throws(FileSystemError) in
            for directory in [paths.log, paths.snapshots] {
                for name in try fileSystem.names(inDirectory: directory) {
                    guard name.hasSuffix(SegmentName.unfinishedSuffix) else { continue }
                    let whole = String(name.dropLast(SegmentName.unfinishedSuffix.utf8.count))
                    guard SegmentName(whole) != nil || SnapshotFiles.sequence(named: whole) != nil else {
                        continue
                    }
                    try fileSystem.removeFile(directory.appending(name))
                }
            }
        }
    }

    private func findRemovals(
        _ entries: [CatalogEntry], _ snapshots: [SnapshotFiles.Name], _ prepared: inout Prepared
    ) throws(LogError) {
        let (fileSystem, paths) = (fileSystem, target.paths)
        let kept = Set(
            entries.map { $0.header.name.description }
                + snapshots.compactMap { $0.path.lastComponent?.string })
        let removals = try asLogError { () throws(FileSystemError) in
            var removals: [FilePath] = []
            for directory in [paths.log, paths.snapshots] {
                for name in try fileSystem.names(inDirectory: directory).sorted() where !kept.contains(name) {
                    // What is not of a journal is somebody else's.
                    let isOurs = SegmentName(name) != nil || SnapshotFiles.sequence(named: name) != nil
                    let path = directory.appending(name)
                    guard isOurs, try fileSystem.status(of: path)?.kind == .file else { continue }
                    removals.append(path)
                }
            }
            return removals
        }
        prepared.removals = removals
        prepared.result.removed = removals.map { paths.relative($0) }
    }

    // MARK: Putting in place

    private func install(_ prepared: Prepared, _ lockFile: any File) throws(LogError) {
        let (fileSystem, paths) = (fileSystem, target.paths)
        try asLogError { () throws(FileSystemError) in
            try target.markIncomplete()
            try SegmentLog.writeMark(0, lockFile)
            try lockFile.syncData()
        }
        if let growth = prepared.growth {
            defer { growth.source.close() }
            let copy = try asLogError { () throws(FileSystemError) in
                try fileSystem.openFile(growth.path, .readWrite)
            }
            defer { copy.close() }
            try write(growth.source, growth.from..<prepared.record.end, to: copy)
            try asLogError { () throws(FileSystemError) in
                try copy.truncate(to: prepared.record.end)
                try copy.sync()
            }
        }
        try asLogError { () throws(FileSystemError) in
            for (from, to) in prepared.renames { try fileSystem.rename(from, to: to) }
            for path in prepared.removals { try fileSystem.removeFile(path) }
            for directory in [paths.log, paths.snapshots] { try fileSystem.syncDirectory(directory) }
            try lockFile.truncate(to: UInt64(LockFile.length))
            try SegmentLog.leaveMark(prepared.record, lockFile)
            try target.markComplete()
        }
    }
}

extension SegmentLog {
    /// Copies what is visible into another directory, or brings such a copy up to date. The journal may be written meanwhile.
    ///
    /// - Throws: `notAJournal` when something else is in the directory, or the copy was written to; `busy` when the copy is open;
    ///   `damaged`, naming what cannot be copied; `noSpace`; `system`. An interrupted one is finished by the next.
    /// - Complexity: reads and writes what is new, and reads the headers of the last segment's frames.
    package func backUp(
        to directory: FilePath, shouldContinue: @escaping () -> Bool = { true }
    ) throws(LogError) -> BackupResult {
        let target = JournalPaths(directory)
        guard try !isWithin(target.directory, paths.directory),
            try !isWithin(paths.directory, target.directory)
        else {
            throw LogError(
                .notAJournal, "A backup is not made in the journal's own directory, nor around it",
                path: directory)
        }
        return try Backup(
            log: self,
            target: BackupTarget(
                paths: target, fileSystem: options.fileSystem, journal: identity.journal),
            shouldContinue: shouldContinue
        ).run()
    }

    /// Whether a path leads to a directory, or into it, whatever names lead there.
    private func isWithin(_ path: FilePath, _ directory: FilePath) throws(LogError) -> Bool {
        let fileSystem = options.fileSystem
        return try asLogError { () throws(FileSystemError) in
            guard let wanted = try fileSystem.status(of: directory)?.identity else { return false }
            var path = path
            while true {
                if try fileSystem.status(of: path)?.identity == wanted { return true }
                let parent = path.parentOrCurrent
                if parent == path { return false }
                path = parent
            }
        }
    }
}
