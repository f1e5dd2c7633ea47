import JournalFileSystem
import SegmentLog

/// The thread that takes snapshots and compacts, one job after the other, beside the adds. It begins with the first job.
final class Maintenance: Sendable {
    /// When a snapshot is due.
    struct Options: Sendable {
        /// So many events since the last one.
        var events: UInt64 = 200_000
        /// So many bytes of state in memory since the last one.
        var bytes = 64 << 20
        /// zlib's level for snapshots and packed segments. Short messages are packed 0.7 % smaller by 9, in a third more time.
        var level: Int32 = 8
        /// How much memory a replay may take.
        var replayBytes = 256 << 20

        /// How long another process that takes a snapshot or compacts is waited for.
        var patience = Duration.seconds(300)

        /// Whether segments are packed also where that makes them larger.
        var packsAlways = false

        init() {}

        init(events: UInt64, replayBytes: Int, packsAlways: Bool, patience: Duration) {
            self.patience = patience
            self.events = events
            self.replayBytes = replayBytes
            self.packsAlways = packsAlways
        }
    }

    typealias Job = @Sendable () -> Void

    private struct Jobs {
        var waiting: [Job] = []
        var isSnapshotDue = false
        /// After a failure none is tried before this event.
        var notBefore: UInt64 = 0
        var isStopping = false
        var thread: JoinableThread?
    }

    let options: Options
    private let jobs = Monitor(Jobs())

    init(_ options: Options) { self.options = options }

    /// Whether the engine is being closed; a job that sees that gives up.
    var isStopping: Bool { jobs.withLock { $0.isStopping } }

    /// Puts a job at the end of the queue.
    ///
    /// - Returns: false when the engine is being closed; the job is then not run.
    func submit(_ job: @escaping Job) throws(JournalError) -> Bool {
        let isTaken = try jobs.withLock { (jobs) throws(JournalError) -> Bool in
            guard !jobs.isStopping else { return false }
            if jobs.thread == nil {
                do throws(Errno) {
                    jobs.thread = try spawnThread(name: "journal-maintain", inBackground: true) { [self] in
                        run()
                    }
                } catch {
                    throw JournalError(
                        .system, "The thread for snapshots cannot be started: \(error)", errno: error)
                }
            }
            jobs.waiting.append(job)
            return true
        }
        jobs.signal()
        return isTaken
    }

    /// Whether the caller is to submit a snapshot that became due: at most one waits, and after one that failed none is
    /// tried before as many events came again as make one due.
    func claimDueSnapshot(at sequence: UInt64) -> Bool {
        jobs.withLock { jobs in
            guard !jobs.isSnapshotDue, !jobs.isStopping, sequence >= jobs.notBefore else { return false }
            jobs.isSnapshotDue = true
            return true
        }
    }

    func dueSnapshotEnded() { jobs.withLock { $0.isSnapshotDue = false } }

    func dueSnapshotFailed(at sequence: UInt64) {
        jobs.withLock { jobs in
            jobs.isSnapshotDue = false
            let (next, overflow) = sequence.addingReportingOverflow(options.events)
            jobs.notBefore = overflow ? .max : next
        }
    }

    private func run() {
        while true {
            let job = jobs.withLock(waitingUntil: { !$0.waiting.isEmpty || $0.isStopping }) { jobs in
                jobs.waiting.isEmpty ? nil : jobs.waiting.removeFirst()
            }
            guard let job else { return }
            job()
        }
    }

    /// Ends the thread: the present job gives up, those behind it run and see that they should.
    func stop() {
        let thread = jobs.withLock { jobs in
            jobs.isStopping = true
            return jobs.thread
        }
        jobs.broadcast()
        thread?.join()
    }
}
