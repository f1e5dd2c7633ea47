import JournalFileSystem
import Synchronization
import SystemPackage

extension SegmentLog {
    /// Appends events, under the log's exclusion, in this process and between processes.
    ///
    /// Space is reserved first; only then `decide` is called, with the log's end, and says what to append. What
    /// it returns is written before this returns, and is durable and visible after `sync`.
    /// - Parameters:
    ///   - rawBytes: at least as many bytes of payload as `decide` will return.
    ///   - pieces: at least as many pieces.
    /// - Returns: the log's end with the new events, and what `sync` takes.
    /// - Throws: `noSpace`, `busy` and `notWritten` when `decide` was not called, and the log goes on; `poisoned`;
    ///   `outcomeUnknown` when writing failed, which poisons the log; `closed`, `readOnly`; what recovery throws when another
    ///   process died while it appended.
    /// - Complexity: one write; no sync, except when a segment begins.
    package func append(
        rawBytes: Int, pieces: Int, _ decide: (LogHead) -> [EncodedEvents]
    ) throws(LogError) -> LogHead {
        try writer.withLock { (writer) throws(LogError) in
            try inWriterRange(&writer) { (writer, shared) throws(LogError) in
                let now = options.now()
                try prepare(&writer, shared, for: FrameWriter.bound(rawBytes: rawBytes, pieces: pieces), now)
                let last = writer.recordedMicroseconds
                var head = LogHead(
                    lastSequence: writer.lastSequence,
                    recordedMicroseconds: RecordedClock.time(now, after: last),
                    rewind: rewind)
                if RecordedClock.isDoubted(now, after: last) { head.doubtedMicroseconds = now }
                let events = decide(head)
                head.written = syncTarget(writer)
                guard !events.isEmpty else { return head }
                // The caller checks this before; here it would be acknowledged and never be read again.
                guard events.allSatisfy({ fitsFrame($0) }) else {
                    let cause = FileSystemError(operation: "append", path: paths.log, errno: .fileTooLarge)
                    throw poison(&writer, .notWritten, "A batch is larger than a frame may be", cause)
                }
                try write(events, head, &writer, shared)
                head.lastSequence = writer.lastSequence
                head.written = syncTarget(writer)
                return head
            }
        }
    }

    /// Writes frames, and tells the other processes.
    private func write(
        _ events: [EncodedEvents], _ head: LogHead, _ writer: inout Writer, _ shared: CommitPage
    ) throws(LogError) {
        // Some time has gone by since the last look.
        do {
            try reservePage()
        } catch {
            throw poison(&writer, .notWritten, "Telling other processes what is written failed", error)
        }
        writer.active!.frames.append(
            events, recordedMicroseconds: head.recordedMicroseconds,
            followsSync: shared.visible == writer.lastSequence, isDiskQuick: pace.isQuick)
        guard shared.setWriter(opener) else {
            throw poison(&writer, .notWritten, "Telling other processes what is written failed", noBlock)
        }
        do throws(FileSystemError) {
            try writer.active!.writePending()
        } catch {
            throw poison(&writer, .outcomeUnknown, "Writing to the log failed", error)
        }
        do {
            try reservePage()
        } catch {
            throw poison(&writer, .outcomeUnknown, "Telling other processes what is written failed", error)
        }
        writer.lastSequence = writer.active!.frames.lastSequence
        writer.recordedMicroseconds = head.recordedMicroseconds
        wroteUpTo(writer.active!)
        guard publishWritten(&writer, shared) else {
            throw poison(&writer, .outcomeUnknown, "Telling other processes what is written failed", noBlock)
        }
        shared.setWriter(nil)
    }

    /// Ends the present segment, when it is longer than `bytes`: what comes next goes into a new one.
    ///
    /// - Throws: as `append`; then the segment goes on, or the log is poisoned.
    /// - Complexity: some syncs, which appends wait for.
    package func seal(longerThan bytes: UInt64) throws(LogError) {
        try writer.withLock { (writer) throws(LogError) in
            try inWriterRange(&writer) { (writer, shared) throws(LogError) in
                guard let last = entries.last, writer.lastSequence >= last.header.firstSequence else {
                    return
                }
                // After an unclean end there is no present segment before the next append: then it is the last one.
                let end = writer.active?.frames.end ?? writer.predecessor.end
                guard end > max(bytes, SegmentHeader.framesOffset) else { return }
                try makeReady(&writer, shared, options.now())
                try beginSegment(&writer, shared)
            }
        }
    }

    /// Takes the clock for right, also where recorded times go back by that, or far ahead: the next event has its time.
    ///
    /// Within a segment times do not go back, so that another one begins. Only what is appended next makes it durable.
    package func acceptClock() throws(LogError) {
        try writer.withLock { (writer) throws(LogError) in
            try inWriterRange(&writer) { (writer, shared) throws(LogError) in
                let now = options.now()
                try makeReady(&writer, shared, now)
                let isBefore = now < writer.recordedMicroseconds
                writer.recordedMicroseconds = now
                if isBefore { return try beginSegment(&writer, shared) }
                // So that another process that appends first goes on from it.
                guard publishWritten(&writer, shared) else { throw notWritten(noBlock) }
            }
        }
    }

    /// Ends cleanly: trims the segment and leaves the record that vouches for its end. Later calls throw `closed`.
    ///
    /// While other processes have the journal open this one only lets go; a poisoned log is closed without the record, too.
    /// - Throws: the error that kept the record from being written; the files are closed all the same.
    package func close() throws(LogError) {
        closeTail()
        try writer.withLock { (writer) throws(LogError) in
            guard !writer.isClosed else { return }
            defer {
                writer.isClosed = true
                writer.active?.file.close()
                lockFile?.close()
            }
            guard options.access == .readWrite, writer.poison == nil, let lockFile else { return }
            do throws(LogError) {
                try inWriterRange(&writer) { (writer, shared) throws(LogError) in
                    guard try !Openers(lockFile: lockFile).hasOthers() else { return }
                    try asLogError { () throws(FileSystemError) in
                        if !shared.isMarkedClean, shared.visible == writer.lastSequence {
                            try writer.active?.trim()
                            try leaveMark(writer)
                        }
                        try clearShared()
                        // Nothing of the page is changed any more: nobody is there to be told.
                        writer.isClosed = true
                    }
                }
            } catch {
                throw LogError(
                    .system,
                    "The journal was not closed cleanly: \(error). Nothing acknowledged is lost; the next "
                        + "opening recovers", path: error.path, cause: error.cause)
            }
        }
    }

    private func fitsFrame(_ events: EncodedEvents) -> Bool {
        events.raw.count <= identity.maximumFrameBytes && events.count <= FrameHeader.maximumEventCount
    }

    func check(_ writer: inout Writer) throws(LogError) {
        if options.access == .readOnly {
            throw LogError(.readOnly, "the journal is open for reading only", path: paths.directory)
        }
        if let poison = writer.poison { throw poisoned(by: poison) }
        if writer.isClosed { throw closed }
    }

    var closed: LogError { LogError(.closed, "the journal is closed", path: paths.directory) }

    func poisoned(by first: LogError) -> LogError {
        LogError(
            .poisoned,
            "Not written: the journal stopped taking writes after an earlier failure (\(first.message)). Close it "
                + "and open it again to recover", path: first.path, cause: first.cause)
    }

    /// Remembers the first failure, lets go of the journal so that an opening may recover, and returns the error.
    func poison(
        _ writer: inout Writer, _ kind: LogError.Kind, _ what: String, _ cause: FileSystemError
    ) -> LogError {
        let cause = cause.underPresentName
        let outcome =
            kind == .outcomeUnknown
            ? "it is not known whether the events are on disk" : "the events are certainly not written"
        let error = LogError(
            kind,
            "\(what): \(outcome): \(cause). The journal takes no more writes; close it and open it again to recover",
            path: cause.path, cause: cause)
        if writer.poison == nil {
            writer.poison = error
            // What cannot be let go of now goes with the file.
            if let opener { try? lockFile?.unlock(LockFile.openerRange(opener)) }
            try? lockFile?.unlock(LockFile.writerRange)
        }
        return error
    }

    /// Sees to it that the files are still there, and that the clean-close mark is gone.
    private func makeReady(_ writer: inout Writer, _ shared: CommitPage, _ now: Int64) throws(LogError) {
        try checkStillThere(&writer, now)
        try clearMark(&writer, shared)
    }

    /// Sees to it that there is a segment with room for `bytes`.
    private func prepare(
        _ writer: inout Writer, _ shared: CommitPage, for bytes: UInt64, _ now: Int64
    ) throws(LogError) {
        try makeReady(&writer, shared, now)
        if !hasRoom(writer, for: bytes) { try beginSegment(&writer, shared) }
        do {
            try writer.active!.reserve(bytes)
        } catch {
            throw notWritten(error)
        }
    }

    /// The log is about to change: the record of the last clean close does not vouch for it any more.
    private func clearMark(_ writer: inout Writer, _ shared: CommitPage) throws(LogError) {
        guard shared.isMarkedClean, let lockFile else { return }
        do {
            try SegmentLog.writeMark(0, lockFile)
            try lockFile.syncData()
        } catch {
            // One word that found no block (on a copy-on-write file system) is not written, and the mark stands.
            if error.isFull, error.operation == "write" { throw notWritten(error) }
            throw poison(&writer, .notWritten, "Clearing the clean-close record failed", error)
        }
    }

    func reservePage() throws(FileSystemError) {
        if isCopiedOnWrite, let page, let lockFile { try page.reserve(in: lockFile) }
    }

    /// Whether the commit goes into the present segment. One too large for any segment gets its own.
    private func hasRoom(_ writer: Writer, for bytes: UInt64) -> Bool {
        guard let end = writer.active?.frames.end else { return false }
        return end + bytes <= options.segmentBytes || end == SegmentHeader.framesOffset
    }

    /// A full disk or another refusal met before anything was written poisons nothing.
    func notWritten(_ failure: FileSystemError) -> LogError {
        let error = failure.underPresentName
        if error.isFull {
            return LogError(
                .noSpace,
                "Not written: the disk is full. Nothing is lost, and adding works again when there is space",
                path: error.path, cause: error)
        }
        return LogError(.notWritten, "Not written: \(error)", path: error.path, cause: error)
    }

    /// Ends the present segment and begins another. Under the writer range.
    private func beginSegment(_ writer: inout Writer, _ shared: CommitPage) throws(LogError) {
        guard shared.setWriter(opener) else { throw notWritten(noBlock) }
        if writer.active != nil {
            let isEnded = try inSyncerRange(shared) { () throws(LogError) -> Bool in
                try endSegment(&writer, shared)
                return true
            }
            // Else who synced before died meanwhile. What it left is in a segment that ends here, or in a new one.
            if isEnded == nil {
                try recover(&writer, shared)
                if writer.active != nil { return }
                guard shared.setWriter(opener) else { throw notWritten(noBlock) }
            }
        }
        try makeSegment(&writer, shared)
        guard publishWritten(&writer, shared) else {
            throw poison(&writer, .notWritten, "Telling other processes of a segment failed", noBlock)
        }
        shared.directoryChanged()
        shared.setWriter(nil)
    }

    /// Makes all of the segment durable, what was appended and not synced yet too. Under the syncer range.
    private func endSegment(_ writer: inout Writer, _ shared: CommitPage) throws(LogError) {
        do throws(FileSystemError) {
            guard shared.setSyncer(opener) else { throw noBlock }
            try writer.active!.trim()
            try reservePage()
        } catch {
            shared.countFailure()
            throw poison(&writer, .notWritten, "Ending a segment failed", error)
        }
        writer.predecessor = writer.active!.asPredecessor
        guard publishWritten(&writer, shared), shared.publish(visible: writer.lastSequence) else {
            throw poison(&writer, .notWritten, "Telling other processes what is durable failed", noBlock)
        }
        shared.setSyncer(nil)
    }

    private func makeSegment(_ writer: inout Writer, _ shared: CommitPage) throws(LogError) {
        let factory = SegmentFactory(options, paths)
        let header = factory.header(
            id: shared.nextSegmentID, journal: identity.journal, firstSequence: writer.lastSequence + 1,
            createdMicroseconds: writer.recordedMicroseconds, predecessor: writer.predecessor)
        guard shared.setNextSegmentID(header.id + 1) else { throw notWritten(noBlock) }
        do throws(SegmentFactory.Failure) {
            let made = try factory.make(FrameWriter(header, level: options.compressionLevel))
            writer.active?.file.close()
            writer.active = made
        } catch {
            // A full disk, or a lack of descriptors or memory that may pass. Nothing was written, and the next append tries again.
            if error.isCertainlyNotMade {
                shared.setWriter(nil)
                throw notWritten(error.cause)
            }
            throw poison(&writer, .notWritten, "Beginning a segment failed", error.cause)
        }
        let path = writer.active!.path
        catalog.withLock { $0.append(CatalogEntry(path: path, header: header)) }
    }

    /// How old the last look at the paths may be, in microseconds. To look two paths up costs as much as to compress a
    /// message.
    private static let lookMicroseconds: Int64 = 10_000

    /// Notices that the directory, or the segment, was deleted, unmounted or replaced under the open journal: what is
    /// written to unlinked files would be acknowledged and gone.
    ///
    /// Deleted files are noticed at once. That others have their paths (the directory was moved away, and with it what is
    /// written) is noticed by the first append that comes 10 ms after the last look.
    private func checkStillThere(_ writer: inout Writer, _ now: Int64) throws(LogError) {
        let isDue = !(0..<SegmentLog.lookMicroseconds).contains(now &- writer.lookedMicroseconds)
        if isDue { writer.lookedMicroseconds = now }
        if let lockFile {
            try checkStillThere(
                &writer, lockFile, isDue ? (paths.lock, lockIdentity) : nil, paths.lock,
                length: UInt64(LockFile.length))
        }
        if let active = writer.active {
            try checkStillThere(
                &writer, active.file, isDue ? (active.path, active.identity) : nil, active.path,
                length: active.frames.end)
        }
    }

    /// - Parameter length: The file is at least so long, unless somebody cut it off.
    private func checkStillThere(
        _ writer: inout Writer, _ file: any File, _ named: (path: FilePath, identity: FileIdentity?)?,
        _ path: FilePath, length: UInt64
    ) throws(LogError) {
        var isThere: Bool
        let found: UInt64?
        do {
            found = try file.linkedLength()
            isThere = found != nil
            if isThere, let named {
                isThere = try options.fileSystem.status(of: named.path)?.identity == named.identity
            }
        } catch {
            throw notWritten(error)
        }
        guard isThere else {
            let cause = FileSystemError(operation: "stat", path: path, errno: .noSuchFileOrDirectory)
            throw poison(
                &writer, .notWritten,
                "The journal's directory, or its file \(paths.relative(path)), was removed or replaced while it was open",
                cause)
        }
        guard let found, found >= length else { throw overwritten(&writer, path) }
    }

    /// Another copy was put in the place of what this process has open, by `cp` for example.
    func overwritten(_ writer: inout Writer, _ path: FilePath) -> LogError {
        poison(
            &writer, .notWritten,
            "The journal's file \(paths.relative(path)) was cut off or overwritten while the journal was open. Has a copy been put in "
                + "its place? Restore one with `agent-journal restore`, while nobody has the journal open",
            FileSystemError(operation: "check", path: path, errno: .staleNFSFileHandle))
    }
}

extension FileSystemError {
    /// An open segment's file is still known by the name under which it was made; people look for the present one.
    fileprivate var underPresentName: FileSystemError {
        guard path.string.hasSuffix(SegmentName.unfinishedSuffix) else { return self }
        let present = path.string.dropLast(SegmentName.unfinishedSuffix.utf8.count)
        return FileSystemError(operation: operation, path: FilePath(String(present)), errno: errno)
    }
}

extension SegmentFactory {
    init(_ options: LogOptions, _ paths: JournalPaths) {
        self.init(
            paths: paths, fileSystem: options.fileSystem, compressionLevel: options.compressionLevel,
            preallocationBytes: options.preallocationBytes, random: options.random)
    }
}
