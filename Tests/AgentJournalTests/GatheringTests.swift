import Testing

@testable import AgentJournal

/// Whether the committer waits for the callers it has just released.
@Suite struct GatheringTests {
    private let sync = Duration.microseconds(150)

    /// So many came while it waited, where it waited.
    private func commit(_ gathering: inout Gathering, released: Int, came: Int) -> Gathering.Wait? {
        guard let wait = gathering.begin(released: released, waiting: 1, sync: sync) else { return nil }
        gathering.end(waiting: 1 + came)
        return wait
    }

    @Test func whoComesBackIsWaitedForAsLongAsASyncTakes() {
        var gathering = Gathering()
        for _ in 0..<10 {
            let wait = commit(&gathering, released: 9, came: 9)
            #expect(wait?.callers == 9 && wait?.limit == sync)
        }
        let slow = gathering.begin(released: 9, waiting: 7, sync: .milliseconds(8))
        #expect(slow?.limit == .milliseconds(2))
    }

    @Test func oneAloneIsNotWaitedForNorAreMany() {
        func isWaitedFor(released: Int, waiting: Int) -> Bool {
            var gathering = Gathering()
            return gathering.begin(released: released, waiting: waiting, sync: sync) != nil
        }
        #expect(!isWaitedFor(released: 1, waiting: 9))
        #expect(!isWaitedFor(released: 49, waiting: 0))
        #expect(!isWaitedFor(released: 24, waiting: 25))
        #expect(isWaitedFor(released: 24, waiting: 24))
    }

    @Test func asManyAreExpectedAsCameTheLastTime() {
        var gathering = Gathering()
        #expect(commit(&gathering, released: 12, came: 9)?.callers == 12)
        #expect(commit(&gathering, released: 12, came: 9)?.callers == 9)
        // One more after a while.
        for _ in 0..<4 { _ = commit(&gathering, released: 12, came: 12) }
        #expect(commit(&gathering, released: 12, came: 12)?.callers == 12)
    }

    @Test func whereTheyStayAwayItWaitsEverMoreRarely() {
        var gathering = Gathering()
        let waited = (0..<265).filter { _ in commit(&gathering, released: 8, came: 1) != nil }
        #expect(waited == [0, 2, 5, 10, 19, 36, 69, 134, 199, 264])
        for _ in 0..<64 { #expect(commit(&gathering, released: 8, came: 1) == nil) }
        // Who comes back then is waited for each time, until he stays away again.
        for _ in 0..<3 { #expect(commit(&gathering, released: 8, came: 8) != nil) }
        #expect(commit(&gathering, released: 8, came: 0) != nil)
        #expect(commit(&gathering, released: 8, came: 8) == nil)
        #expect(commit(&gathering, released: 8, came: 8) != nil)
    }

    @Test func whoIsCancelledIsNotMissed() {
        var gathering = Gathering()
        #expect(gathering.begin(released: 8, waiting: 4, sync: sync) != nil)
        #expect(gathering.wanted == 12)
        // Two of those who waited already, and one who came.
        for index in [0, 2, 2] { gathering.lost(at: index) }
        #expect(gathering.wanted == 10)
        gathering.end(waiting: 10)
        #expect(gathering.wanted == 0)
        #expect(gathering.begin(released: 8, waiting: 0, sync: sync)?.callers == 8)
    }

    // MARK: In the queue

    /// A queue whose committer has just synced for three, while one waits.
    private func gatheringQueue() throws -> (CommitQueue, Gathering.Wait) {
        var queue = CommitQueue()
        queue.append(requests(3))
        #expect(queue.isDue && queue.beginWriting().count == 3)
        queue.beginSyncing()
        queue.append(requests(1))
        let wait = queue.endSyncing(3, commit: sync, sync: sync)
        return (queue, try #require(wait))
    }

    private func requests(_ count: Int) -> [Request] {
        (0..<count).map { _ in Request(.floor(1)) { _ in } }
    }

    @Test func nothingIsDueUntilTheyAreThere() throws {
        var (queue, wait) = try gatheringQueue()
        queue.append(requests(2))
        #expect(!queue.isDue && queue.isGathering(wait))
        queue.append(requests(1))
        #expect(queue.isDue && !queue.isGathering(wait))
        #expect(queue.beginWriting().count == 4)
    }

    @Test func whenTheTimeIsUpThoseWhoAreThereAreDue() throws {
        var (queue, wait) = try gatheringQueue()
        #expect(!queue.isDue)
        queue.endGathering(wait)
        #expect(queue.isDue && queue.beginWriting().count == 1)
    }

    @Test func whoStopsWaitsForNobody() throws {
        var (queue, wait) = try gatheringQueue()
        queue.isStopping = true
        #expect(queue.isDue && !queue.isGathering(wait))
    }

    @Test func whoTakesWhatAnotherGatheredEndsItsWait() throws {
        var (queue, wait) = try gatheringQueue()
        queue.append(requests(3))
        // The other committer was quicker.
        #expect(queue.beginWriting().count == 4)
        #expect(!queue.isGathering(wait))
        queue.beginSyncing()
        let next = queue.endSyncing(4, commit: sync, sync: sync)
        let second = try #require(next)
        // All came, so as many are waited for again; and the first, when its time is up, does not end the second's wait.
        #expect(second.callers == 4)
        queue.endGathering(wait)
        queue.append(requests(1))
        #expect(!queue.isDue && queue.isGathering(second))
    }

    @Test func onlyOneWaitsAtATime() {
        var gathering = Gathering()
        #expect(gathering.begin(released: 4, waiting: 0, sync: sync) != nil)
        #expect(gathering.begin(released: 4, waiting: 0, sync: sync) == nil)
    }
}
