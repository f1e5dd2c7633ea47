/// The committer's wait for the callers that it has just released, so that they are in the next commit together.
///
/// Callers that add one thing after the other come back within microseconds. To take what waits as soon as there is anything
/// splits them into two halves, each of which waits for the sync of the other: twice as many syncs for as many adds.
/// So it waits for about as large a part of them as came back before, and, once it has told them, for no longer than what that
/// saves those who come: one sync. (PostgreSQL has `commit_delay` and `commit_siblings` for the same; both are to be set by hand.)
///
/// Where callers do not come back it soon stops waiting, and tries again ever more rarely. It does not wait where many callers
/// keep the processor busy for as long as the disk: there two halves that take turns are quicker.
struct Gathering {
    /// A wait that is going on. Whoever takes what was gathered ends it, which may be another committer than the one that waits.
    struct Wait {
        fileprivate let number: Int
        /// The callers of the commit before.
        fileprivate let released: Int
        /// How many of them are waited for.
        let callers: Int
        /// How many others waited already.
        fileprivate(set) var before: Int
        let limit: Duration
    }

    /// Also where a sync takes longer.
    private static let longest = Duration.milliseconds(2)
    private static let mostCallers = 48
    private static let mostRests = 64

    private var wait: Wait?
    private var begun = 0
    /// Of those who were released, how many are expected.
    private var share = 1.0
    /// For so many commits it does not wait.
    private var rests = 0
    private var nextRests = 1

    /// For so many in the queue it waits; 0 when it does not.
    var wanted: Int { wait.map { $0.before + $0.callers } ?? 0 }

    /// Begins a wait, if it is worth it and none is going on.
    ///
    /// - Parameters:
    ///   - released: The callers of the commit that just ended.
    ///   - waiting: Those who wait for the next one already.
    ///   - sync: How long they waited for the disk.
    mutating func begin(released: Int, waiting: Int, sync: Duration) -> Wait? {
        // One who is alone is not waited for.
        guard wait == nil, released > 1, released + waiting <= Gathering.mostCallers else { return nil }
        guard rests == 0 else {
            rests -= 1
            return nil
        }
        begun += 1
        wait = Wait(
            number: begun, released: released,
            callers: max(1, Int((Double(released) * share).rounded(.down))), before: waiting,
            limit: min(sync, Gathering.longest))
        return wait
    }

    /// Whether it is still going on.
    func isGoingOn(_ wait: Wait) -> Bool { self.wait?.number == wait.number }

    /// One of those who wait, in this place of the queue, has gone.
    mutating func lost(at index: Int) {
        if let before = wait?.before, index < before { wait!.before -= 1 }
    }

    /// Ends the wait, if there is one: the queue is taken, or the time is up.
    ///
    /// - Parameter waiting: How many are in the queue now.
    mutating func end(waiting: Int) {
        guard let wait else { return }
        self.wait = nil
        let came = waiting - wait.before
        if came >= wait.callers {
            share = min(1, share + 1 / 16)
            nextRests = 1
        } else if 2 * came >= wait.released {
            share = Double(came) / Double(wait.released)
            nextRests = 1
        } else {
            share = 1
            rests = nextRests
            nextRests = min(2 * nextRests, Gathering.mostRests)
        }
    }
}
