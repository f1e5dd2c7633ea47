import JournalFileSystem
import SegmentLog
public import SystemPackage

/// What repairing a journal did, or would do.
public struct RepairReport: Sendable, Hashable {
    /// What is wrong, as `verify` tells it.
    public var problems: [VerifyReport.Problem]
    /// Events that are lost for good, by sequence. What was forgotten by one of them is there again, unless a snapshot knows that it
    /// was forgotten.
    public var losses: [ClosedRange<UInt64>]
    /// How many memories were taken from a snapshot, where the log had lost them.
    public var restoredMemories: UInt64
    /// How many memories were forgotten once more, because the event that forgot them is lost and a snapshot knows.
    public var forgottenAgain = 0
    /// Segments that are written anew, relative to the journal's directory.
    public var rewritten: [String]
    /// Damaged files that are moved to the directory `damaged` of the journal. Erasing removes them.
    public var setAside: [String]
    /// Whether nothing was done.
    public var isDryRun: Bool
    /// What `verify` finds afterwards; nil in a dry run.
    public var after: VerifyReport?
}

extension Journal {
    /// Makes a damaged journal whole.
    ///
    /// What can be read stays; what a snapshot still has takes its place in the log; a damaged snapshot is made anew. The rest is
    /// recorded as lost, and its sequences are not used again. Damaged files are kept aside. Interrupted, it is to be done again; until
    /// then the journal can only be opened for reading.
    /// - Parameter dryRun: Changes nothing; says what is damaged, and what would be lost.
    /// - Throws: `busy` when it is open anywhere; `noJournal`; `damaged` when there is nothing to repair it with; `unsupported`;
    ///   `diskFull`, `system`.
    /// - Complexity: reads everything, and writes the damaged segments anew.
    public static func repair(
        at directory: FilePath, dryRun: Bool = false
    ) async throws(JournalError) -> RepairReport {
        try await onOwnThread { () throws(JournalError) in
            try repair(at: directory, options: Options(), dryRun: dryRun)
        }
    }

    package static func repair(
        at path: FilePath, options: Options, dryRun: Bool
    ) throws(JournalError) -> RepairReport {
        let directory = try absolute(path, options.fileSystem)
        return try JournalRepair(directory: directory, options: options).run(isDryRun: dryRun)
    }
}

/// What damaged snapshots still have of the state before the log begins.
private struct SalvagedBase {
    var sequence: UInt64
    var state = State()
    /// Whatever was added with these is lost; most of it was let go before.
    var losses: [ClosedRange<UInt64>] = []
    var restored: UInt64 = 0
}

/// One repair.
private struct JournalRepair {
    let directory: FilePath
    let options: Journal.Options

    func run(isDryRun: Bool) throws(JournalError) -> RepairReport {
        let before = try Journal.verify(at: directory, fileSystem: options.fileSystem)
        var report = RepairReport(
            problems: before.problems, losses: [], restoredMemories: 0, rewritten: [], setAside: [],
            isDryRun: isDryRun)
        guard !before.isHealthy else {
            report.after = isDryRun ? nil : before
            return report
        }
        let snapshots = try asJournalError { () throws(LogError) in
            try SurveyedSnapshots(directory, options.fileSystem)
        }
        let unfinished = UnfinishedRepair(directory, options.fileSystem)
        var begun: [ClosedRange<UInt64>] = []
        if before.problems.contains(.unfinishedRepair) {
            begun = try asJournalError { () throws(LogError) in try unfinished.losses } ?? before.losses
        }
        // First what is lost, so that no more than that is looked for in a snapshot.
        let floor = try floor(snapshots)
        let (repair, plan) = try asJournalError { () throws(LogError) in
            // How far the log came a repair that was begun may alone know.
            let known = max(snapshots.newest, begun.last?.upperBound ?? 0)
            let gaps = try logRepair(snapshots, floor, known, []).run(applies: false).losses
            let repair = try logRepair(snapshots, floor, known, gaps)
            return (repair, try repair.run(applies: false))
        }
        report.losses = plan.losses
        report.restoredMemories = plan.restored
        report.rewritten = plan.rewritten
        report.setAside =
            plan.setAside + snapshots.damagedFiles.map { "snapshots/\($0.lastComponent!.string)" }
        let base = try salvagedBase(snapshots, plan.firstSequence)
        if let base {
            report.losses.insert(contentsOf: base.losses, at: 0)
            report.restoredMemories += base.restored
        }
        report.losses = report.losses.union(begun)
        if isDryRun { return report }
        try asJournalError { () throws(LogError) in
            let losses = report.losses
            _ = try repair.run(applies: true) { () throws(LogError) in try unfinished.write(losses) }
        }
        try replace(snapshots, with: base, repair)
        report.forgottenAgain = try record(report.losses, snapshots, repair)
        try asJournalError { () throws(LogError) in try unfinished.remove() }
        report.after = try Journal.verify(at: directory, fileSystem: options.fileSystem)
        return report
    }

    /// Up to where history was let go, as snapshots and log know.
    private func floor(_ snapshots: SurveyedSnapshots) throws(JournalError) -> UInt64 {
        var floor = snapshots.floor
        let survey = LogSurvey(directory, fileSystem: options.fileSystem) { frame, payload in
            Journal.problem(in: payload, of: frame) { floor = max(floor, $0) }
        }
        try asJournalError { () throws(LogError) in try survey.run() }
        return floor
    }

    private func logRepair(
        _ snapshots: SurveyedSnapshots, _ floor: UInt64, _ knownThrough: UInt64,
        _ gaps: [ClosedRange<UInt64>]
    ) throws(LogError) -> LogRepair {
        let clock = options.clock
        var logOptions = LogOptions(
            fileSystem: options.fileSystem, now: { clock().microsecondsSince1970 },
            formatTime: { Timestamp(clampingMicrosecondsSince1970: $0).description })
        logOptions.random = options.random
        let survivors = try snapshots.memories(in: gaps).map {
            RepairSurvivor(
                sequence: $0.sequence, recordedMicroseconds: $0.recordedMicroseconds, event: $0.event)
        }
        return LogRepair(
            directory, logOptions, floor: floor, knownThrough: knownThrough,
            survivors: survivors
        ) { frame, payload in Journal.problem(in: payload, of: frame) }
    }

    /// The state before the first event that the log holds, where only damaged snapshots had it.
    private func salvagedBase(
        _ snapshots: SurveyedSnapshots, _ first: UInt64
    ) throws(JournalError) -> SalvagedBase? {
        guard first > 1, !snapshots.sound.contains(where: { $0.table.sequence + 1 >= first }) else {
            return nil
        }
        var base = SalvagedBase(sequence: first - 1)
        var next: UInt64 = 1
        for survivor in try asJournalError({ () throws(LogError) in try snapshots.survivors() })
        where survivor.sequence < first {
            survivor.event.withUnsafeBytes { event in
                base.state.apply(
                    checked: event, sequence: survivor.sequence,
                    recordedMicroseconds: survivor.recordedMicroseconds)
            }
            if survivor.sequence > next { base.losses.append(next...(survivor.sequence - 1)) }
            next = survivor.sequence + 1
            base.restored += 1
        }
        if next < first { base.losses.append(next...(first - 1)) }
        base.state.skip(
            to: first - 1, recordedMicroseconds: base.state.layer.lastRecordedMicroseconds)
        base.state.layer.letGo(upTo: first - 1)
        return base
    }

    /// Sets damaged snapshots aside. What was salvaged of them is written first: a crash in between must not lose it.
    private func replace(
        _ snapshots: SurveyedSnapshots, with base: SalvagedBase?, _ repair: LogRepair
    ) throws(JournalError) {
        var damaged = snapshots.damagedFiles
        if let base {
            let paths = JournalPaths(directory)
            let files = SnapshotFiles(
                paths, options.fileSystem,
                journal: JournalIdentity.journal(in: paths, options.fileSystem),
                cache: BlockCache(limit: 1 << 20), random: options.random)
            // Most often it gets the damaged one's name.
            let isReplaced = damaged.contains(files.path(base.sequence))
            damaged.removeAll { $0 == files.path(base.sequence) }
            _ = try asJournalError { () throws(LogError) in
                if isReplaced { try repair.copyAside(files.path(base.sequence)) }
                return try files.write(
                    base.sequence, level: 8, blockBytes: StateKeys.blockBytes,
                    didWrite: { () throws(FileSystemError) in }
                ) { (writer) throws(LogError) in try Below().write(to: writer, base.state.layer) }
            }
        }
        try asJournalError { () throws(LogError) in for path in damaged { try repair.setAside(path) } }
    }

    /// The losses as events, and a snapshot of what there is.
    ///
    /// - Returns: how many memories were forgotten once more.
    private func record(
        _ losses: [ClosedRange<UInt64>], _ snapshots: SurveyedSnapshots, _ repair: LogRepair
    ) throws(JournalError) -> Int {
        var known: [ErasureScope] = []
        // Where the log has all, the state is made of that, and what snapshots know of the lost events is applied to it.
        if !losses.isEmpty, try reachesBack() {
            known = try asJournalError { () throws(LogError) in
                try snapshots.sound.map { (sound) throws(LogError) in try ErasureScope(sound.table) }
            }
        }
        var options = options
        options.isRepairing = true
        options.ignoresSnapshots = !known.isEmpty
        // None before all is recorded: it would know less than those that it takes the place of.
        options.snapshotEvents = .max
        let journal = try Journal.openNow(at: directory, create: .never, options: options)
        let forgotten: [UInt64]
        do {
            let engine = try journal.engine
            for loss in losses {
                try engine.betweenCommits { () throws(JournalError) in _ = try engine.record(.lost(loss)) }
            }
            forgotten = try journal.forgottenAgain(known)
            for start in stride(from: 0, to: forgotten.count, by: 1000) {
                let piece = Array(forgotten[start..<min(start + 1000, forgotten.count)])
                try engine.betweenCommits { () throws(JournalError) in
                    _ = try engine.record(try Append.forget(piece, limits: engine.limits))
                }
            }
            _ = try journal.snapshotNow()
            try journal.closeNow()
        } catch {
            // The error says more than a failure to close behind it.
            try? journal.closeNow()
            throw error
        }
        // They know of events that the log says were lost.
        if !known.isEmpty {
            try asJournalError { () throws(LogError) in
                for sound in snapshots.sound { try repair.setAside(sound.table.path) }
            }
        }
        return forgotten.count
    }

    private func reachesBack() throws(JournalError) -> Bool {
        try asJournalError { () throws(LogError) in
            try JournalPaths(directory).firstSequence(options.fileSystem) == 1
        }
    }
}

extension Journal {
    /// The memories that are there and that a snapshot knows to be forgotten.
    fileprivate func forgottenAgain(_ known: [ErasureScope]) throws(JournalError) -> [UInt64] {
        guard !known.isEmpty else { return [] }
        let view = try view()
        var found: [UInt64] = []
        for conversation in try view.conversations() {
            for memory in try view.memories(in: conversation.name)
            where known.contains(where: {
                memory.sequence <= $0.through && !$0.isLive(memory.sequence)
            }) {
                found.append(memory.sequence)
            }
        }
        return found
    }
}

extension [ClosedRange<UInt64>] {
    /// All sequences of both, in as few ranges as can be, in order.
    fileprivate func union(_ others: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
        (self + others).sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { all, range in
            if let last = all.last, range.lowerBound <= last.upperBound &+ 1 {
                all[all.count - 1] = last.lowerBound...Swift.max(last.upperBound, range.upperBound)
            } else {
                all.append(range)
            }
        }
    }
}
