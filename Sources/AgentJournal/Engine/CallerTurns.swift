/// When a caller commits on its own thread, in the committer's place.
///
/// Handing an append to another thread, and the task back to its own, costs two wake-ups of a sleeping processor: some
/// 50 µs, beside a sync of 100 to 200. A caller who is alone need not pay them. As soon as others come, the committer
/// takes over, because only while it waits for the disk can all of them encode and enqueue for the next commit.
///
/// A task must not hold a thread of its pool for long. So tasks commit themselves only where the disk is quick, and
/// after some milliseconds one commit goes to the committer: that suspends the task, others run, and if they append
/// too, they are found waiting.
struct CallerTurns {
    /// A disk that takes longer is not one where wake-ups matter.
    private static let longestCommit = Duration.milliseconds(1)
    /// For so long a task commits one append after the other without being suspended.
    private static let longestRow = Duration.milliseconds(10)
    /// What a quick disk takes in that time.
    private static let mostBytes = 64 << 10

    /// The last commit was of one append, and nobody waited when it ended.
    private var isAlone = true
    private var lastCommit = Duration.zero
    /// What the callers' commits took since the committer's last one.
    private var row = Duration.zero

    /// Whether a caller for whom nobody else waits commits itself.
    ///
    /// - Parameters:
    ///   - bytes: The payload it appends.
    ///   - mayBlock: The caller's thread is its own and would wait anyway.
    func allows(_ bytes: Int, mayBlock: Bool) -> Bool {
        let isShort =
            bytes <= CallerTurns.mostBytes && lastCommit < CallerTurns.longestCommit
            && row < CallerTurns.longestRow
        return isAlone && (mayBlock || isShort)
    }

    mutating func callerCommitted(in duration: Duration, othersWait: Bool) {
        isAlone = !othersWait
        lastCommit = duration
        row += duration
    }

    mutating func committerCommitted(_ count: Int, in duration: Duration, othersWait: Bool) {
        isAlone = count == 1 && !othersWait
        lastCommit = duration
        row = .zero
    }
}
