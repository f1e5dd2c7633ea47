import AgentJournal
import JournalTesting
import Testing

@Suite struct SmokeTests {
    @Test func addsAndReadsBackAfterReopening() async throws {
        let disk = SimulatedDisk()
        var options = Journal.Options()
        options.fileSystem = disk
        let journal = try await Journal.open(at: "/memory", options: options)
        let conversation = journal.conversation("support/user-42")
        let receipt = try await conversation.add(
            "prefers email", role: .user, metadata: ["topic": "contact"], idempotencyKey: "msg-17")
        #expect(receipt.sequence == 1)
        let again = try await conversation.add(
            "prefers email", role: .user, metadata: ["topic": "contact"], idempotencyKey: "msg-17")
        #expect(again.isReplayed && again.sequence == 1)
        try await conversation.replace(1, with: "prefers phone")
        try await journal.flush(label: "after onboarding")
        let digest = try journal.view().digest()
        let before = try await journal.view(at: .sequence(1))
        #expect(try before.memories(in: "support/user-42").map(\.content) == ["prefers email"])
        try await journal.close()

        let reopened = try await Journal.open(at: "/memory", create: .never, options: options)
        #expect(try reopened.view().digest() == digest)
        let memories = try await reopened.conversation("support/user-42").memories(last: 20)
        #expect(memories.map(\.content) == ["prefers phone"])
        let report = try await reopened.verify()
        #expect(report.problems.isEmpty, "\(report.problems)")
        #expect(report.events == 4)
        var kinds = 0
        for try await _ in reopened.events() { kinds += 1 }
        #expect(kinds == 4)
        try await reopened.close()
    }
}
