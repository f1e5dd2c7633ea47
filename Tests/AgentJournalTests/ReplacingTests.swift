import AgentJournal
import JournalTesting
import Testing

/// What a replacement keeps of the memory whose place it takes.
@Suite struct ReplacingTests {
    private func journalWithOne() async throws -> (journal: Journal, conversation: Conversation) {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(
            "email", role: .user, mimeType: "text/markdown", metadata: ["topic": "contact"],
            timestamp: Timestamp("2020-01-01T00:00:00Z"), idempotencyKey: "m-1")
        return (journal, conversation)
    }

    @Test func whatIsNotGivenStays() async throws {
        let (journal, conversation) = try await journalWithOne()
        let receipt = try await conversation.replace(1, with: "phone")
        let memory = try #require(try await conversation.memories().first)
        #expect(memory.text == "phone" && memory.sequence == receipt.sequence && memory.replaces == 1)
        #expect(memory.role == .user && memory.mimeType == "text/markdown")
        #expect(memory.metadata == ["topic": "contact"])
        // These are the old memory's own.
        #expect(memory.timestamp == memory.recorded && memory.idempotencyKey == nil)
        try await journal.close()
    }

    @Test func whatIsGivenTakesItsPlace() async throws {
        let (journal, conversation) = try await journalWithOne()
        try await conversation.replace(
            1, with: "phone", role: .assistant, mimeType: "text/plain", metadata: [:], idempotencyKey: "m-2")
        let memory = try #require(try await conversation.memories().first)
        #expect(memory.role == .assistant && memory.mimeType == "text/plain")
        #expect(memory.metadata.isEmpty && memory.idempotencyKey == "m-2")
        try await journal.close()
    }

    @Test func aNewMemoryKeepsNothing() async throws {
        let (journal, conversation) = try await journalWithOne()
        try await conversation.replace(1, with: NewMemory("phone"))
        let memory = try #require(try await conversation.memories().first)
        #expect(memory.role == nil && memory.mimeType == nil && memory.metadata.isEmpty)
        try await journal.close()
    }

    @Test(arguments: [Content.json(["by": "phone"]), .bytes([1, 2])])
    func theMimeTypeOfAnotherKindOfContentDoesNotStay(content: Content) async throws {
        let (journal, conversation) = try await journalWithOne()
        try await conversation.replace(1, with: content)
        let memory = try #require(try await conversation.memories().first)
        #expect(memory.content == content && memory.mimeType == nil && memory.role == .user)
        try await journal.close()
    }

    @Test func theReplacementComesLast() async throws {
        let (journal, conversation) = try await journalWithOne()
        try await conversation.add("later")
        try await conversation.replace(1, with: "phone")
        #expect(try await journal.texts("a") == ["later", "phone"])
        try await journal.close()
    }

    @Test func aMemoryOfAnotherConversationIsNotThere() async throws {
        let (journal, _) = try await journalWithOne()
        #expect(await code { try await journal.conversation("b").replace(1, with: "phone") } == .noSuchMemory)
        #expect(try await journal.texts("a") == ["email"])
        try await journal.close()
    }

    /// What became of the first replacement when the same is asked for again.
    enum Since: CaseIterable {
        case nothing, forgotten, replaced, cleared, erased, restarted, snapshot, historyLetGo
    }

    @Test(arguments: Since.allCases)
    func aRepeatedReplaceIsDoneOnce(since: Since) async throws {
        let disk = SimulatedDisk()
        var journal = try await Journal.open(disk)
        var conversation = journal.conversation("a")
        let old = try await conversation.add("email", role: .user, metadata: ["topic": "contact"])
        let first = try await conversation.replace(old.sequence, with: "phone", idempotencyKey: "r")
        switch since {
        case .nothing: break
        case .forgotten: try await conversation.forget(first.sequence)
        case .replaced: try await conversation.replace(first.sequence, with: "letter", idempotencyKey: "r2")
        case .cleared: try await conversation.clear()
        case .erased:
            try await conversation.forget(first.sequence)
            try await journal.compact(erasingForgotten: true)
        case .restarted:
            try await journal.close()
            journal = try await Journal.open(disk)
            conversation = journal.conversation("a")
        case .snapshot: _ = try await journal.snapshot()
        case .historyLetGo:
            try await conversation.forget(first.sequence)
            try await journal.compact(keepingHistory: .none)
        }
        let again = try await conversation.replace(old.sequence, with: "phone", idempotencyKey: "r")
        #expect(again.isReplayed && again.sequence == first.sequence)
        #expect(again.isErased == (since == .erased))
        try await journal.close()
    }

    @Test func aKeyThatWasUsedForAnotherContentIsAConflict() async throws {
        let (journal, conversation) = try await journalWithOne()
        try await conversation.replace(1, with: "phone", idempotencyKey: "r")
        #expect(
            await code { try await conversation.replace(1, with: "fax", idempotencyKey: "r") } == .keyConflict
        )
        #expect(
            await code {
                try await conversation.replace(1, with: "phone", role: .tool, idempotencyKey: "r")
            } == .keyConflict)
        #expect(try await journal.texts("a") == ["phone"])
        try await journal.close()
    }

    @Test func aJournalThatIsOnlyReadReplacesNothing() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("email", idempotencyKey: "k")
        try await journal.conversation("a").replace(1, with: "phone", idempotencyKey: "r")
        try await journal.close()
        var options = options(disk)
        options.access = .readOnly
        let reader = try await Journal.open(at: directory, options: options)
        #expect(
            await code { try await reader.conversation("a").replace(1, with: "phone", idempotencyKey: "r") }
                == .closed)
        try await reader.close()
    }
}
