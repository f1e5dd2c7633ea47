import JournalFileSystem
package import SystemPackage

extension SegmentLog {
    /// Opens the log in `directory`, making it first where that is asked for, and recovers.
    ///
    /// - Throws: `missing`, `notAJournal`, `busy` (naming who has it), `damaged`, `unsupported`, `untrustedVolume`,
    ///   `noSpace`, `system`. Nothing is changed by an opening that throws, but for a new journal that was begun.
    /// - Complexity: one read of each segment's header, and of the last segment.
    package static func open(_ directory: FilePath, _ options: LogOptions) throws(LogError) -> SegmentLog {
        try LogOpening(paths: JournalPaths(directory), options: options.confined(to: directory)).open()
    }
}

/// The steps of opening a log.
struct LogOpening {
    let paths: JournalPaths
    let options: LogOptions

    var fileSystem: any FileSystem { options.fileSystem }

    func open() throws(LogError) -> SegmentLog {
        switch options.access {
        case .readWrite: try openForWriting()
        case .readOnly: try openForReading()
        }
    }

    // MARK: Writing

    private func openForWriting() throws(LogError) -> SegmentLog {
        let creation = JournalCreation(paths: paths, options: options)
        let found = try creation.inspect()
        if found != .journal { try creation.makeDirectory(found) }
        try refuseUntrusted()
        let lockFile = try openLock()
        do {
            return try openLocked(lockFile, creation)
        } catch {
            lockFile.close()
            throw error
        }
    }

    private func openLocked(_ lockFile: any File, _ creation: JournalCreation) throws(LogError) -> SegmentLog
    {
        try takeWriterRange(lockFile)
        let openers = Openers(lockFile: lockFile)
        let isJoining = try openers.hasOthers()
        let log = isJoining ? try join(lockFile, openers) : try openFirst(lockFile, openers, creation)
        try asLogError { () throws(FileSystemError) in try lockFile.unlock(LockFile.writerRange) }
        log.shared?.wakeWriters()
        log.shared?.wakeWaiters()
        return log
    }

    /// Nobody else has it open: recovers, and makes the page anew.
    private func openFirst(
        _ lockFile: any File, _ openers: Openers, _ creation: JournalCreation
    ) throws(LogError) -> SegmentLog {
        var report = OpeningReport()
        // Under the lock: another process may have finished it meanwhile.
        if try creation.inspect() != .journal {
            try creation.finish(lockFile)
            report.ending = .created
        }
        let identity = try readIdentity()
        let pageBytes = try LogOpening.readPage(lockFile)
        let record = pageBytes.withUnsafeBytes { CleanCloseRecord.read($0) }
        var catalog = try loadCatalog(identity, &report)
        try removeUnfinished()
        try removeSuperseded(&catalog, &report)
        var writer = try recover(identity, record, lockFile, &catalog, &report)
        let page = try preparePage(lockFile, &writer, catalog)
        return try finish(lockFile, openers, page, identity, report, catalog, writer)
    }

    /// Others have it open: the page says where they are.
    private func join(_ lockFile: any File, _ openers: Openers) throws(LogError) -> SegmentLog {
        let identity = try readIdentity()
        let page = try asLogError { () throws(FileSystemError) in
            let page = try lockFile.mapSharedPage(length: LockFile.length, writable: true)
            try page.reserve(in: lockFile)
            return page
        }
        let shared = CommitPage(page, isCopiedOnWrite: false)
        guard shared.isOf(bootIdentity: fileSystem.process.bootIdentity) else {
            throw LogError(
                .busy,
                "Another process has the journal open and the file lock was not made on this boot of this machine: its locks "
                    + "do not reach as far as its memory. Open a journal on one machine only",
                path: paths.lock)
        }
        var report = OpeningReport()
        report.ending = .shared
        // Before the catalog: what is in it by then is read.
        let (visible, failures) = (shared.visible, shared.settledFailures)
        let catalog = try loadCatalog(identity, &report)
        // The first append takes over what is written.
        let writer = SegmentLog.Writer(
            lastSequence: visible, recordedMicroseconds: 0, active: nil,
            predecessor: .init(originalID: 0, chain: 0, lastSequence: 0, end: 0),
            generation: shared.generation &- 1, failures: failures)
        return try finish(lockFile, openers, page, identity, report, catalog, writer)
    }

    private func finish(
        _ lockFile: any File, _ openers: Openers, _ page: any SharedPage, _ identity: JournalIdentity,
        _ report: OpeningReport, _ catalog: SegmentCatalog, _ writer: SegmentLog.Writer
    ) throws(LogError) -> SegmentLog {
        let opener = try openers.enter(
            LockFile.Opener(process: fileSystem.process, sinceMicroseconds: options.now()))
        let lockIdentity = try asLogError { () throws(FileSystemError) in try lockFile.identity() }
        return SegmentLog(
            .init(
                paths: paths, options: options, identity: identity, report: report, lockFile: lockFile,
                lockIdentity: lockIdentity, page: page, opener: opener,
                isCopiedOnWrite: try volumeName() != "ext4", asksBeforeEachStore: try asksBeforeEachStore(),
                catalog: catalog, writer: writer, visible: writer.lastSequence))
    }

    private func volumeName() throws(LogError) -> String {
        try asLogError { () throws(FileSystemError) in try fileSystem.volume(holding: paths.lock).name }
    }

    /// Whether a page's block may go at any time, by what others write: a disk without room then has none for the next store.
    private func asksBeforeEachStore() throws(LogError) -> Bool {
        ["btrfs", "zfs"].contains(try volumeName())
    }

    private func openLock() throws(LogError) -> any File {
        do {
            let file = try fileSystem.openFile(paths.lock, .createIfMissing)
            if try file.length() == 0 { file.keepBlocksInPlace() }
            // Its blocks are reserved, so that a full disk cannot fault the mapped page.
            if try file.length() < UInt64(LockFile.length) { try file.allocate(0..<UInt64(LockFile.length)) }
            // Neither its contents nor its name need a sync here: a new one holds nothing yet. Where it was missing there is no
            // record of a clean close, so that a journal is made or recovered now, and both sync the directory.
            return file
        } catch {
            guard error.refusal == nil else { throw LogError(system: error) }
            switch error.errno {
            case .permissionDenied, .readOnlyFileSystem, .notPermitted:
                throw LogError(
                    .system,
                    "The journal's directory cannot be written (\(error.errno)). Make it writable for this user, or "
                        + "open the journal for reading only", path: paths.directory, cause: error)
            case .noSpace, .diskQuotaExceeded:
                throw LogError(
                    .noSpace,
                    "The disk is full: the journal cannot be opened for writing. Free some space, or open it for "
                        + "reading only", path: paths.directory, cause: error)
            default: throw LogError(system: error)
            }
        }
    }

    /// Waits for those who append, or open, or close.
    private func takeWriterRange(_ lockFile: any File) throws(LogError) {
        let nobody = Monitor(false)
        let isTaken = try asLogError { () throws(FileSystemError) in
            try SegmentLog.takeRange(
                LockFile.writerRange, of: lockFile, options,
                wait: {
                    // There is no page to wait on yet.
                    { milliseconds in
                        let time = Duration.milliseconds(min(milliseconds, 2))
                        _ = nobody.withLock(timeout: time, waitingUntil: { $0 }) { _ in () }
                    }
                })
        }
        guard !isTaken else { return }
        let others = try Openers(lockFile: lockFile).others(bootIdentity: fileSystem.process.bootIdentity)
        let who = others.map {
            "process \($0.process.pid) on \($0.process.host) (\($0.process.command)), since "
                + options.formatTime($0.sinceMicroseconds)
        }
        throw LogError(
            .busy,
            "Another process has held the journal for more than \(options.lockTimeout), and is stopped perhaps. "
                + (who.isEmpty
                    ? "It is just being opened there" : "It is open in " + who.joined(separator: "; "))
                + ". Continue or end it, or open the journal for reading only", path: paths.directory)
    }

    /// A fresh page that says what is written and visible.
    private func preparePage(
        _ lockFile: any File, _ writer: inout SegmentLog.Writer, _ catalog: SegmentCatalog
    ) throws(LogError) -> any SharedPage {
        let page = try asLogError { () throws(FileSystemError) in
            // What earlier openers left.
            if try lockFile.length() > UInt64(LockFile.length) {
                try lockFile.truncate(to: UInt64(LockFile.length))
            }
            let page = try lockFile.mapSharedPage(length: LockFile.length, writable: true)
            try page.reserve(in: lockFile)
            try SegmentLog.writeChecksum(0, lockFile)
            return page
        }
        writer.generation = 1
        let hasBegun = CommitPage(page, isCopiedOnWrite: try asksBeforeEachStore()).begin(
            CommitPage.Written(writer, segment: catalog.entries.last!.header.id),
            nextSegmentID: catalog.highestID + 1, bootIdentity: fileSystem.process.bootIdentity)
        guard hasBegun else {
            throw LogError(
                system: FileSystemError(
                    operation: "store to the shared page", path: paths.lock, errno: .noSpace))
        }
        return page
    }

    /// What a writer that died while making a segment or the identity left.
    func removeUnfinished() throws(LogError) {
        try asLogError { () throws(FileSystemError) in
            for name in try fileSystem.names(inDirectory: paths.log)
            where name.hasSuffix(SegmentName.unfinishedSuffix) {
                try fileSystem.removeFile(paths.log.appending(name))
            }
            if try fileSystem.status(of: paths.unfinishedIdentity) != nil {
                try fileSystem.removeFile(paths.unfinishedIdentity)
            }
        }
    }

    /// Finishes the removal of what was packed, where whoever packed it died before.
    private func removeSuperseded(
        _ catalog: inout SegmentCatalog, _ report: inout OpeningReport
    ) throws(LogError) {
        guard !catalog.superseded.isEmpty else { return }
        let superseded = catalog.superseded
        try asLogError { () throws(FileSystemError) in
            // The replacements are there; that they stay so was perhaps never made sure.
            try fileSystem.syncDirectory(paths.log)
            for entry in superseded { try fileSystem.removeFile(entry.path) }
            try fileSystem.syncDirectory(paths.log)
        }
        for entry in superseded {
            report.notes.append("\(paths.relative(entry.path)): it was packed, and is removed now")
        }
        catalog.forgetSuperseded()
    }

    // MARK: Reading

    private func openForReading() throws(LogError) -> SegmentLog {
        guard try JournalCreation(paths: paths, options: options).inspect() == .journal else {
            throw LogError(
                .missing, "There is no journal in \(paths.directory) (is the right volume mounted?)",
                path: paths.directory)
        }
        let identity = try readIdentity()
        let lockFile = try openLockForReading()
        var report = OpeningReport()
        let pageBytes = try lockFile.map { (file) throws(LogError) in try LogOpening.readPage(file) } ?? []
        let bootIdentity = fileSystem.process.bootIdentity
        let page = lockFile.flatMap { try? $0.mapSharedPage(length: LockFile.length, writable: false) }
        let counter = page?.load32(at: LockFile.counterOffset)
        let isShared = try asLogError { () throws(FileSystemError) in
            try lockFile?.isLockedByOther(LockFile.openersRange, .exclusive) ?? false
        }
        let catalog = try loadCatalog(identity, &report)
        var last: UInt64
        var time: Int64 = 0
        if isShared, let page, page.load64(at: LockFile.bootOffset) == bootIdentity {
            // What a writer shows is durable; the tail behind it is the writer's business.
            report.ending = .shared
            last = page.load64(at: LockFile.visibleOffset)
        } else {
            let record = pageBytes.withUnsafeBytes { CleanCloseRecord.read($0) }
            let tail = try findTail(catalog.entries.last!, identity, record, &report)
            last = tail.end.nextSequence - 1
            time = tail.end.recordedMicroseconds ?? 0
        }
        let writer = SegmentLog.Writer(
            lastSequence: last, recordedMicroseconds: time, active: nil,
            predecessor: .init(originalID: 0, chain: 0, lastSequence: 0, end: 0))
        let lockIdentity = try asLogError { () throws(FileSystemError) in try lockFile?.identity() }
        return SegmentLog(
            .init(
                paths: paths, options: options, identity: identity, report: report, lockFile: lockFile,
                lockIdentity: lockIdentity, page: page,
                staleCounter: report.ending == .shared ? nil : counter, catalog: catalog, writer: writer,
                visible: last))
    }

    private func openLockForReading() throws(LogError) -> (any File)? {
        do {
            return try fileSystem.openFile(paths.lock, .readOnly)
        } catch {
            // Without it there is no writer; it holds nothing that the log does not.
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw LogError(system: error)
        }
    }

    // MARK: Both

    func readIdentity() throws(LogError) -> JournalIdentity {
        let bytes = try asLogError { () throws(FileSystemError) in
            try fileSystem.contents(of: paths.identity, atMost: 64 << 10)
        }
        do {
            return try JournalIdentity(decoding: bytes)
        } catch {
            switch error {
            case .damaged:
                throw LogProblem(
                    file: JournalIdentity.fileName, offset: 0, kind: .identity,
                    message: "it is not what was written when the journal was made"
                ).error(in: paths)
            case .newer(let version):
                throw LogError(
                    .unsupported,
                    "The journal was written by a newer version: it needs a reader of format \(version), this one knows "
                        + "\(JournalIdentity.format). Use a newer agent-journal", path: paths.identity)
            }
        }
    }

    private func loadCatalog(
        _ identity: JournalIdentity, _ report: inout OpeningReport
    ) throws(LogError) -> SegmentCatalog {
        let catalog = try SegmentCatalog.load(paths, journal: identity.journal, fileSystem: fileSystem)
        if let problem = catalog.problems.first { throw problem.error(in: paths) }
        if let problem = catalog.missingBeginning(floor: options.floor, paths) {
            throw options.unknownFloor ?? problem.error(in: paths)
        }
        for problem in catalog.replacementProblems {
            report.notes.append("\(problem.file): \(problem.message)")
        }
        for entry in catalog.entries {
            for offset in entry.badHeaderCopies {
                report.notes.append(
                    "\(paths.relative(entry.path)): the copy of the header at offset \(offset) is damaged; the other serves"
                )
            }
        }
        return catalog
    }

    private func refuseUntrusted() throws(LogError) {
        let directory = paths.directory
        let volume = try asLogError { () throws(FileSystemError) in try fileSystem.volume(holding: directory)
        }
        guard volume.kind == .untrusted else { return }
        throw LogError(
            .untrustedVolume,
            "\(directory) is on \(volume.name): its locks and shared mappings cannot be trusted between hosts. Put the "
                + "journal on a local disk (ext4, XFS, btrfs) or a block volume attached to this host",
            path: directory)
    }

    static func readPage(_ lockFile: any File) throws(LogError) -> [UInt8] {
        try asLogError { () throws(FileSystemError) in try lockFile.read(LockFile.length, at: 0) }
    }
}
