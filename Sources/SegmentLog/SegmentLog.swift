import JournalFileSystem
import Synchronization

/// The log of one journal directory: an append-only sequence of events in checksummed, compressed segments.
///
/// It is a synchronous state machine without a thread of its own. `append` writes, `sync` makes durable and then
/// visible; `reader` reads what is visible. What the events mean it does not know.
package final class SegmentLog: Sendable {
    package let paths: JournalPaths
    package let options: LogOptions
    package let identity: JournalIdentity
    package let report: OpeningReport

    /// The lock file; nil for a reader of a directory that has none.
    let lockFile: (any File)?
    let lockIdentity: FileIdentity?
    let page: (any SharedPage)?
    /// The page's counter, where no writer was at work when this reader opened: a page that still has it is what a dead
    /// writer left, or a copy, which may be of another moment than the log beside it.
    private let staleCounter: UInt32?
    let catalog: Monitor<SegmentCatalog>
    /// Under the mutex: the log's exclusion within the process.
    let writer: Monitor<Writer>
    /// Held while segments are packed or dropped. Taken before the writer's mutex, never the other way round.
    let maintenance = Monitor(Maintenance())
    /// The boot that the page must be of.
    private let bootIdentity: UInt64
    /// The last sequence that is durable, as this process knows it.
    private let visible: Atomic<UInt64>

    init(_ parts: Parts) {
        paths = parts.paths
        options = parts.options
        identity = parts.identity
        report = parts.report
        lockFile = parts.lockFile
        lockIdentity = parts.lockIdentity
        page = parts.page
        staleCounter = parts.staleCounter
        bootIdentity = parts.options.fileSystem.process.bootIdentity
        catalog = Monitor(parts.catalog)
        visible = Atomic(parts.writer.lastSequence)
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
        var staleCounter: UInt32?
        var catalog: SegmentCatalog
        var writer: Writer
    }

    /// The end of the log, and what is needed to go on from it.
    struct Writer: Sendable {
        /// The sequence of the last event written.
        var lastSequence: UInt64
        var durableSequence: UInt64
        /// The highest recorded time so far.
        var recordedMicroseconds: Int64
        /// The segment that the next append goes to; nil when that must be a new one.
        var active: ActiveSegment?
        /// What a new segment continues from.
        var predecessor: SegmentHeader.Predecessor
        var nextSegmentID: UInt32
        /// When the paths were last looked up.
        var lookedMicroseconds = Int64.min
        /// The clean-close mark stands and must be cleared before anything is written.
        var isMarked = false
        /// The first failure, after which nothing is written any more.
        var poison: LogError?
        var isClosed = false
    }

    package var entries: [CatalogEntry] { catalog.withLock { $0.entries } }

    /// The first sequence that the log still holds; that of the next event when it holds none. What came before was
    /// dropped.
    package var firstSequence: UInt64 { catalog.withLock { $0.firstSequence } }

    /// Refuses a log that begins later than right behind `floor`: something is missing that nobody dropped.
    ///
    /// Opening does this with `LogOptions.floor`.
    /// - Throws: `damaged`.
    package func checkReachesBack(to floor: UInt64) throws(LogError) {
        let catalog = catalog.withLock { $0 }
        if let problem = catalog.missingBeginning(floor: floor, paths) { throw problem.error(in: paths) }
    }

    /// The sequence of the last event that reads may show. Acquiring: what it covers can be read.
    package var visibleSequence: UInt64 {
        let own = visible.load(ordering: .acquiring)
        guard options.access == .readOnly, let page else { return own }
        // Another boot's page says nothing; and what was durable stays so.
        guard page.load64(at: LockFile.bootOffset) == bootIdentity else { return own }
        if let staleCounter, page.load32(at: LockFile.counterOffset) == staleCounter { return own }
        return max(own, page.load64(at: LockFile.visibleOffset))
    }

    /// Makes everything up to `sequence` visible: to this process first, then to others.
    func publish(_ sequence: UInt64) {
        visible.store(sequence, ordering: .releasing)
        guard let page else { return }
        page.store64(sequence, at: LockFile.visibleOffset)
        page.add32(1, at: LockFile.counterOffset)
        page.wakeAll(at: LockFile.counterOffset)
    }

    /// Sleeps until something behind `sequence` may be visible, at most so long. May return early.
    package func wait(after sequence: UInt64, timeoutMilliseconds: Int) {
        guard let page else {
            // Nothing tells of changes; the caller looks again after the time.
            _ = Monitor(false).withLock(timeoutMilliseconds: timeoutMilliseconds, waitingUntil: { $0 }) { _ in
                ()
            }
            return
        }
        let counter = page.load32(at: LockFile.counterOffset)
        guard visibleSequence <= sequence else { return }
        page.wait32(at: LockFile.counterOffset, while: counter, timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Notices, for a log that is only read, that its directory was removed or replaced: nothing that is waited for would
    /// ever come.
    ///
    /// - Throws: `missing`.
    package func checkIsThere() throws(LogError) {
        guard options.access == .readOnly, let lockFile, let lockIdentity else { return }
        let (fileSystem, lock) = (options.fileSystem, paths.lock)
        let isThere = try asLogError { () throws(FileSystemError) in
            guard try lockFile.isLinked() else { return false }
            return try fileSystem.status(of: lock)?.identity == lockIdentity
        }
        guard isThere else {
            throw LogError(
                .missing, "The journal's directory was removed or replaced while it was read",
                path: paths.directory)
        }
    }

    /// A reader of the events behind `after`.
    package func reader(after: UInt64) -> LogReader { LogReader(self, after: after) }

    /// The sequence of the last event written, whether durable yet or not.
    package var lastSequence: UInt64 { writer.withLock { $0.lastSequence } }

    /// The first failure, if there was one.
    package var poison: LogError? { writer.withLock { $0.poison } }

    /// Whether a failure ended writing for good.
    package var isPoisoned: Bool { poison != nil }

    /// Whoever else has it open for writing, for a reader's information.
    package var otherWriter: LockFile.Writer? {
        guard options.access == .readOnly, let lockFile,
            (try? lockFile.isLockedByOther(LockFile.writerRange, .exclusive)) == true
        else { return nil }
        return try? LogOpening.readPage(lockFile).withUnsafeBytes { LockFile.decodeWriter($0) }
    }

    /// Reads the directory again: another process may have made a segment.
    func refreshCatalog() throws(LogError) {
        guard options.access == .readOnly else { return }
        let fresh = try SegmentCatalog.load(paths, journal: identity.journal, fileSystem: options.fileSystem)
        catalog.withLock { $0 = fresh }
    }
}
