import JournalFileSystem
import SystemPackage

/// Between processes, who holds the writer range of the lock file appends.
///
/// It first takes over what others wrote meanwhile: their segment, the end of it, the recorded time. What the events mean the
/// layer above reads for itself (`withTail`).
extension SegmentLog {
    /// Runs `body` while no other process appends, and with `writer` as the last one to do so left it.
    ///
    /// - Throws: `busy` when another process holds the range for longer than `LogOptions.lockTimeout`; what `check` throws.
    /// - Complexity: two calls to the system; after other processes wrote, a third; after one died, a read of the last segment.
    func inWriterRange<R>(
        _ writer: inout Writer, _ body: (inout Writer, CommitPage) throws(LogError) -> R
    ) throws(LogError) -> R {
        try check(&writer)
        guard let lockFile, let shared else { preconditionFailure("a log that is written has a lock file") }
        try reserveForStores()
        try take(lockFile, shared)
        let outcome: Result<R, LogError>
        do throws(LogError) {
            if isPageOverwritten(shared) { throw overwritten(&writer, paths.lock) }
            try adopt(&writer, shared)
            if endsEarly(writer) { throw overwritten(&writer, paths.log) }
            outcome = .success(try body(&writer, shared))
        } catch {
            outcome = .failure(error)
        }
        let failure = letGo(of: LockFile.writerRange)
        if !writer.isClosed { shared.wakeWriters() }
        if let failure {
            let error = poison(&writer, .outcomeUnknown, "Letting go of the log failed", failure)
            if case .success = outcome { throw error }
        }
        return try outcome.get()
    }

    /// Whether another process appends or syncs just now, or died or was stopped while it did. One that begins right after the answer
    /// is waited for all the same.
    ///
    /// - Complexity: some loads, and a call to the system.
    package var isHeldByOthers: Bool {
        guard let lockFile, let shared else { return false }
        if shared.writer != nil || shared.syncer != nil { return true }
        // What cannot be asked is told by the append.
        return (try? lockFile.isLockedByOther(LockFile.writerRange, .exclusive)) ?? false
    }

    /// Sees to it that the next stores to the page find their block, where nothing is written yet.
    func reserveForStores() throws(LogError) {
        do {
            try reservePage()
        } catch {
            throw notWritten(error)
        }
    }

    /// A store to the page found no block.
    var noBlock: FileSystemError {
        FileSystemError(operation: "store to the shared page", path: paths.lock, errno: .noSpace)
    }

    /// Unlocks a range. What fails twice would keep all others waiting: then the file is closed, and its locks are gone.
    func letGo(of range: Range<UInt64>) -> FileSystemError? {
        guard let lockFile else { return nil }
        for _ in 0..<2 {
            do throws(FileSystemError) {
                try lockFile.unlock(range)
                return nil
            } catch {
                continue
            }
        }
        lockFile.close()
        return FileSystemError(operation: "unlock", path: paths.lock, errno: .badFileDescriptor)
    }

    private func take(_ lockFile: any File, _ shared: CommitPage) throws(LogError) {
        var isWaiting = false
        defer { if isWaiting { shared.endWaiting() } }
        let isTaken: Bool
        do throws(FileSystemError) {
            if try takeSoon(lockFile, shared) {
                shared.setHolder(opener)
                return
            }
            isTaken = try SegmentLog.takeRange(
                LockFile.writerRange, of: lockFile, options,
                wait: {
                    if !isWaiting { shared.beginWaiting() }
                    isWaiting = true
                    let releases = shared.releases
                    return { shared.waitForRelease(from: releases, timeoutMilliseconds: $0) }
                })
        } catch {
            throw notWritten(error)
        }
        guard isTaken else {
            throw LogError(
                .busy,
                "Not written: \(SegmentLog.holder(shared.holder, lockFile, options)) has been appending for more than "
                    + "\(options.lockTimeout), and others wait for it. If it is stopped, continue or end it",
                path: paths.directory)
        }
        shared.setHolder(opener)
    }

    /// Tries for as long as an append takes: to be woken takes longer. Asked is the page, because each try at a lock keeps whoever
    /// holds it from letting go.
    private func takeSoon(_ lockFile: any File, _ shared: CommitPage) throws(FileSystemError) -> Bool {
        var releases = shared.releases
        if try lockFile.lock(LockFile.writerRange, .exclusive, wait: false) { return true }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < SegmentLog.spinning {
            let present = shared.releases
            guard present != releases else { continue }
            releases = present
            if try lockFile.lock(LockFile.writerRange, .exclusive, wait: false) { return true }
        }
        return false
    }

    private static let spinning = Duration.microseconds(15)

    /// Takes a range of the lock file, waiting for whoever holds it up to `LogOptions.lockTimeout`.
    ///
    /// - Parameter wait: Called before each try; what it returns sleeps until the range may be free.
    static func takeRange(
        _ range: Range<UInt64>, of lockFile: any File, _ options: LogOptions,
        wait: () -> (_ timeoutMilliseconds: Int) -> Void
    ) throws(FileSystemError) -> Bool {
        var start: ContinuousClock.Instant?
        while true {
            let sleep = wait()
            if try lockFile.lock(range, .exclusive, wait: false) { return true }
            let now = ContinuousClock.now
            if let start, now - start > options.lockTimeout { return false }
            start = start ?? now
            // Who dies while holding it wakes nobody.
            sleep(lockPollMilliseconds)
        }
    }

    /// So soon the death of who holds a range is noticed.
    static let lockPollMilliseconds = 10

    /// Names an opener, for a person.
    static func holder(_ opener: Int?, _ lockFile: any File, _ options: LogOptions) -> String {
        guard let opener, opener < LockFile.openerCount,
            let bytes = try? lockFile.read(LockFile.openerLength, at: LockFile.openerOffset(opener)),
            let found = bytes.withUnsafeBytes({ LockFile.decodeOpener($0, bootIdentity: 0) })
        else { return "another process" }
        return
            "process \(found.process.pid) on \(found.process.host) (\(found.process.command)), which opened the journal "
            + "\(options.formatTime(found.sinceMicroseconds)),"
    }

    /// Takes over what others wrote since this process held the range.
    private func adopt(_ writer: inout Writer, _ shared: CommitPage) throws(LogError) {
        if shared.writer != nil || shared.failures != shared.settledFailures {
            try recover(&writer, shared)
        }
        guard shared.generation != writer.generation else { return }
        guard let written = shared.written else { return try recover(&writer, shared) }
        try adopt(written, &writer)
        writer.failures = shared.settledFailures
    }

    private func adopt(_ written: CommitPage.Written, _ writer: inout Writer) throws(LogError) {
        if writer.active?.frames.header.id == written.segment {
            writer.active!.resume(written)
        } else {
            try refreshCatalog()
            guard let entry = entries.last(where: { $0.header.id == written.segment }) else {
                throw LogError(
                    .damaged, "Segment \(written.segment), which is being written, is missing",
                    path: paths.log)
            }
            let active = try asLogError { () throws(FileSystemError) in
                try ActiveSegment(entry, written, options)
            }
            writer.active?.file.close()
            writer.active = active
        }
        writer.predecessor = writer.active!.asPredecessor
        writer.lastSequence = written.lastSequence
        writer.recordedMicroseconds = written.recordedMicroseconds
        writer.generation = written.generation
        if written.allocatedEnd == 0 {
            writer.active?.file.close()
            writer.active = nil
        }
    }

    /// Tells the others what this process has written.
    func publishWritten(_ writer: inout Writer, _ shared: CommitPage) -> Bool {
        writer.generation &+= 1
        return shared.publish(
            CommitPage.Written(
                writer, segment: writer.active?.frames.header.id ?? writer.predecessor.originalID))
    }
}

/// For what changes names in the log's directory beside the appends.
extension SegmentLog {
    /// An id for a segment that is made aside.
    func newSegmentID() throws(LogError) -> UInt32 {
        try writer.withLock { (writer) throws(LogError) in
            try inWriterRange(&writer) { (_, shared) throws(LogError) in
                let id = shared.nextSegmentID
                guard shared.setNextSegmentID(id + 1) else { throw notWritten(noBlock) }
                return id
            }
        }
    }

    /// Tells the others to look at the directory again.
    func namesChanged() throws(LogError) {
        try writer.withLock { (writer) throws(LogError) in
            try inWriterRange(&writer) { (_, shared) throws(LogError) in shared.directoryChanged() }
        }
    }
}

extension CommitPage.Written {
    init(_ writer: SegmentLog.Writer, segment: UInt32) {
        let end = writer.active?.asPredecessor ?? writer.predecessor
        self.init(
            generation: writer.generation, lastSequence: writer.lastSequence,
            recordedMicroseconds: writer.recordedMicroseconds, segment: segment, chain: end.chain,
            end: end.end,
            allocatedEnd: writer.active?.allocatedEnd ?? 0)
    }
}

extension ActiveSegment {
    /// A segment that another process made, or wrote to.
    convenience init(
        _ entry: CatalogEntry, _ written: CommitPage.Written, _ options: LogOptions
    ) throws(FileSystemError) {
        let file = try options.fileSystem.openFile(entry.path, .readWrite)
        try self.init(
            file: file, path: entry.path,
            frames: FrameWriter(entry.header, level: options.compressionLevel),
            allocatedEnd: written.allocatedEnd, firstReservationBytes: options.preallocationBytes)
        resume(written)
    }

    /// Goes on behind what others wrote.
    func resume(_ written: CommitPage.Written) {
        frames.resume(
            end: written.end, chain: written.chain, lastSequence: written.lastSequence,
            recordedMicroseconds: written.recordedMicroseconds, isShared: true)
        allocatedEnd = written.allocatedEnd
    }
}
