import JournalFileSystem
import Synchronization

/// What waits to be committed, and who commits. The engine keeps it under a monitor.
struct CommitQueue {
    /// In the order of their numbers.
    private(set) var pending: [Request] = []
    private var appended: UInt64 = 0
    /// A committer writes, or a caller in its place commits, or somebody does something between two commits; never two at once.
    var isCommitting = false
    /// How many committers sync what they wrote.
    private var syncing = 0
    /// How many requests the last write took.
    private var lastTaken = 0
    /// How many writes began, one after the other, while another one was being synced.
    private var rowWithoutPause = 0
    /// Somebody waits to do something between two commits, and comes first.
    var isAwaited = false
    var turns = CallerTurns()
    private var gathering = Gathering()
    var isStopping = false
    /// The one who takes turns with the first committer, once it was wanted.
    var second: JoinableThread?
    /// There may be no more threads: the first one goes on alone.
    var hasNoThreads = false

    /// At most so much payload goes into one commit.
    private static let commitBytes = 4 << 20

    /// A frame promises that all before it is durable only where that is so when it is written. By its promise damage before it is
    /// known from what a crash left, so from time to time the writing waits for the syncs.
    private static let longestRow = 8

    /// For fewer, to wake a second thread takes longer than to write them.
    private static let fewest = 16

    /// Nothing is on its way.
    var isQuiet: Bool { !isCommitting && syncing == 0 }

    /// Whether a committer writes what is pending.
    ///
    /// While another one syncs, only as many as that one took: fewer would have to wait for a sync of their own, which those
    /// who come a moment later could have shared.
    var isDue: Bool {
        guard !isCommitting, !isAwaited, !pending.isEmpty else { return false }
        guard pending.count >= gathering.wanted || isStopping else { return false }
        return syncing == 0
            || syncing == 1 && pending.count >= max(lastTaken, CommitQueue.fewest)
                && rowWithoutPause < CommitQueue.longestRow
    }

    /// Whether the committers may end: nothing is on its way, and nothing comes.
    var isDone: Bool { isStopping && pending.isEmpty && isQuiet && !isAwaited }

    /// Whether somebody who sleeps has something to do now.
    var mustWake: Bool { isDue || isAwaited || isStopping }

    mutating func append(_ requests: some Collection<Request>) {
        for request in requests {
            appended += 1
            request.number.store(appended, ordering: .relaxed)
            pending.append(request)
        }
    }

    /// Takes one out; false when it was taken up already.
    ///
    /// - Complexity: a search by halves. That of all, for many who are cancelled at once, would keep the committer waiting.
    mutating func remove(_ request: Request) -> Bool {
        let number = request.number.load(ordering: .relaxed)
        var range = pending.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if pending[middle].number.load(ordering: .relaxed) < number {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        guard range.lowerBound < pending.count, pending[range.lowerBound] === request else { return false }
        pending.remove(at: range.lowerBound)
        gathering.lost(at: range.lowerBound)
        return true
    }

    /// A committer begins to write what is pending, or as much of it as goes into one commit.
    mutating func beginWriting() -> [Request] {
        isCommitting = true
        rowWithoutPause = syncing == 0 ? 0 : rowWithoutPause + 1
        gathering.end(waiting: pending.count)
        let taken = take()
        lastTaken = taken.count
        return taken
    }

    /// It has written, and begins to sync.
    mutating func beginSyncing() {
        isCommitting = false
        syncing += 1
    }

    /// It has synced so many requests.
    ///
    /// - Returns: What the committer waits for before it goes on, once it has told the callers.
    mutating func endSyncing(_ count: Int, commit: Duration, sync: Duration) -> Gathering.Wait? {
        syncing -= 1
        turns.committerCommitted(count, in: commit, othersWait: !pending.isEmpty || !isQuiet)
        // Whoever takes turns with another one has enough to do.
        guard isQuiet else { return nil }
        return gathering.begin(released: count, waiting: pending.count, sync: sync)
    }

    /// Whether that wait still goes on.
    func isGathering(_ wait: Gathering.Wait) -> Bool {
        gathering.isGoingOn(wait) && pending.count < gathering.wanted && !isStopping
    }

    /// Its time is up.
    mutating func endGathering(_ wait: Gathering.Wait) {
        if gathering.isGoingOn(wait) { gathering.end(waiting: pending.count) }
    }

    private mutating func take() -> [Request] {
        var bytes = 0
        var count = 0
        for request in pending {
            bytes += request.append.rawBytes
            if count > 0, bytes > CommitQueue.commitBytes { break }
            count += 1
        }
        if count == pending.count {
            defer { pending.removeAll(keepingCapacity: true) }
            return pending
        }
        defer { pending.removeFirst(count) }
        return Array(pending[..<count])
    }
}
