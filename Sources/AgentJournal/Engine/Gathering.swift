/// How long the committer waits for the callers that it has just released, so that they are in the next commit together.
///
/// Callers that add one thing after the other come back within microseconds. To take what waits as soon as there is anything
/// splits them into two halves, each of which waits for the sync of the other: twice as many syncs for as many adds.
/// So it waits for as many as came back the last time, and never longer than what it saves those who come: one sync.
/// (PostgreSQL has `commit_delay` and `commit_siblings` for the same; both are to be set by hand.)
///
/// Where callers do not come back it soon stops waiting, and tries again ever more rarely. It does not wait where many callers
/// keep the processor busy for as long as the disk: there two halves that take turns are quicker.
struct Gathering {
    /// What it waits for.
    struct Plan {
        /// So many of those who were released.
        var callers: Int
        var limit: Duration
    }

    /// Also where a sync takes longer.
    private static let longest = Duration.milliseconds(2)
    private static let mostCallers = 32
    private static let mostRests = 64

    /// Of those who were released, how many are expected.
    private var share = 1.0
    /// For so many commits it does not wait.
    private var rests = 0
    private var nextRests = 1

    /// - Parameters:
    ///   - released: The callers of the commit that just ended.
    ///   - waiting: Those who wait for the next one already.
    ///   - sync: How long they waited for the disk.
    mutating func plan(released: Int, waiting: Int, sync: Duration) -> Plan? {
        // One who is alone is not waited for.
        guard released > 1, released + waiting < Gathering.mostCallers else { return nil }
        guard rests == 0 else {
            rests -= 1
            return nil
        }
        return Plan(
            callers: max(1, Int((Double(released) * share).rounded(.down))),
            limit: min(sync, Gathering.longest))
    }

    /// - Parameters:
    ///   - came: How many came while it waited.
    ///   - released: Of how many.
    mutating func ended(came: Int, released: Int, _ plan: Plan) {
        if came >= plan.callers {
            share = min(1, share + 1 / 16)
            nextRests = 1
        } else if 2 * came >= released {
            share = Double(came) / Double(released)
            nextRests = 1
        } else {
            share = 1
            rests = nextRests
            nextRests = min(2 * nextRests, Gathering.mostRests)
        }
    }
}
