import AgentJournal
import JournalTesting
import Testing

/// An agent that remembers what it is told, and one that answers before it does.
private struct Agent {
    let conversation: Conversation
    var awaits = true

    init(_ journal: Journal, awaits: Bool = true) {
        conversation = journal.conversation("user")
        self.awaits = awaits
    }

    func answer(_ message: String) async throws -> String {
        guard awaits else { return answerTooEarly(message) }
        try await conversation.add(.text(message))
        return "I'll remember that."
    }

    private func answerTooEarly(_ message: String) -> String {
        Task { try await conversation.add(.text(message)) }
        return "I'll remember that."
    }
}

@Suite("A crash test of an agent")
struct CrashTestTests {
    // The article "Crash-test your agent" has these lines.
    @Test("passes when the agent awaits its adds")
    func awaiting() async throws {
        let messages = (1...50).map { "fact \($0)" }
        let report = try await CrashTest.run { trial in
            let agent = Agent(try await trial.openJournal())
            for message in messages {
                _ = try await agent.answer(message)
                trial.promise(message)
            }
        } check: { journal, promises in
            let known = try await journal.conversation("user").memories().compactMap(\.content.text)
            return promises.first { !known.contains($0) }.map { "\($0) is forgotten" }
        }
        #expect(report.failures.isEmpty, "\(report.failures.first?.description ?? "")")
        #expect(report.powerCuts == 1000)
        #expect(report.differentDisks > 50)
        #expect(report.promisesChecked > 5000)
    }

    @Test("fails when the agent forgets to await its adds")
    func forgettingToAwait() async throws {
        let report = try await CrashTest.run { trial in
            let agent = Agent(try await trial.openJournal(), awaits: false)
            for number in 1...50 {
                _ = try await agent.answer("fact \(number)")
                trial.promise("fact \(number)")
            }
            try await trial.openJournal().close()
        } check: { journal, promises in
            let known = try await journal.conversation("user").memories().compactMap(\.content.text)
            return promises.first { !known.contains($0) }.map { "\($0) is forgotten" }
        }
        let failure = try #require(report.failures.first)
        #expect(failure.problem.hasSuffix("is forgotten"))
        #expect(failure.description.contains("power cut"))
    }

    @Test("counts as wrong what the check throws, and passes on what the agent throws")
    func throwing() async throws {
        struct Refusal: Error {}
        let report = try await CrashTest.run(powerCuts: 3) { trial in
            try await trial.openJournal().conversation("a").add("b")
        } check: { _, _ in
            throw Refusal()
        }
        #expect(report.failures.count == 3)
        await #expect(throws: Refusal.self) {
            try await CrashTest.run { _ in
                throw Refusal()
            } check: { _, _ in
                nil
            }
        }
    }

    @Test("fails when the agent did not use the trial's disk")
    func unused() async throws {
        let report = try await CrashTest.run { _ in
        } check: { _, _ in
            nil
        }
        #expect(report.failures.count == 1)
    }

    @Test("repeats its cuts with the same seed")
    func seeds() async throws {
        // How often the journal looks whether its files are still there goes by the clock.
        var options = Journal.Options()
        options.clock = { Timestamp(clampingMicrosecondsSince1970: 1_700_000_000_000_000) }
        let still = options
        func failures(_ seed: UInt64) async throws -> [String] {
            try await CrashTest.run(powerCuts: 20, seed: seed) { trial in
                let journal = try await trial.openJournal(options: still)
                for number in 1...5 { try await journal.conversation("a").add("\(number)") }
                try await journal.close()
            } check: { journal, _ in
                "\(try await journal.conversation("a").memories().count) memories"
            }.failures.map(\.description)
        }
        let first = try await failures(7)
        #expect(first.count == 20)
        #expect(try await failures(7) == first)
        #expect(try await failures(8) != first)
    }
}
