import Testing

@testable import AgentJournal

/// Whether the committer waits for the callers it has just released.
@Suite struct GatheringTests {
    private let sync = Duration.microseconds(150)

    /// So many came while it waited, where it waited.
    private func commit(_ gathering: inout Gathering, released: Int, came: Int) -> Gathering.Plan? {
        guard let plan = gathering.plan(released: released, waiting: 1, sync: sync) else { return nil }
        gathering.ended(came: came, released: released, plan)
        return plan
    }

    @Test func whoComesBackIsWaitedForAsLongAsASyncTakes() {
        var gathering = Gathering()
        for _ in 0..<10 {
            let plan = commit(&gathering, released: 9, came: 9)
            #expect(plan?.callers == 9 && plan?.limit == sync)
        }
        let slow = gathering.plan(released: 9, waiting: 7, sync: .milliseconds(8))
        #expect(slow?.limit == .milliseconds(2))
    }

    @Test func oneAloneIsNotWaitedForNorAreMany() {
        func isWaitedFor(released: Int, waiting: Int) -> Bool {
            var gathering = Gathering()
            return gathering.plan(released: released, waiting: waiting, sync: sync) != nil
        }
        #expect(!isWaitedFor(released: 1, waiting: 9))
        #expect(!isWaitedFor(released: 32, waiting: 0))
        #expect(!isWaitedFor(released: 16, waiting: 16))
        #expect(isWaitedFor(released: 16, waiting: 15))
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
}
