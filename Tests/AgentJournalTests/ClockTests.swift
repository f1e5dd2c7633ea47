import JournalTesting
import Testing

@testable import AgentJournal

@Suite("A clock that jumps")
struct ClockTests {
    private let today = Timestamp(microsecondsSince1970: 1_790_000_000_000_000)!

    private func open(_ disk: SimulatedDisk, _ clock: TestClock) throws -> Journal {
        var options = options(disk, segmentBytes: 4096)
        options.clock = { clock.now }
        return try Journal.openNow(at: directory, options: options)
    }

    private func times(_ journal: Journal) throws -> [Timestamp] {
        try journal.eventsNow(after: 0).map(\.recorded)
    }

    @Test("once in the year 2096, and right again: no event gets that time, and retention goes on")
    func future() async throws {
        let (disk, clock) = (SimulatedDisk(), TestClock())
        clock.now = today
        let journal = try open(disk, clock)
        let conversation = journal.conversation("c")
        try await conversation.add("before")
        clock.now = today.advanced(by: .seconds(70 * 365 * 86_400))
        try await conversation.add("meanwhile")
        clock.now = today.advanced(by: .seconds(60))
        try await conversation.add("after")
        #expect(try times(journal) == [today, today, clock.now])
        try await journal.compact(keepingHistory: .days(1))
        try await journal.close()
    }

    @Test("right after years without an event, and accepted: what comes then has its time")
    func accepted() async throws {
        let (disk, clock) = (SimulatedDisk(), TestClock())
        clock.now = today
        let journal = try open(disk, clock)
        try await journal.conversation("c").add("before")
        clock.now = today.advanced(by: .seconds(1001 * 86_400))
        try await journal.conversation("c").add("doubted")
        try await journal.flush(label: "the clock is right", acceptingClock: true)
        try await journal.conversation("c").add("after")
        #expect(try times(journal) == [today, today, clock.now, clock.now])
        try await journal.close()
    }

    @Test(
        "that was wrong when the journal was made: accepted, times go back, and everything is read as before")
    func wayBack() async throws {
        let (disk, clock) = (SimulatedDisk(), TestClock())
        let wrong = today.advanced(by: .seconds(70 * 365 * 86_400))
        clock.now = wrong
        var journal = try open(disk, clock)
        try await journal.conversation("c").add("wrong")
        clock.now = today
        try await journal.conversation("c").add("still wrong")
        await #expect(throws: JournalError.self) { try await journal.compact(keepingHistory: .days(1)) }
        try await journal.flush(acceptingClock: true)
        try await journal.conversation("c").add("right")
        #expect(try times(journal) == [wrong, wrong, today, today])
        try await journal.snapshot()
        try await journal.close()
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [])
        journal = try open(disk, clock)
        try await journal.conversation("c").add("again")
        #expect(try times(journal).suffix(2) == [today, today])
        #expect(try journal.replayedView().digest() == journal.view().digest())
        try await journal.compact(keepingHistory: .days(1))
        #expect(try await journal.conversation("c").memories().count == 4)
        try await journal.close()
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [])
    }
}
