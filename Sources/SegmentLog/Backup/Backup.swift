import JournalFileSystem
import SystemPackage

/// Copies a journal while it is written, and brings such a copy up to date.
///
/// Sealed segments and snapshots never change under their names, so each is copied once; the last segment is copied up to what is
/// visible, and grows with the next backup. What is copied is read back, inflated and compared with its checksums. The copy is a
/// journal that was closed cleanly.
struct Backup {
    let log: SegmentLog
    let target: BackupTarget
    let shouldContinue: () -> Bool
    /// What is wrong with a frame's events.
    let problem: LogSurvey.Visit

    var fileSystem: any FileSystem { target.fileSystem }

    /// So often the journal's files may change their names under the hands of a backup.
    private static let mostAttempts = 20

    /// Files to be given their names when all is copied.
    struct Prepared {
        var result = BackupResult()
        var renames: [(from: FilePath, to: FilePath)] = []
        /// The file that grows: from which offset on, and what it grows by.
        var growth: (path: FilePath, from: UInt64, source: any File)?
        /// What the copy has besides.
        var removals: [FilePath] = []
        var record: CleanCloseRecord
    }

    func run() throws(LogError) -> BackupResult {
        if try target.inspect() == .nothing { try target.begin(log.identity, log.options) }
        let lockFile = try target.lock()
        defer { lockFile.close() }
        // Once more: another backup may have been at work.
        let found = try target.inspect()
        if found == .incomplete { try target.begin(log.identity, log.options) }
        let page = try LogOpening.readPage(lockFile)
        var record: CleanCloseRecord?
        if case .record(let left) = page.withUnsafeBytes({ CleanCloseRecord.read($0) }) { record = left }
        // Whoever opens it for writing takes the record back.
        if found == .complete, record == nil { throw target.diverged }
        if found != .complete { record = nil }
        for attempt in 1... {
            let prepared: Prepared
            do {
                prepared = try prepare(record)
            } catch {
                // It was packed or dropped meanwhile.
                guard error.cause?.errno == .noSuchFileOrDirectory, attempt < Backup.mostAttempts else {
                    throw error
                }
                continue
            }
            try install(prepared, lockFile)
            return prepared.result
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
        let (tail, file) = try findEnd(of: last, record)
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

    /// While the files do not belong together the copy is no journal. So what a full disk may refuse is reserved before, and a
    /// call that fails meanwhile is made once more: each step may be done again.
    private func install(_ prepared: Prepared, _ lockFile: any File) throws(LogError) {
        defer { prepared.growth?.source.close() }
        if let growth = prepared.growth { try reserve(growth.from..<prepared.record.end, of: growth.path) }
        do {
            try putInPlace(prepared, lockFile)
        } catch {
            try putInPlace(prepared, lockFile)
        }
    }

    /// What lies behind the end that the copy's record names does not count.
    private func reserve(_ range: Range<UInt64>, of path: FilePath) throws(LogError) {
        let fileSystem = fileSystem
        try asLogError { () throws(FileSystemError) in
            let copy = try fileSystem.openFile(path, .readWrite)
            defer { copy.close() }
            do throws(FileSystemError) {
                try copy.allocate(range)
            } catch {
                // The next backup writes there anew; the first error says more.
                try? copy.truncate(to: range.lowerBound)
                throw error
            }
        }
    }

    private func putInPlace(_ prepared: Prepared, _ lockFile: any File) throws(LogError) {
        let (fileSystem, paths) = (fileSystem, target.paths)
        try asLogError { () throws(FileSystemError) in
            try target.markIncomplete()
            try SegmentLog.writeMark(0, lockFile)
            try lockFile.syncData()
        }
        if let growth = prepared.growth {
            let range = growth.from..<prepared.record.end
            let copy = try asLogError { () throws(FileSystemError) in
                try fileSystem.openFile(growth.path, .readWrite)
            }
            defer { copy.close() }
            try write(growth.source, range, to: copy, mayStop: false)
            try asLogError { () throws(FileSystemError) in
                try copy.truncate(to: prepared.record.end)
                try copy.sync()
            }
            try compare(growth.source, range, with: growth.path)
        }
        try asLogError { () throws(FileSystemError) in
            for (from, to) in prepared.renames where try fileSystem.status(of: from) != nil {
                try fileSystem.rename(from, to: to)
            }
            for path in prepared.removals where try fileSystem.status(of: path) != nil {
                try fileSystem.removeFile(path)
            }
            for directory in [paths.log, paths.snapshots] { try fileSystem.syncDirectory(directory) }
            try lockFile.truncate(to: UInt64(LockFile.length))
            try SegmentLog.leaveMark(prepared.record, lockFile)
            try target.markComplete()
        }
    }
}
