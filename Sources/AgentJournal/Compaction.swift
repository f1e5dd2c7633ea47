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
    ///   - dryRun: Changes nothing, and says what would go. A journal that is open for reading only can say it too.
    /// - Throws: `clockUncertain` when the retention is a duration and the clock is far from the last event; `diskFull`,
    ///   `damaged`, `system`; what was done by then is done.
    /// - Complexity: rewrites the segments that are not packed yet. Erasing reads the newest snapshot, rewrites the snapshots, and
    ///   copies those segments that hold what is forgotten; where names of conversations go it reads all.
    @discardableResult
    public func compact(
        keepingHistory retention: Retention = .all, erasingForgotten: Bool = false, dryRun: Bool = false
    ) async throws(JournalError) -> CompactionReport {
        let (engine, segmentLog) = (try engine, try segmentLog)
        let now = segmentLog.options.now()
        var report: CompactionReport
        if dryRun, engine.isReadOnly {
            try checkOpen()
            // By the last event's time a retention is checked: so the state is that of now.
            _ = try engine.now()
            report = try CompactionRun(engine: engine, now: now, isErasing: erasingForgotten).plan(retention)
        } else {
            report = try await maintain { engine throws(JournalError) in
                let compaction = CompactionRun(engine: engine, now: now, isErasing: erasingForgotten)
                return dryRun ? try compaction.plan(retention) : try compaction.run(retention)
            }
        }
        report.erasure?.journal = segmentLog.identity.journal.description
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
