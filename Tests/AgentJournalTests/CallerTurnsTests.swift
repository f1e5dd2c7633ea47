import Testing

@testable import AgentJournal

/// When a caller commits on its own thread.
@Suite struct CallerTurnsTests {
    private let quick = Duration.microseconds(150)

    @Test func aCallerWhoIsAloneCommits() {
        var turns = CallerTurns()
        #expect(turns.allows(200, mayBlock: false))
        turns.callerCommitted(in: quick, othersWait: false)
        #expect(turns.allows(200, mayBlock: false))
    }

    @Test func whenOthersComeTheCommitterTakesOverUntilOneIsAloneAgain() {
        var turns = CallerTurns()
        turns.callerCommitted(in: quick, othersWait: true)
        #expect(!turns.allows(200, mayBlock: false) && !turns.allows(200, mayBlock: true))
        turns.committerCommitted(3, in: quick, othersWait: false)
        #expect(!turns.allows(200, mayBlock: true))
        turns.committerCommitted(1, in: quick, othersWait: true)
        #expect(!turns.allows(200, mayBlock: true))
        turns.committerCommitted(1, in: quick, othersWait: false)
        #expect(turns.allows(200, mayBlock: false) && turns.allows(200, mayBlock: true))
    }

    @Test func aTaskHoldsItsThreadForMillisecondsAtMost() {
        var turns = CallerTurns()
        var commits = 0
        while turns.allows(200, mayBlock: false) {
            turns.callerCommitted(in: quick, othersWait: false)
            commits += 1
        }
        #expect(commits == 67)
        // A thread of its own goes on.
        #expect(turns.allows(200, mayBlock: true))
        turns.committerCommitted(1, in: quick, othersWait: false)
        #expect(turns.allows(200, mayBlock: false))
    }

    @Test func whereTheDiskIsSlowTasksDoNotCommit() {
        var turns = CallerTurns()
        turns.callerCommitted(in: .milliseconds(8), othersWait: false)
        #expect(!turns.allows(200, mayBlock: false) && turns.allows(200, mayBlock: true))
        turns.committerCommitted(1, in: .milliseconds(8), othersWait: false)
        #expect(!turns.allows(200, mayBlock: false))
        turns.committerCommitted(1, in: quick, othersWait: false)
        #expect(turns.allows(200, mayBlock: false))
    }

    @Test func whatIsLargeIsForTheCommitter() {
        let turns = CallerTurns()
        #expect(!turns.allows(1 << 20, mayBlock: false) && turns.allows(1 << 20, mayBlock: true))
    }
}
