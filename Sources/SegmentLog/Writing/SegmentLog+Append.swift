import JournalFileSystem
import Synchronization
import SystemPackage

extension SegmentLog {
    /// Appends events, under the log's exclusion.
    ///
    /// Space is reserved first; only then `decide` is called, with the log's end, and says what to append. What
    /// it returns is written before this returns, and is durable and visible after `sync`.
    /// - Parameters:
    ///   - rawBytes: at least as many bytes of payload as `decide` will return.
    ///   - pieces: at least as many pieces.
    /// - Returns: the log's end with the new events.
    /// - Throws: `noSpace` and `notWritten` when `decide` was not called, and the log goes on; `poisoned`;
    ///   `outcomeUnknown` when writing failed, which poisons the log; `closed`, `readOnly`.
    /// - Complexity: one write; no sync, except when a segment begins.
    package func append(
        rawBytes: Int, pieces: Int, _ decide: (LogHead) -> [EncodedEvents]
    ) throws(LogError) -> LogHead {
        try writer.withLock { (writer) throws(LogError) in
            try check(&writer)
            let now = options.now()
            try prepare(&writer, for: FrameWriter.bound(rawBytes: rawBytes, pieces: pieces), now)
            // A clock that went back does not take recorded times back.
            var head = LogHead(
                lastSequence: writer.lastSequence,
                recordedMicroseconds: max(now, writer.recordedMicroseconds))
            let events = decide(head)
            guard !events.isEmpty else { return head }
            // The caller checks this before; here it would be acknowledged and never be read again.
            guard events.allSatisfy({ fitsFrame($0) }) else {
                let cause = FileSystemError(operation: "append", path: paths.log, errno: .fileTooLarge)
                throw poison(&writer, .notWritten, "A batch is larger than a frame may be", cause)
            }
            writer.active!.frames.append(
                events, recordedMicroseconds: head.recordedMicroseconds,
                followsSync: writer.durableSequence == writer.lastSequence)
            do throws(FileSystemError) {
                try writer.active!.writePending()
            } catch {
                throw poison(&writer, .outcomeUnknown, "Writing to the log failed", error)
            }
            writer.lastSequence = writer.active!.frames.lastSequence
            writer.recordedMicroseconds = head.recordedMicroseconds
            head.lastSequence = writer.lastSequence
            return head
        }
    }

    /// Makes everything appended durable, and then visible.
    ///
    /// - Throws: `outcomeUnknown` when the sync failed, which poisons the log: what the disk holds is then not
    ///   known, and a second sync would not tell (the kernel forgets which pages it could not write).
    package func sync() throws(LogError) {
        let (file, last) = try writer.withLock { (writer) throws(LogError) -> ((any File)?, UInt64) in
            if let poison = writer.poison { throw poisoned(by: poison) }
            if writer.isClosed { throw closed }
            guard writer.durableSequence < writer.lastSequence else { return (nil, 0) }
            return (writer.active!.file, writer.lastSequence)
        }
        guard let file else { return }
        do {
            try file.syncData()
        } catch {
            throw writer.withLock { writer in
                poison(&writer, .outcomeUnknown, "Syncing the log failed", error)
            }
        }
        try writer.withLock { (writer) throws(LogError) in try becameDurable(&writer, last) }
    }

    /// Ends the present segment, when it is longer than `bytes`: what comes next goes into a new one.
    ///
    /// - Throws: as `append`; then the segment goes on, or the log is poisoned.
    /// - Complexity: some syncs, which appends wait for.
    package func seal(longerThan bytes: UInt64) throws(LogError) {
        try writer.withLock { (writer) throws(LogError) in
            try check(&writer)
            guard let last = entries.last, writer.lastSequence >= last.header.firstSequence else { return }
            // After an unclean end there is no present segment before the next append: then it is the last one.
            let end = writer.active?.frames.end ?? writer.predecessor.end
            guard end > max(bytes, SegmentHeader.framesOffset) else { return }
            try makeReady(&writer, options.now())
            try beginSegment(&writer)
        }
    }

    /// Under the mutex, so that what is visible never goes back.
    ///
    /// - Throws: what poisons the log, if others cannot be shown it: the page's block may have gone while the log was synced.
    private func becameDurable(
        _ writer: inout Writer, _ sequence: UInt64, otherwise kind: LogError.Kind = .outcomeUnknown
    ) throws(LogError) {
        guard writer.durableSequence < sequence else { return }
        do {
            try reservePage()
        } catch {
            throw poison(&writer, kind, "Showing other processes what is durable failed", error)
        }
        writer.durableSequence = sequence
        publish(sequence)
    }

    /// Ends cleanly: trims the segment and leaves the record that vouches for its end. Later calls throw `closed`.
    ///
    /// A poisoned log is closed without the record.
    /// - Throws: the error that kept the record from being written; the files are closed all the same.
    package func close() throws(LogError) {
        try writer.withLock { (writer) throws(LogError) in
            guard !writer.isClosed else { return }
            writer.isClosed = true
            defer {
                writer.active?.file.close()
                lockFile?.close()
            }
            guard options.access == .readWrite, writer.poison == nil else { return }
            do throws(FileSystemError) {
                if !writer.isMarked, writer.durableSequence == writer.lastSequence {
                    try writer.active?.trim()
                    try leaveMark(writer)
                }
                try clearWriterRecord()
                try lockFile?.unlock(LockFile.writerRange)
            } catch {
                throw LogError(
                    .system,
                    "The journal was not closed cleanly: \(error). Nothing acknowledged is lost; the next "
                        + "opening recovers", path: error.path, cause: error)
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

    private var closed: LogError { LogError(.closed, "the journal is closed", path: paths.directory) }

    private func poisoned(by first: LogError) -> LogError {
        LogError(
            .poisoned,
            "Not written: the journal stopped taking writes after an earlier failure (\(first.message)). Close it "
                + "and open it again to recover", path: first.path, cause: first.cause)
    }

    /// Remembers the first failure, lets go of the writer's lock so that an opening may recover, and returns the error.
    private func poison(
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
            try? lockFile?.unlock(LockFile.writerRange)
        }
        return error
    }

    /// Sees to it that the files are still there, and that the clean-close mark is gone.
    private func makeReady(_ writer: inout Writer, _ now: Int64) throws(LogError) {
        try checkStillThere(&writer, now)
        try clearMark(&writer)
    }

    /// Sees to it that there is a segment with room for `bytes`.
    private func prepare(_ writer: inout Writer, for bytes: UInt64, _ now: Int64) throws(LogError) {
        try makeReady(&writer, now)
        do {
            try reservePage()
        } catch {
            throw notWritten(error)
        }
        if !hasRoom(writer, for: bytes) { try beginSegment(&writer) }
        do {
            try writer.active!.reserve(bytes)
        } catch {
            throw notWritten(error)
        }
    }

    /// The log is about to change: the record of the last clean close does not vouch for it any more.
    private func clearMark(_ writer: inout Writer) throws(LogError) {
        guard writer.isMarked, let lockFile else { return }
        do {
            try SegmentLog.writeMark(0, lockFile)
            try lockFile.syncData()
            writer.isMarked = false
        } catch {
            // One word that found no block (on a copy-on-write file system) is not written, and the mark stands.
            if error.isFull, error.operation == "write" { throw notWritten(error) }
            throw poison(&writer, .notWritten, "Clearing the clean-close record failed", error)
        }
    }

    private func reservePage() throws(FileSystemError) {
        if let page, let lockFile { try page.reserve(in: lockFile) }
    }

    /// Whether the commit goes into the present segment. One too large for any segment gets its own.
    private func hasRoom(_ writer: Writer, for bytes: UInt64) -> Bool {
        guard let end = writer.active?.frames.end else { return false }
        return end + bytes <= options.segmentBytes || end == SegmentHeader.framesOffset
    }

    /// A full disk or another refusal met before anything was written poisons nothing.
    private func notWritten(_ failure: FileSystemError) -> LogError {
        let error = failure.underPresentName
        if error.isFull {
            return LogError(
                .noSpace,
                "Not written: the disk is full. Nothing is lost, and adding works again when there is space",
                path: error.path, cause: error)
        }
        return LogError(.notWritten, "Not written: \(error)", path: error.path, cause: error)
    }

    private func beginSegment(_ writer: inout Writer) throws(LogError) {
        if writer.active != nil {
            do {
                try writer.active!.trim()
            } catch {
                throw poison(&writer, .notWritten, "Ending a segment failed", error)
            }
            writer.predecessor = writer.active!.asPredecessor
            // Ending a segment syncs it: what was appended and not synced yet is durable now.
            try becameDurable(&writer, writer.lastSequence, otherwise: .notWritten)
        }
        let factory = SegmentFactory(options, paths)
        let header = factory.header(
            id: writer.nextSegmentID, journal: identity.journal, firstSequence: writer.lastSequence + 1,
            createdMicroseconds: writer.recordedMicroseconds, predecessor: writer.predecessor)
        do throws(SegmentFactory.Failure) {
            let made = try factory.make(FrameWriter(header, level: options.compressionLevel))
            writer.active?.file.close()
            writer.active = made
        } catch {
            if error.isCertainlyNotMade, error.cause.isFull { throw notWritten(error.cause) }
            throw poison(&writer, .notWritten, "Beginning a segment failed", error.cause)
        }
        writer.nextSegmentID += 1
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
            try checkStillThere(&writer, lockFile, isDue ? (paths.lock, lockIdentity) : nil, paths.lock)
        }
        if let active = writer.active {
            try checkStillThere(
                &writer, active.file, isDue ? (active.path, active.identity) : nil, active.path)
        }
    }

    private func checkStillThere(
        _ writer: inout Writer, _ file: any File, _ named: (path: FilePath, identity: FileIdentity?)?,
        _ path: FilePath
    ) throws(LogError) {
        var isThere: Bool
        do {
            isThere = try file.isLinked()
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
