import AgentJournal
import JournalTesting
import Testing

/// Looking back to a label while another flush bears it.
@Suite struct LabelTests {
    @Test func aFlushThatIsNotDurableHidesNoEarlierOneWithItsLabel() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("one")
        let first = try await journal.flush(label: "done")
        try await journal.conversation("a").add("two")
        // It is in the state by then, and never becomes visible.
        disk.failNext(.syncData, with: .inputOutputError)
        #expect(await code { _ = try await journal.flush(label: "done") } == .outcomeUnknown)
        let view = try await journal.view(at: .label("done"))
        #expect(view.sequence == first.sequence)
        #expect(try view.memories(in: "a").map(\.content.text) == ["one"])
        try await journal.close()
    }
}
