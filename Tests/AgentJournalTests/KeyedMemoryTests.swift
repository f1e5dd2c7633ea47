import AgentJournal
import JournalTesting
import Testing

/// Looking up what an idempotency key was used for.
@Suite struct KeyedMemoryTests {
    @Test func aRetriedRequestFindsItsFirstAnswer() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        #expect(try await conversation.memory(forKey: "answer-1") == nil)
        let receipt = try await conversation.add(
            "24 degrees", role: .assistant, metadata: ["n": 1], idempotencyKey: "answer-1")
        let found = try #require(try await conversation.memory(forKey: "answer-1"))
        #expect(found.receipt.sequence == receipt.sequence && found.receipt.recorded == receipt.recorded)
        #expect(found.receipt.isReplayed && !found.receipt.isErased)
        #expect(found.memory?.text == "24 degrees" && found.memory?.role == .assistant)
        #expect(found.memory?.metadata == ["n": 1])
        try await journal.close()
    }

    @Test(arguments: ["k", "K", "k2", "", "e\u{301}"])
    func aKeyIsBytesAndBelongsToItsConversation(other: String) async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let key = other == "e\u{301}" ? "\u{e9}" : "k1"
        try await journal.conversation("a").add("one", idempotencyKey: key)
        #expect(try await journal.conversation("a").memory(forKey: other) == nil)
        #expect(try await journal.conversation("b").memory(forKey: key) == nil)
        #expect(try await journal.conversation("a").memory(forKey: key)?.memory?.text == "one")
        try await journal.close()
    }

    /// How a memory went.
    enum Gone: CaseIterable { case forgotten, replaced, cleared, erased }

    /// Where the key is known from when it is looked up.
    enum From: CaseIterable { case memory, replay, snapshot, afterSnapshot }

    @Test(arguments: Gone.allCases, From.allCases)
    func ofAMemoryThatIsGoneTheReceiptIsLeft(gone: Gone, from: From) async throws {
        let disk = SimulatedDisk()
        var journal = try await Journal.open(disk)
        let receipt = try await journal.conversation("a").add("one", idempotencyKey: "k")
        try await journal.conversation("a").add("stays", idempotencyKey: "other")
        if from == .afterSnapshot { _ = try await journal.snapshot() }
        switch gone {
        case .forgotten, .erased: try await journal.forget(receipt.sequence)
        case .replaced: try await journal.conversation("a").replace(receipt.sequence, with: "two")
        case .cleared: try await journal.conversation("a").clear()
        }
        if gone == .erased { try await journal.compact(erasingForgotten: true) }
        if from == .snapshot { _ = try await journal.snapshot() }
        if from != .memory {
            try await journal.close()
            journal = try await Journal.open(disk)
        }
        let found = try #require(try await journal.conversation("a").memory(forKey: "k"))
        #expect(found.memory == nil)
        #expect(found.receipt.sequence == receipt.sequence && found.receipt.isErased == (gone == .erased))
        let other = try #require(try await journal.conversation("a").memory(forKey: "other"))
        #expect(other.memory?.text == (gone == .cleared ? nil : "stays"))
        try await journal.close()
    }

    @Test func aViewOfThePastKnowsWhatWasAddedUntilThen() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let first = try await conversation.add("one", idempotencyKey: "k1")
        try await conversation.add("two", idempotencyKey: "k2")
        try await conversation.forget(first.sequence)
        let then = try await journal.view(at: .sequence(first.sequence))
        #expect(try then.memory(forKey: "k1", in: "a")?.memory?.text == "one")
        #expect(try then.memory(forKey: "k2", in: "a") == nil)
        try await journal.close()
    }

    @Test func theFirstOfABatchCounts() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let receipts = try await conversation.add(contentsOf: [
            NewMemory("one", idempotencyKey: "k"), "between", NewMemory("one", idempotencyKey: "k"),
        ])
        let found = try #require(try await conversation.memory(forKey: "k"))
        #expect(
            found.receipt.sequence == receipts[0].sequence && found.memory?.sequence == receipts[2].sequence)
        try await journal.close()
    }

    @Test func anotherProcessFindsWhatThisOneAdded() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        var reading = options(disk)
        reading.access = .readOnly
        let reader = try await Journal.open(at: directory, options: reading)
        try await journal.conversation("a").add("one", idempotencyKey: "k")
        #expect(try await reader.conversation("a").memory(forKey: "k")?.memory?.text == "one")
        try await reader.close()
        try await journal.close()
    }

    /// A look-up, not a scan: it reads no more of the disk where there is more.
    @Test func theCostDoesNotGrowWithTheConversation() async throws {
        var reads: [Int] = []
        for count in [1_000, 16_000] {
            let disk = SimulatedDisk()
            let journal = try await Journal.open(disk)
            let memories = (0..<count).map { NewMemory("memory \($0)", idempotencyKey: "k\($0)") }
            try await journal.conversation("a").add(contentsOf: memories)
            _ = try await journal.snapshot()
            try await journal.close()
            let again = try await Journal.open(disk)
            _ = try await again.conversation("a").memory(forKey: "none")
            let before = disk.calls.count
            #expect(try await again.conversation("a").memory(forKey: "k\(count / 2)")?.memory?.text != nil)
            reads.append(disk.calls.count - before)
            try await again.close()
        }
        #expect(reads[1] <= reads[0] + 4, "\(reads)")
    }
}
