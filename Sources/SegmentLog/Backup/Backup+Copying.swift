import JournalFileSystem
import SystemPackage

/// Copying files, each under another name until all are there.
extension Backup {
    private static let pieceBytes = 1 << 20

    /// - Parameter isTrusted: whether a file of its name in the copy is whole: it was given its name when it was durable.
    func prepareSealed(
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
        do throws(LogError) {
            let walk = try SealedSegmentWalk(
                written, target.paths, fileSystem: fileSystem,
                maximumRawBytes: log.identity.maximumFrameBytes)
            defer { walk.file.close() }
            try check(walk)
        } catch {
            throw named(error, entry.path)
        }
        note(unfinished, path, length, &prepared)
    }

    /// Reads a copy from its first frame to its end, and each event in it.
    private func check(_ walk: SealedSegmentWalk) throws(LogError) {
        while let frame = try walk.next() { try check(frame, walk.cursor.payload, of: walk.cursor.path) }
    }

    /// What would not be understood again is not copied over what is.
    func check(
        _ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer, of path: FilePath
    ) throws(LogError) {
        guard !frame.header.isSkippable, let wrong = problem(frame, payload) else { return }
        throw LogError(
            .damaged,
            "No backup is made of \(path): it is damaged at offset \(frame.offset): \(wrong). The copy is left as it was. Run "
                + "`agent-journal verify` and `agent-journal repair`", path: path, offset: frame.offset,
            sequences: frame.firstSequence...frame.lastSequence)
    }

    func prepareLast(
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
        try compare(source, 0..<end, with: unfinished)
        note(unfinished, path, end, &prepared)
    }

    func prepare(snapshot name: SnapshotFiles.Name, _ prepared: inout Prepared) throws(LogError) {
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
            throw named(error, name.path)
        }
        note(unfinished, path, length, &prepared)
    }

    /// What is wrong with what was copied is wrong with what it was copied from.
    private func named(_ error: LogError, _ path: FilePath) -> LogError {
        guard error.kind == .damaged else { return error }
        return LogError(
            .damaged,
            "\(log.paths.relative(path)) is damaged\(error.offset.map { " at offset \($0)" } ?? ""), so no backup is made of it, and "
                + "the copy is left as it was. Run `agent-journal verify` and `agent-journal repair`",
            path: path,
            offset: error.offset, sequences: error.sequences)
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

    /// Reads back what was copied: the source's frames were checked, and the copy must be them.
    func compare(
        _ source: any File, _ range: Range<UInt64>, with path: FilePath
    ) throws(LogError) {
        let fileSystem = fileSystem
        let isSame = try asLogError { () throws(FileSystemError) in
            let copy = try fileSystem.openFile(path, .readOnly)
            defer { copy.close() }
            for start in stride(from: range.lowerBound, to: range.upperBound, by: Backup.pieceBytes) {
                let wanted = Int(min(UInt64(Backup.pieceBytes), range.upperBound - start))
                let (ours, theirs) = (try source.read(wanted, at: start), try copy.read(wanted, at: start))
                guard ours.count == wanted, theirs == ours else { return false }
            }
            return true
        }
        guard isSame else {
            throw LogError(
                .damaged,
                "\(path) is not what was copied to it; the disk or the memory of this machine is failing",
                path: path)
        }
    }

    /// - Parameter mayStop: Whether it gives up when it should not continue.
    func write(
        _ source: any File, _ range: Range<UInt64>, to copy: any File, mayStop: Bool = true
    ) throws(LogError) {
        var at = range.lowerBound
        while at < range.upperBound {
            guard !mayStop || shouldContinue() else {
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
}
