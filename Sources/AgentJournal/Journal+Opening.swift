import JournalFileSystem
import Logging
import SegmentLog
import SystemPackage

extension Journal {
    /// A frame holds four of the largest contents, and its length must fit into 31 bits.
    private static let largestContentBytes = 256 << 20
    /// A replay that took longer is not to be repeated by the next opening.
    private static let longestReplay = Duration.milliseconds(500)

    /// Opens, once more where another process compacted the journal meanwhile: what is missing was replaced then.
    static func makeEngine(
        _ directory: FilePath, _ create: Creation, _ options: Options
    ) throws(JournalError) -> (Engine, SegmentLog) {
        let files = SnapshotFiles(
            JournalPaths(directory), options.fileSystem, journal: nil, cache: BlockCache(limit: 0),
            random: options.random)
        while true {
            let before = try? files.names()
            do {
                return try makeEngineOnce(directory, create, options)
            } catch {
                let isGone = error.code == .damaged || error.code == .noSuchPoint || error.code == .system
                guard isGone, let before, let now = try? files.names(), now != before else { throw error }
            }
        }
    }

    private static func makeEngineOnce(
        _ directory: FilePath, _ create: Creation, _ options: Options
    ) throws(JournalError) -> (Engine, SegmentLog) {
        guard (1...largestContentBytes).contains(options.maximumContentBytes) else {
            throw JournalError(
                .invalidArgument,
                "maximumContentBytes is \(options.maximumContentBytes); it takes 1 to \(largestContentBytes)")
        }
        if options.access == .readWrite, !options.isRepairing {
            try checkIsRepaired(directory, options.fileSystem)
        }
        var logOptions = logOptions(create, options)
        let cache = BlockCache(limit: options.cacheBytes)
        let paths = JournalPaths(directory)
        let found = try asJournalError { () throws(LogError) in
            if options.ignoresSnapshots { return FoundSnapshots() }
            let identity = JournalIdentity.read(in: paths, options.fileSystem)
            return try FoundSnapshots(
                SnapshotFiles(
                    paths, options.fileSystem, journal: identity?.journal, cache: cache,
                    maximumBlockBytes: identity?.maximumBlockBytes, random: options.random))
        }
        // What a snapshot holds need not be in the log any more; whether it was let go is known after the replay.
        logOptions.floor = found.usable.first?.sequence ?? 0
        logOptions.unknownFloor = found.whyUnusable
        var opened: Engine?
        let log = try asJournalError { () throws(LogError) in try SegmentLog.open(directory, logOptions) }
        do {
            let limits = Limits(
                maximumContentBytes: log.identity.maximumContentBytes,
                maximumFrameBytes: log.identity.maximumFrameBytes,
                compressionLevel: logOptions.compressionLevel)
            let snapshots = SnapshotFiles(
                paths, options.fileSystem, journal: log.identity.journal, cache: cache,
                maximumBlockBytes: log.identity.maximumBlockBytes, random: options.random)
            if options.access == .readWrite, log.report.ending != .shared {
                try asJournalError { () throws(LogError) in try snapshots.removeUnfinished() }
            }
            let rewinds = log.rewind.count
            var state = try found.state(for: log)
            let start = ContinuousClock.now
            if !options.skipsReplay {
                try Replay(log: log, spill: (snapshots, options.replayBytes))
                    .run(&state, progress: options.replayProgress)
                try asJournalError { () throws(LogError) in
                    try log.checkReachesBack(to: state.layer.floor)
                }
            }
            let wasLong = ContinuousClock.now - start > longestReplay
            let lastSequence = state.lastSequence
            // Beside another process it may be going on.
            let hasUnfinishedErasure = state.layer.erasure.isUnfinished && log.report.ending != .shared
            let engine = Engine(
                log: log, state: state, limits: limits, logger: options.logger, snapshots: snapshots,
                isReadOnly: options.access == .readOnly,
                maintenance: Maintenance.Options(
                    events: max(1, options.snapshotEvents), replayBytes: options.replayBytes,
                    packsAlways: options.packsAlways, patience: options.lockTimeout * 10),
                rewinds: rewinds)
            opened = engine
            engine.damagedSnapshots.withLock { $0.formUnion(found.problems.compactMap(\.path)) }
            // Without a state there is nothing to count, and counting would build one.
            let memories =
                options.skipsReplay
                ? nil : try engine.read { (box, _) throws(JournalError) in try box.count(at: lastSequence) }
            for problem in found.problems {
                options.logger.warning(
                    "journal: a snapshot is not used: \(problem)", metadata: ["directory": "\(directory)"])
            }
            announce(
                directory, log, lastSequence: max(lastSequence, log.visibleSequence), memories: memories,
                snapshot: found.usable.first?.sequence, options.logger)
            if hasUnfinishedErasure {
                options.logger.warning(
                    "journal: an erasure was begun and not finished; the next compaction that erases goes on with it",
                    metadata: ["directory": "\(directory)"])
            }
            if wasLong, !options.ignoresSnapshots {
                engine.requestSnapshot()
            } else {
                engine.requestSnapshotIfDue()
            }
            return (engine, log)
        } catch {
            // Nothing was appended; what keeps the journal from opening is the error, not the close.
            opened?.maintenance.stop()
            try? log.close()
            throw error
        }
    }

    /// What comes into a journal whose losses are not recorded yet could get sequences of the lost.
    private static func checkIsRepaired(
        _ directory: FilePath, _ fileSystem: any FileSystem
    ) throws(JournalError) {
        // Where that cannot be asked (a file in the directory's place, say), opening the log says what is wrong.
        guard let isUnfinished = try? UnfinishedRepair(directory, fileSystem).isThere, isUnfinished else {
            return
        }
        throw JournalError(
            .damaged,
            "A repair of the journal was begun and not finished. Repair it again (`agent-journal repair DIR --yes`); until "
                + "then it can be opened for reading", path: directory.appending(UnfinishedRepair.file))
    }

    private static func logOptions(_ create: Creation, _ options: Options) -> LogOptions {
        let clock = options.clock
        var logOptions = LogOptions(
            fileSystem: options.fileSystem, now: { clock().microsecondsSince1970 },
            formatTime: { Timestamp(clampingMicrosecondsSince1970: $0).description })
        logOptions.access = options.access == .readOnly ? .readOnly : .readWrite
        logOptions.createsIfMissing = create == .ifMissing && options.access == .readWrite
        logOptions.segmentBytes = UInt64(max(options.segmentBytes, 4096))
        logOptions.preallocationBytes = UInt64(options.preallocationBytes)
        logOptions.compressionLevel = Int32(min(max(options.compressionLevel, 1), 9))
        logOptions.maximumContentBytes = options.maximumContentBytes
        logOptions.maximumFrameBytes = max(4 * logOptions.maximumContentBytes, 64 << 20)
        logOptions.random = options.random
        logOptions.lockTimeout = options.lockTimeout
        return logOptions
    }
}

/// The snapshots that an opening finds: one that is damaged costs the time to replay what it holds, if the log has it.
struct FoundSnapshots {
    /// Those whose ends can be read, the newest first; blocks are read when asked for.
    private(set) var usable: [TableReader] = []
    /// Why others are not used.
    private(set) var problems: [LogError] = []

    /// None.
    init() {}

    init(_ files: SnapshotFiles) throws(LogError) {
        for name in try files.names() {
            do throws(LogError) {
                let table = try files.open(name)
                guard StateMeta(table.meta)?.lastSequence == table.sequence else {
                    throw LogError(.damaged, "\(name.path) does not say what it covers", path: name.path)
                }
                usable.append(table)
                // Older ones are only of use when this one is not.
                return
            } catch {
                guard error.kind == .damaged else { throw error }
                problems.append(error)
            }
        }
    }

    /// What is wrong with the newest snapshot that cannot be used; nil when there is none. Where the log does not hold what it
    /// held, that is what is wrong, and not that history was let go.
    var whyUnusable: LogError? {
        guard let newest = problems.first else { return nil }
        return LogError(
            .damaged,
            "\(newest.message); and what it was made from is not in the log any more. Nothing was changed. Restore the "
                + "journal from a backup; `export --salvage` reads what is still there",
            path: newest.path, offset: newest.offset, cause: newest.cause)
    }

    /// The state as the newest snapshot has it; empty when there is none, and the log reaches back.
    ///
    /// - Throws: `damaged` when the log ends before the snapshot does, or begins behind it.
    func state(for log: SegmentLog) throws(JournalError) -> State {
        guard let table = usable.first, table.journal == log.identity.journal else {
            try asJournalError { () throws(LogError) in try log.checkReachesBack(to: 0) }
            return State()
        }
        guard table.sequence <= log.visibleSequence else {
            throw JournalError(
                .damaged,
                "The log ends with sequence \(log.visibleSequence), and the snapshot \(table.path) covers sequence "
                    + "\(table.sequence): the end of the log is missing. Restore the log from a backup; `export --salvage` "
                    + "reads what is there", path: table.path,
                sequences: (log.visibleSequence + 1)...table.sequence)
        }
        return try State(snapshot: table)
    }
}
