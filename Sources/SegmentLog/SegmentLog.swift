import JournalFileSystem
import Synchronization

/// The log of one journal directory: an append-only sequence of events in checksummed, compressed segments.
///
/// It is a synchronous state machine without a thread of its own. `append` writes, `sync` makes durable and then
/// visible; `reader` reads what is visible. What the events mean it does not know. Any number of processes may have one
/// open; `Sharing` is how they take turns.
package final class SegmentLog: Sendable {
    package let paths: JournalPaths
    package let options: LogOptions
    package let identity: JournalIdentity
    package let report: OpeningReport

    /// The lock file; nil for a reader of a directory that has none.
    let lockFile: (any File)?
    let lockIdentity: FileIdentity?
    let page: (any SharedPage)?
    /// The words of the page.
    let shared: CommitPage?
    /// The same, for what every read looks at: `shared` stays as long as this object, so no reference need be counted.
    private let words: Unmanaged<CommitPage>?
    /// Whether a store to the page may need a new block. On ext4 a block that a file has stays its own.
    let isCopiedOnWrite: Bool
    /// Which byte of the openers' this one holds; nil for a reader.
    let opener: Int?
    /// The page's counter, where no writer was at work when this reader opened: a page that still has it is what a dead
    /// writer left, or a copy, which may be of another moment than the log beside it.
    private let staleCounter: UInt32?
    let catalog: Monitor<SegmentCatalog>
    private let refreshing = Monitor(())
    /// Under the mutex: the log's exclusion within the process; `inWriterRange` adds that between processes.
    let writer: Monitor<Writer>
    /// The same for the syncer range. Taken behind the writer's mutex, never before it.
    let syncer = Monitor(())
    /// How quick the disk is. See `FrameWriter.isPlain`.
    let pace: SyncPace
    /// Reads what others wrote, for the state to catch up. Taken last of all.
    let tail = Monitor(Tailing())
    /// Held while segments are packed or dropped. Taken before the writer's mutex, never the other way round.
    let maintenance = Monitor(Maintenance())
    /// The boot that the page must be of.
    private let bootIdentity: UInt64
    /// The last sequence that this process knows to be durable.
    private let lastSeen: Atomic<UInt64>
    /// Whether what is only read may be another file than the one that is written: a container's own layer makes a copy of a file of the
    /// image when it is first written, and who has it open goes on reading the image's.
    private let mayBeCopiedUp: Bool

    init(_ parts: Parts) {
        paths = parts.paths
        options = parts.options
        pace = SyncPace(limit: parts.options.quickSync)
        identity = parts.identity
        report = parts.report
        lockFile = parts.lockFile
        lockIdentity = parts.lockIdentity
        page = parts.page
        shared = parts.page.map { CommitPage($0, isCopiedOnWrite: parts.asksBeforeEachStore) }
        words = shared.map { .passUnretained($0) }
        opener = parts.opener
        isCopiedOnWrite = parts.isCopiedOnWrite
        staleCounter = parts.staleCounter
        bootIdentity = parts.options.fileSystem.process.bootIdentity
        catalog = Monitor(parts.catalog)
        lastSeen = Atomic(parts.visible)
        mayBeCopiedUp =
            parts.options.access == .readOnly
            && (try? parts.options.fileSystem.volume(holding: parts.paths.directory).kind) == .containerLayer
        writer = Monitor(parts.writer)
    }

    /// What opening puts together.
    struct Parts {
        var paths: JournalPaths
        var options: LogOptions
        var identity: JournalIdentity
        var report = OpeningReport()
        var lockFile: (any File)?
        var lockIdentity: FileIdentity?
        var page: (any SharedPage)?
        var opener: Int?
        var isCopiedOnWrite = true
        /// Whether it does at any time, as on btrfs: then it is asked before each store.
        var asksBeforeEachStore = false
        var staleCounter: UInt32?
        var catalog: SegmentCatalog
        var writer: Writer
        /// What may be shown: not all that `writer` says is durable yet.
        var visible: UInt64
    }

    /// The end of the log as this process last saw it under the writer range, and what is needed to go on from it.
    struct Writer: Sendable {
        /// The sequence of the last event written.
        var lastSequence: UInt64
        /// The highest recorded time so far.
        var recordedMicroseconds: Int64
        /// The segment that the next append goes to; nil when that must be a new one, or was not opened yet.
        var active: ActiveSegment?
        /// What a new segment continues from.
        var predecessor: SegmentHeader.Predecessor
        /// Of the page's `Written` that this is; another one there says that another process wrote.
        var generation: UInt64 = 0
        /// How many failures were settled then.
        var failures: UInt64 = 0
        /// When the paths were last looked up.
        var lookedMicroseconds = Int64.min
        /// The first failure, after which nothing is written any more.
        var poison: LogError?
        var isClosed = false
    }

    package var entries: [CatalogEntry] { catalog.withLock { $0.entries } }

    /// The first sequence that the log still holds; that of the next event when it holds none. What came before was
    /// dropped.
    ///
    /// As this process last saw it: another may have dropped more since.
    package var firstSequence: UInt64 { catalog.withLock { $0.firstSequence } }

    /// The same as it is now.
    ///
    /// - Complexity: one look at the first segment's path; if it is gone, the directory is read.
    package func presentFirstSequence() throws(LogError) -> UInt64 {
        let (first, fileSystem) = (entries.first, options.fileSystem)
        let isGone = try asLogError { () throws(FileSystemError) in
            try first.map { (first) throws(FileSystemError) in try fileSystem.status(of: first.path) == nil }
        }
        if isGone == true { try refreshCatalog() }
        return firstSequence
    }

    /// Refuses a log that begins later than right behind `floor`: something is missing that nobody dropped.
    ///
    /// Opening does this with `LogOptions.floor`.
    /// - Throws: `damaged`.
    package func checkReachesBack(to floor: UInt64) throws(LogError) {
        let catalog = catalog.withLock { $0 }
        if let problem = catalog.missingBeginning(floor: floor, paths) { throw problem.error(in: paths) }
    }

    /// The sequence of the last event that reads may show. Acquiring: what it covers can be read.
    ///
    /// It never goes back. Where the page says less than it said before, somebody has put another copy in its place; the next append
    /// refuses that.
    package var visibleSequence: UInt64 {
        let seen = lastSeen.load(ordering: .relaxed)
        guard let words, options.access == .readWrite || isPageOfThisBoot else { return seen }
        let visible = words._withUnsafeGuaranteedRef { $0.visible }
        guard visible > seen else { return seen }
        see(visible)
        return visible
    }

    /// This process knows now that everything up to a sequence is durable.
    func see(_ sequence: UInt64) { lastSeen.max(sequence, ordering: .relaxed) }

    /// Whether the page says something to who only reads. Another boot's says nothing; and what was durable stays so.
    private var isPageOfThisBoot: Bool {
        guard let page, let shared, page.load64(at: LockFile.bootOffset) == bootIdentity else { return false }
        return shared.changes != staleCounter
    }

    /// What was lost since of what others may have read before it was durable.
    package var rewind: LogRewind {
        guard let words, options.access == .readWrite else { return LogRewind() }
        return words._withUnsafeGuaranteedRef {
            LogRewind(count: $0.settledFailures, sequence: $0.settledSequence)
        }
    }

    /// Sleeps until something behind `sequence` may be visible, at most so long. May return early.
    package func wait(after sequence: UInt64, timeoutMilliseconds: Int) {
        guard let shared else {
            // Nothing tells of changes; the caller looks again after the time.
            _ = Monitor(false).withLock(timeout: .milliseconds(timeoutMilliseconds), waitingUntil: { $0 }) {
                _ in
                ()
            }
            return
        }
        let changes = shared.changes
        guard visibleSequence <= sequence else { return }
        shared.waitForChange(from: changes, timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Wakes all who `wait`, in every process: they find nothing new.
    package func wake() { shared?.wakeWithoutChange() }

    /// Notices, for a log that is only read, that its directory was removed or replaced: nothing that is waited for would
    /// ever come.
    ///
    /// - Throws: `missing`.
    package func checkIsThere() throws(LogError) {
        guard options.access == .readOnly, let lockFile, let lockIdentity else { return }
        let (fileSystem, lock) = (options.fileSystem, paths.lock)
        let isThere = try asLogError { () throws(FileSystemError) in
            guard try lockFile.linkedLength() != nil else { return false }
            return try fileSystem.status(of: lock)?.identity == lockIdentity
        }
        guard isThere else {
            throw LogError(
                .missing, "The journal's directory was removed or replaced while it was read",
                path: paths.directory)
        }
        try checkIsWritten()
    }

    /// Notices, in a container's own layer, that somebody else writes a copy of the files that are read here.
    ///
    /// - Throws: `missing`.
    /// - Complexity: nothing elsewhere; there a file is opened and read.
    package func checkIsWritten() throws(LogError) {
        guard mayBeCopiedUp, let page else { return }
        let (fileSystem, lock) = (options.fileSystem, paths.lock)
        let words = Array(stride(from: 0, to: LockFile.counterOffset, by: 8))
        let before = words.map { page.load64(at: $0) }
        let written = try asLogError { () throws(FileSystemError) in
            let present = try fileSystem.openFile(lock, .readOnly)
            defer { present.close() }
            return try present.read(LockFile.length, at: 0)
        }
        // What is written just now is looked at again the next time.
        let isChanging = words.map { page.load64(at: $0) } != before
        let isSame = written.withUnsafeBytes { bytes in
            bytes.count == LockFile.length
                && zip(words, before).allSatisfy { bytes.little($0, as: UInt64.self) == $1 }
        }
        if isChanging { return }
        guard isSame else {
            throw LogError(
                .missing,
                "The journal was opened in a container image's layer, and is written in the container's own layer by now, where "
                    + "this process does not see it. Open it again", path: paths.directory)
        }
    }

    /// Whether the page is that of this boot, as every opening for writing makes it. One that was cut off, or overwritten by
    /// another copy, is not.
    func isPageOverwritten(_ shared: CommitPage) -> Bool { !shared.isOf(bootIdentity: bootIdentity) }

    /// Whether the log ends before what this process knows to be durable.
    func endsEarly(_ writer: borrowing Writer) -> Bool {
        writer.lastSequence < lastSeen.load(ordering: .relaxed)
    }

    /// A reader of the events behind `after`.
    package func reader(after: UInt64) -> LogReader { LogReader(self, after: after) }

    /// The sequence of the last event written, whether durable yet or not.
    package var lastSequence: UInt64 { writer.withLock { $0.lastSequence } }

    /// The first failure, if there was one.
    package var poison: LogError? { writer.withLock { $0.poison } }

    /// Whether a failure ended writing for good.
    package var isPoisoned: Bool { poison != nil }

    /// Reads the directory again: another process may have made, packed or dropped a segment.
    func refreshCatalog() throws(LogError) {
        // One after the other, so that what was read earlier does not take the place of what was read later.
        try refreshing.withLock { (_) throws(LogError) in
            while true {
                let before = catalog.withLock { $0.changes }
                let fresh = try SegmentCatalog.load(
                    paths, journal: identity.journal, fileSystem: options.fileSystem)
                // What this process changed meanwhile is perhaps not in it.
                let isStored = catalog.withLock { catalog in
                    guard catalog.changes == before else { return false }
                    catalog = fresh
                    catalog.changes = before
                    return true
                }
                if isStored { return }
            }
        }
    }
}
