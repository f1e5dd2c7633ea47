import AgentJournal
import JournalTesting
import Testing

/// Events and state: what is added, forgotten, cleared, looked back at.
@Suite struct MemoryTests {
    @Test(arguments: [
        Content.text(""), .text("a\u{0}b"), .text("e\u{301}"), .text("{\"a\": 1.0}"),
        .json(["b": 1, "a": [true, nil]]),
        .json(1.5), .json(true), .json([]), .bytes([]), .bytes([0, 255, 10, 13]),
        .text(String(repeating: "long ", count: 40_000)),
        .bytes((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }),
    ])
    func contentsComeBack(content: Content) async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add(content, mimeType: "x/y", metadata: ["k": ["v": 2]])
        try await journal.close()
        let reopened = try await Journal.open(disk)
        let memory = try #require(try await reopened.conversation("a").memories().first)
        #expect(memory.content == content)
        #expect(memory.mimeType == "x/y")
        #expect(memory.metadata == ["k": ["v": 2]])
        try await reopened.close()
    }

    @Test(arguments: [Content.json("text"), .json(nil)])
    func jsonThatTheExportCannotTellFromTextIsRefused(content: Content) async throws {
        let journal = try await Journal.open(SimulatedDisk())
        #expect(await code { _ = try await journal.conversation("a").add(content) } == .invalidArgument)
        try await journal.close()
    }

    @Test func theTwoTimes() async throws {
        let clock = TestClock("2026-05-01T00:00:00Z")
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk, clock: clock)
        let conversation = journal.conversation("a")
        try await conversation.add("old", timestamp: Timestamp("1999-01-01T00:00:00Z"))
        clock.now = Timestamp("2025-05-01T00:00:00Z")!
        try await conversation.add("the clock went back a year")
        clock.now = Timestamp("2028-05-01T00:00:00Z")!
        try await conversation.add("and forward two")
        clock.now = Timestamp("2026-05-01T00:00:01Z")!
        try await conversation.add("and back")
        let memories = try await conversation.memories()
        #expect(memories[0].timestamp == Timestamp("1999-01-01T00:00:00Z"))
        #expect(
            memories.map(\.recorded) == [
                Timestamp("2026-05-01T00:00:00Z"), Timestamp("2026-05-01T00:00:00Z"),
                Timestamp("2028-05-01T00:00:00Z"),
                Timestamp("2028-05-01T00:00:00Z"),
            ])
        #expect(memories[3].timestamp == memories[3].recorded)
        try await journal.close()
        let reopened = try await Journal.open(disk, clock: clock)
        let receipt = try await reopened.conversation("a").add("after a restart")
        #expect(receipt.recorded == Timestamp("2028-05-01T00:00:00Z"))
        try await reopened.close()
    }

    @Test func forgettingAndClearing() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        let receipts = try await journal.add(contentsOf: [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")])
        #expect(receipts.map(\.sequence) == [1, 2, 3, 4])
        try await journal.forget([1, 4])
        #expect(await code { _ = try await journal.forget([3, 1]) } == .noSuchMemory)
        #expect(await code { _ = try await journal.conversation("b").forget(3) } == .noSuchMemory)
        #expect(await code { _ = try await journal.conversation("a").forget(99) } == .noSuchMemory)
        try await journal.conversation("b").clear()
        #expect(try await journal.conversations() == ["a"])
        try await journal.conversation("b").add("5")
        let digest = try journal.view().digest()
        try await journal.close()
        let reopened = try await Journal.open(disk)
        #expect(try reopened.view().digest() == digest)
        #expect(try await reopened.texts("a") == ["3"])
        #expect(try await reopened.texts("b") == ["5"])
        try await reopened.close()
    }

    @Test func pagingBackwards() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(contentsOf: (1...10).map { NewMemory(.text("\($0)")) })
        try await conversation.forget(8)
        #expect(try await conversation.memories(last: 3).map(\.sequence) == [7, 9, 10])
        #expect(try await conversation.memories(last: 3, before: 7).map(\.sequence) == [4, 5, 6])
        #expect(try await conversation.memories(last: 0).isEmpty)
        #expect(try await conversation.memories(last: 9, before: 1).isEmpty)
        try await journal.close()
    }

    @Test func manyForgottenMemoriesAreDroppedFromTheLists() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(contentsOf: (1...200).map { NewMemory(.text("\($0)")) })
        let before = try journal.view()
        try await journal.forget(Array(1...190))
        #expect(try before.memories(in: "a").count == 200)
        _ = consume before
        try await journal.forget([191])
        #expect(try await conversation.memories().map(\.sequence) == Array(192...200))
        #expect(try await conversation.memories(last: 2, before: 200).map(\.sequence) == [198, 199])
        #expect(await code { _ = try await journal.forget([5]) } == .noSuchMemory)
        try await journal.close()
    }

    @Test func lookingBack() async throws {
        let clock = TestClock("2026-01-01T00:00:00Z")
        let journal = try await Journal.open(SimulatedDisk(), clock: clock)
        let conversation = journal.conversation("a")
        try await conversation.add("1")
        try await journal.flush(label: "x")
        clock.now = Timestamp("2026-01-02T00:00:00Z")!
        try await conversation.add("2")
        try await journal.flush(label: "x")
        clock.now = Timestamp("2026-01-03T00:00:00Z")!
        try await conversation.clear()
        func count(_ point: Point) async throws -> Int { try (try await journal.view(at: point)).count }
        #expect(try await count(.sequence(0)) == 0)
        #expect(try await count(.sequence(1)) == 1)
        #expect(try await count(.label("x")) == 2)
        #expect(try await count(.date(Timestamp("2026-01-01T12:00:00Z")!)) == 1)
        #expect(try await count(.date(Timestamp("2026-02-01T00:00:00Z")!)) == 0)
        #expect(await code { _ = try await journal.view(at: .sequence(6)) } == .noSuchPoint)
        #expect(await code { _ = try await journal.view(at: .label("y")) } == .noSuchPoint)
        let exported = try await journal.view(at: .label("x")).digest()
        #expect(exported.count == 64)
        try await journal.close()
    }

    @Test(arguments: [
        "", String(repeating: "x", count: 513), "a\nb", "a\u{0}b", "a\u{7F}b", "a\u{9B}b",
    ])
    func badNames(name: String) async throws {
        let journal = try await Journal.open(SimulatedDisk())
        #expect(await code { _ = try await journal.conversation(name).add("x") } == .invalidArgument)
        #expect(await code { _ = try await journal.conversation(name).clear() } == .invalidArgument)
        #expect(
            await code { _ = try await journal.conversation("a").add("x", idempotencyKey: name) }
                == .invalidArgument)
        #expect(await code { _ = try await journal.flush(label: name) } == .invalidArgument)
        #expect(try journal.view().sequence == 0)
        try await journal.close()
    }

    @Test func theLongestName() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let name = String(repeating: "é", count: 256)
        try await journal.conversation(name).add("x")
        #expect(try await journal.conversations() == [name])
        try await journal.close()
    }

    @Test func contentOverTheLimit() async throws {
        let disk = SimulatedDisk()
        var small = options(disk)
        small.maximumContentBytes = 100
        let journal = try await Journal.open(at: directory, options: small)
        try await journal.conversation("a").add(.text(String(repeating: "x", count: 100)))
        #expect(
            await code {
                _ = try await journal.conversation("a").add(.text(String(repeating: "x", count: 101)))
            } == .tooLarge)
        try await journal.close()
        // The limit is the journal's, not the opener's.
        let reopened = try await Journal.open(disk)
        #expect(
            await code {
                _ = try await reopened.conversation("a").add(.bytes(Array(repeating: 1, count: 101)))
            } == .tooLarge)
        try await reopened.close()
    }

    @Test func aStateIsTheSameHoweverItIsReached() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk, segmentBytes: 8192)
        var generator = SystemRandomNumberGenerator()
        var live: [UInt64] = []
        for step in 0..<400 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0 where !live.isEmpty:
                try await journal.forget([live.remove(at: Int.random(in: live.indices, using: &generator))])
            case 1 where step % 7 == 0:
                try await journal.conversation("c1").clear()
                live = try journal.view().conversations().flatMap {
                    try journal.view().memories(in: $0.name).map(\.sequence)
                }
            default:
                let name = "c\(Int.random(in: 0..<5, using: &generator))"
                live.append(
                    try await journal.conversation(name).add(
                        .text("memory \(step) \(UInt64.random(in: 0 ... .max))")
                    ).sequence)
            }
        }
        let digest = try journal.view().digest()
        #expect(try journal.replayedView().digest() == digest)
        #expect(try await journal.statistics().segments > 2)
        try await journal.close()
        let reopened = try await Journal.open(disk)
        #expect(try reopened.view().digest() == digest)
        #expect(try await reopened.verify().isHealthy)
        try await reopened.close()
    }
}
