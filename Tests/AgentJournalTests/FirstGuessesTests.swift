import AgentJournal
import JournalTesting
import Testing

/// What somebody writes who has not read the documentation.
@Suite struct FirstGuessesTests {
    @Test func whatAVariableHoldsIsAdded() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let text = "prefers email"
        let word = text.split(separator: " ")[0]
        let json: JSON = ["celsius": 24]
        let quoted: JSON = "a text"
        let bytes: [UInt8] = [0x89, 0x50]
        let content: Content = .text("a content")
        let memory = NewMemory(text, role: .system)
        try await conversation.add(text, role: .user, metadata: ["topic": "contact"])
        try await conversation.add(word)
        try await conversation.add(json)
        try await conversation.add(quoted)
        try await conversation.add(bytes, mimeType: "image/png")
        try await conversation.add(content)
        try await conversation.add(memory)
        try await conversation.add("said \(word)", role: "critic")
        let memories = try await conversation.memories()
        #expect(
            memories.map(\.content) == [
                "prefers email", "prefers", .json(["celsius": 24]), "a text", .bytes([0x89, 0x50]),
                "a content",
                "prefers email", "said prefers",
            ])
        #expect(memories.map(\.role) == [.user, nil, nil, nil, nil, nil, .system, "critic"])
        let texts = ["one", "two"]
        try await conversation.add(contentsOf: texts.map { NewMemory($0, role: .user) })
        #expect(try await conversation.memories(last: 2).map(\.text) == texts)
        let labels = ["topic": "contact"]
        try await conversation.add(text, metadata: Metadata(labels))
        #expect(try await conversation.memories(last: 1)[0].metadata["topic"] == "contact")
        try await journal.close()
    }

    @Test func aMemorySaysWhatItHolds() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(contentsOf: [
            NewMemory("text"), NewMemory(.json(["n": 1])), NewMemory([1, 2, 3] as [UInt8]),
        ])
        let memories = try await conversation.memories()
        #expect(memories.map(\.text) == ["text", nil, nil])
        #expect(memories.map(\.json) == [nil, ["n": 1], nil])
        #expect(memories.map(\.bytes) == [nil, nil, [1, 2, 3]])
        #expect(memories.map { "\($0.content)" } == ["text", "{\"n\":1}", "<3 bytes>"])
        try await journal.close()
    }

    @Test func aMemoryIsForgottenAndReplacedByItself() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(contentsOf: ["one", NewMemory("two", role: .user), "three", "four"])
        let memories = try await conversation.memories()
        try await memories[0].forget()
        let text = "second"
        try await memories[1].replace(with: text)
        try await memories[2].replace(with: "third", role: .tool)
        #expect(try await conversation.memories().map(\.text) == ["four", "second", "third"])
        #expect(try await conversation.memories().map(\.role) == [nil, .user, .tool])
        #expect(await code { try await memories[0].forget() } == .noSuchMemory)
        #expect(await code { try await memories[1].replace(with: "again") } == .noSuchMemory)
        try await journal.close()
        #expect(await code { try await memories[3].forget() } == .closed)
    }

    /// Wherever a memory was read, it can be forgotten.
    @Test func aMemoryKnowsItsJournalWhereverItWasRead() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        for text in ["0", "1", "2", "3", "4", "5"] { try await conversation.add(text, idempotencyKey: text) }
        try await conversation.memories(last: 1)[0].forget()
        try await journal.view(at: .sequence(6)).memories(in: "a")[4].forget()
        try await #require(try await journal.view(at: .sequence(6)).memory(4)).forget()
        try await #require(try await conversation.memory(forKey: "2")?.memory).forget()
        try await #require(try await journal.history(of: 2).memory).forget()
        for try await event in journal.events() {
            if case .added(let memory) = event.kind, memory.sequence == 1 { try await memory.forget() }
        }
        #expect(try await conversation.count() == 0)
        try await journal.close()
    }

    /// A memory is a value: it does not keep a journal open, and where it was read is no part of it.
    @Test func aMemoryDoesNotKeepItsJournalOpen() async throws {
        let disk = SimulatedDisk()
        var journal: Journal? = try await Journal.open(disk)
        try await journal?.conversation("a").add("one")
        let memory = try #require(try await journal?.conversation("a").memories().first)
        journal = nil
        #expect(await code { try await memory.forget() } == .closed)
        let again = try await Journal.open(disk)
        let same = try #require(try await again.conversation("a").memories().first)
        #expect(memory == same && memory.hashValue == same.hashValue)
        try await same.forget()
        try await again.close()
    }

    @Test func oneMemoryIsForgottenByTheJournal() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let receipt = try await journal.conversation("a").add("one")
        try await journal.conversation("b").add("two")
        try await journal.forget(receipt.sequence)
        try await journal.forget(2)
        #expect(try await journal.count() == 0)
        #expect(await code { try await journal.forget(17) } == .noSuchMemory)
        try await journal.close()
    }

    @Test func whatIsThereIsCounted() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        let conversation = journal.conversation("a")
        #expect(try await [conversation.count(), journal.count()] == [0, 0])
        try await conversation.add(contentsOf: ["one", "two", "three"])
        try await journal.conversation("b").add("four")
        try await conversation.forget(2)
        #expect(try await [conversation.count(), journal.count()] == [2, 3])
        let then = try await journal.view(at: .sequence(3))
        #expect(try then.count(of: "a") == 3 && then.count == 3)
        try await journal.close()
        await #expect(throws: JournalError.self) { try await conversation.count() }
    }
}
