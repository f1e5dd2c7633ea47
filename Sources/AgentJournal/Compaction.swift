import JournalFileSystem
import SegmentLog

/// How much of the past is kept when a journal is compacted.
public enum Retention: Sendable, Hashable {
    /// Everything, from the first event on.
    case all
    /// What was recorded within this time; whole segments go, so somewhat more is kept.
    case duration(Duration)
    /// Nothing but the memories that are there.
    case none

    /// What was recorded within so many days.
    public static func days(_ days: Int) -> Retention {
        // More than there were days is as good as all of them.
        .duration(.seconds(min(max(days, 0), 1 << 23) * 86_400))
    }
}

/// What a compaction did, or would do.
public struct CompactionReport: Sendable, Hashable {
    /// A file that goes.
    public struct RemovedFile: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// Its length, in bytes.
        public var bytes: UInt64
        /// For a segment, the sequences whose history goes with it; nil when it holds none, and for a snapshot.
        public var sequences: ClosedRange<UInt64>?
    }

    /// History up to here is let go; 0 when all is kept.
    public var floor: UInt64
    /// The first event that the log holds afterwards.
    public var firstSequence: UInt64
    /// The last event that the newest snapshot covers; in a dry run, that it would cover.
    public var snapshotSequence: UInt64
    /// Segments that are dropped, and snapshots that are not needed any more.
    public var removed: [RemovedFile]
    /// Segments that are packed: how many, and their bytes before.
    public var packedSegments: Int
    /// Their lengths before, in bytes.
    public var packedBytesBefore: UInt64
    /// Their lengths after, in bytes; nil in a dry run, because only packing tells.
    public var packedBytesAfter: UInt64?
    /// What was erased, or would be; nil when that was not asked for.
    public var erasure: ErasureReport?
    /// Whether nothing was done.
    public var isDryRun: Bool
    /// How long the journal's files were before, and how long they are after it, or in a dry run would be.
    public var files: FileLengths

    /// How long all files of the journal are, in bytes: before a compaction and after it.
    ///
    /// In a dry run `after` is what compacting would give: it is compressed for that, and not kept. What would be erased is not taken off.
    public struct FileLengths: Sendable, Hashable {
        /// All files before.
        public var before: UInt64 = 0
        /// All files after.
        public var after: UInt64 = 0
        /// Of these, the segments of the log: the history.
        public var logAfter: UInt64 = 0
        /// Of these, the snapshots: the memories that are there and the keys, to be looked up.
        public var snapshotsAfter: UInt64 = 0
    }

    /// The bytes of the files that go.
    public var freedBytes: UInt64 { removed.reduce(0) { $0 + $1.bytes } }
}

extension Journal {
    /// Writes the state as it is now to a snapshot, so that the next opening reads that and replays what comes after.
    ///
    /// Snapshots are taken in the background too, by `Options.snapshotEvents`. Adds go on meanwhile.
    /// - Returns: The last event that it covers.
    /// - Throws: `diskFull`, `system`: there is no new snapshot, and nothing else changed; `damaged` when the last snapshot is
    ///   and the log does not reach back; `closed`; `notWritten` when an earlier failure ended writing.
    /// - Complexity: writes what changed, and copies the blocks of the last snapshot that did not.
    @discardableResult
    public func snapshot() async throws(JournalError) -> UInt64 {
        try await maintain { engine throws(JournalError) in
            try engine.inMaintenanceRange { () throws(JournalError) in try engine.takeSnapshot() }
        }
    }

    /// Makes the journal smaller: takes a snapshot, drops the history that is not to be kept, and packs the rest.
    ///
    /// Memories that are there are never dropped, whatever the retention. Adds go on meanwhile. Interrupted at any moment
    /// it leaves a journal that holds the same; calling it again goes on.
    /// - Parameters:
    ///   - retention: What to keep of the past: what `events`, `view(at:)` and the tool's `log` can look back to.
    ///   - erasingForgotten: Erases what was forgotten before this call: no byte of the content, metadata, mime type, role and
    ///     idempotency key of a forgotten memory is in any file of the journal afterwards, nor the name of a conversation that holds
    ///     no memory any more. Their sequences and the times stay; so do retries of their keys, whose receipts say `isErased`.
    ///     Interrupted, it leaves some of it, and the next call that erases goes on. See <doc:Erasure>.
    ///   - dryRun: Changes nothing, and says what would go and how large the rest would be. A journal that is open for reading only
    ///     can say it too. It takes as long as compacting, for it compresses all the same.
    ///   - receipt: Called with what was erased, on a thread of the journal's, before that is recorded as done. Where it throws, the next
    ///     erasure goes on, and its receipt has all of it. Not called when there was nothing to erase.
    /// - Throws: `clockUncertain` when the retention is a duration and the clock is far from the last event; `diskFull`,
    ///   `damaged`, `system`; what was done by then is done.
    /// - Complexity: rewrites the segments that are not packed yet. Erasing reads the newest snapshot, rewrites the snapshots, and
    ///   copies those segments that hold what is forgotten; where names of conversations go it reads all.
    @discardableResult
    public func compact(
        keepingHistory retention: Retention = .all, erasingForgotten: Bool = false, dryRun: Bool = false,
        receipt: ErasureReport.Handler? = nil
    ) async throws(JournalError) -> CompactionReport {
        try await compact(
            keepingHistory: retention, erasingForgotten: erasingForgotten, dryRun: dryRun, progress: nil,
            receipt: receipt)
    }

    /// Tells how far it is, too.
    package func compact(
        keepingHistory retention: Retention, erasingForgotten: Bool, dryRun: Bool,
        progress: CompactionProgress?, receipt: ErasureReport.Handler? = nil
    ) async throws(JournalError) -> CompactionReport {
        let (engine, segmentLog) = (try engine, try segmentLog)
        let now = segmentLog.options.now()
        let journal = segmentLog.identity.journal.description
        var handOver: ErasureReport.Handler?
        if let receipt {
            handOver = { (erased: ErasureReport) throws in
                var named = erased
                named.journal = journal
                try receipt(named)
            }
        }
        let willRecord = handOver
        var report: CompactionReport
        let plan = { @Sendable (engine: Engine) throws(JournalError) -> CompactionReport in
            var report = try CompactionRun(engine: engine, now: now, isErasing: erasingForgotten).plan(
                retention)
            let before = try segmentLog.lengths()
            let forecast = CompactionForecast(engine: engine, segmentLog: segmentLog, progress: progress)
            report.files = CompactionReport.FileLengths(before, after: try forecast.lengths(report, before))
            return report
        }
        if dryRun, engine.isReadOnly {
            try checkOpen()
            // By the last event's time a retention is checked: so the state is that of now.
            _ = try engine.now()
            report = try plan(engine)
        } else {
            report = try await maintain { engine throws(JournalError) in
                guard !dryRun else { return try plan(engine) }
                let before = try segmentLog.lengths()
                var report = try CompactionRun(
                    engine: engine, now: now, isErasing: erasingForgotten, willRecordErasure: willRecord,
                    progress: progress
                ).run(retention)
                report.files = CompactionReport.FileLengths(before, after: try segmentLog.lengths())
                return report
            }
        }
        report.erasure?.journal = journal
        return report
    }

    /// Runs a job on the maintenance thread.
    func maintain<R: Sendable>(
        _ body: @escaping @Sendable (Engine) throws(JournalError) -> R
    ) async throws(JournalError) -> R {
        try checkWritable()
        let engine = try engine
        let result: Result<R, JournalError> = await withCheckedContinuation { continuation in
            Journal.submitMaintenance(engine, body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// The same, blocking the caller's thread.
    func maintainAndWait<R: Sendable>(
        _ body: @escaping @Sendable (Engine) throws(JournalError) -> R
    ) throws(JournalError) -> R {
        try checkWritable()
        let done = Monitor<Result<R, JournalError>?>(nil)
        Journal.submitMaintenance(try engine, body) { result in
            done.withLock { $0 = result }
            done.signal()
        }
        return try done.withLock(waitingUntil: { $0 != nil }) { $0! }.get()
    }

    /// Enqueues a job, and tells once what came of it.
    private static func submitMaintenance<R: Sendable>(
        _ engine: Engine, _ body: @escaping @Sendable (Engine) throws(JournalError) -> R,
        _ completion: @escaping @Sendable (Result<R, JournalError>) -> Void
    ) {
        do throws(JournalError) {
            let isTaken = try engine.maintenance.submit {
                let result: Result<R, JournalError>
                do throws(JournalError) {
                    do throws(JournalError) {
                        result = .success(try body(engine))
                    } catch {
                        // Without a snapshot that is damaged, once more.
                        try engine.heal(error)
                        result = .success(try body(engine))
                    }
                } catch {
                    result = .failure(error)
                }
                completion(result)
            }
            if !isTaken { completion(.failure(Engine.closed)) }
        } catch {
            completion(.failure(error))
        }
    }
}

extension CompactionReport.FileLengths {
    init(_ before: JournalFileLengths, after: JournalFileLengths) {
        self.init(
            before: before.log + before.snapshots + before.others,
            after: after.log + after.snapshots + after.others, logAfter: after.log,
            snapshotsAfter: after.snapshots)
    }
}

extension SegmentLog {
    fileprivate func lengths() throws(JournalError) -> JournalFileLengths {
        try asJournalError { () throws(LogError) in try fileLengths() }
    }
}
