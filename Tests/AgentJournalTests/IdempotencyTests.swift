import AgentJournal
import JournalTesting
import Testing

/// Promise 4: once is once.
@Suite struct IdempotencyTests {
    @Test func repeatedAddReturnsTheFirstReceiptAlsoAfterARestart() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        let journal = try await Journal.open(disk, clock: clock)
        let first = try await journal.conversation("a").add("one", role: .user, idempotencyKey: "k")
        clock.now = clock.now.advanced(by: .seconds(60))
        let second = try await journal.conversation("a").add("one", role: .user, idempotencyKey: "k")
        #expect(second.isReplayed && second.sequence == first.sequence && second.recorded == first.recorded)
        try await journal.close()
        let reopened = try await Journal.open(disk, clock: clock)
        let third = try await reopened.conversation("a").add("one", role: .user, idempotencyKey: "k")
        #expect(third.isReplayed && third.sequence == first.sequence && third.recorded == first.recorded)
        #expect(try await reopened.texts("a") == ["one"])
        try await reopened.close()
    }

    @Test func theKeyOutlivesTheMemory() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let first = try await journal.conversation("a").add("one", idempotencyKey: "k")
        try await journal.conversation("a").forget(first.sequence)
        let again = try await journal.conversation("a").add("one", idempotencyKey: "k")
        #expect(again.isReplayed && again.sequence == first.sequence)
        #expect(try await journal.texts("a").isEmpty)
        try await journal.close()
    }

    @Test func aKeyBelongsToItsConversation() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        try await journal.conversation("a").add("one", idempotencyKey: "k")
        let other = try await journal.conversation("b").add("two", idempotencyKey: "k")
        #expect(!other.isReplayed)
        try await journal.close()
    }

    @Test(arguments: [
        NewMemory("two", role: .user, mimeType: "text/plain", metadata: ["a": 1], idempotencyKey: "k"),
        NewMemory("one", role: .assistant, mimeType: "text/plain", metadata: ["a": 1], idempotencyKey: "k"),
        NewMemory("one", role: .user, mimeType: "text/html", metadata: ["a": 1], idempotencyKey: "k"),
        NewMemory("one", role: .user, mimeType: "text/plain", metadata: ["a": 2], idempotencyKey: "k"),
        NewMemory("one", role: .user, mimeType: "text/plain", idempotencyKey: "k"),
        NewMemory(
            .bytes(Array("one".utf8)), role: .user, mimeType: "text/plain", metadata: ["a": 1],
            idempotencyKey: "k"),
    ])
    func theSameKeyWithOtherContentIsAnError(other: NewMemory) async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(contentsOf: [
            NewMemory("one", role: .user, mimeType: "text/plain", metadata: ["a": 1], idempotencyKey: "k")
        ])
        #expect(await code { _ = try await conversation.add(contentsOf: [other]) } == .keyConflict)
        #expect(try await journal.texts("a") == ["one"])
        try await journal.close()
    }

    @Test func timestampIsNotCompared() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add("one", timestamp: Timestamp("2020-01-01T00:00:00Z"), idempotencyKey: "k")
        let again = try await conversation.add(
            "one", timestamp: Timestamp("2021-01-01T00:00:00Z"), idempotencyKey: "k")
        #expect(again.isReplayed)
        try await journal.close()
    }

    @Test func aBatchSkipsWhatIsKnownAndOneConflictRefusesItWhole() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let first = try await conversation.add(contentsOf: [
            NewMemory("one", idempotencyKey: "1"), NewMemory("two", idempotencyKey: "2"),
        ])
        let second = try await conversation.add(contentsOf: [
            NewMemory("two", idempotencyKey: "2"), NewMemory("three", idempotencyKey: "3"), "four",
        ])
        #expect(second.map(\.isReplayed) == [true, false, false])
        #expect(second[0].sequence == first[1].sequence)
        #expect(second[1...].map(\.sequence) == [3, 4])
        #expect(
            await code {
                _ = try await conversation.add(contentsOf: ["five", NewMemory("other", idempotencyKey: "1")])
            } == .keyConflict)
        #expect(try await journal.texts("a") == ["one", "two", "three", "four"])
        try await journal.close()
    }

    @Test func aKeyTwiceInOneBatch() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let receipts = try await conversation.add(contentsOf: [
            NewMemory("one", idempotencyKey: "1"), NewMemory("one", idempotencyKey: "1"),
        ])
        #expect(receipts.map(\.isReplayed) == [false, true])
        #expect(receipts.map(\.sequence) == [1, 1])
        #expect(
            await code {
                _ = try await conversation.add(contentsOf: [
                    NewMemory("x", idempotencyKey: "9"), NewMemory("y", idempotencyKey: "9"),
                ])
            } == .keyConflict)
        #expect(try await journal.texts("a") == ["one"])
        try await journal.close()
    }

    /// `String` takes both for the same; a key is bytes.
    @Test func ofABatchOfManySizesOnlyWhatIsNewIsWritten() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        // The length of an event takes one byte, two or three; what is known comes first, last and in between.
        let sizes = [1, 300, 20_000, 1, 20_000, 300, 1, 300]
        let items = sizes.enumerated().map { index, size in
            NewMemory(
                .text("\(index)" + String(repeating: "x", count: size)), idempotencyKey: "k\(index)")
        }
        let isKnown = [true, false, true, false, false, true, false, true]
        let known = zip(items, isKnown).filter { $1 }.map { $0.0 }
        let first = try await journal.conversation("a").add(contentsOf: known)
        let receipts = try await journal.conversation("a").add(contentsOf: items)
        #expect(receipts.map(\.isReplayed) == isKnown)
        #expect(receipts.filter(\.isReplayed).map(\.sequence) == first.map(\.sequence))
        #expect(receipts.filter { !$0.isReplayed }.map(\.sequence) == [5, 6, 7, 8])
        try await journal.close()
        let reopened = try await Journal.open(disk)
        let expected = (known + zip(items, isKnown).filter { !$1 }.map { $0.0 }).map(\.content)
        #expect(try await reopened.texts("a").map { Content.text($0) } == expected)
        let again = try await reopened.conversation("a").add(contentsOf: items)
        #expect(again.map(\.sequence) == receipts.map(\.sequence) && again.allSatisfy(\.isReplayed))
        try await reopened.close()
    }

    @Test func twoSpellingsAreTwoKeysAndTwoConversations() async throws {
        let composed = "caf\u{E9}"
        let decomposed = "cafe\u{301}"
        let journal = try await Journal.open(SimulatedDisk())
        try await journal.conversation("a").add("one", idempotencyKey: composed)
        let other = try await journal.conversation("a").add("two", idempotencyKey: decomposed)
        #expect(!other.isReplayed)
        try await journal.conversation(composed).add("x")
        try await journal.conversation(decomposed).add("y")
        #expect(try await journal.texts(composed) == ["x"])
        #expect(try await journal.texts(decomposed) == ["y"])
        #expect(try await journal.conversations().count == 3)
        try await journal.close()
    }

    @Test func expectedSequences() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let first = try await conversation.add("one", idempotencyKey: "k", expecting: 0)
        try await journal.conversation("b").add("elsewhere")
        let second = try await conversation.add("two", expecting: first.sequence)
        #expect(
            await code { _ = try await conversation.add("three", expecting: first.sequence) }
                == .unexpectedSequence)
        try await conversation.forget(second.sequence)
        #expect(
            await code { _ = try await conversation.add("three", expecting: second.sequence) }
                == .unexpectedSequence)
        #expect(try await conversation.lastSequence() == 4)
        try await conversation.add("three", expecting: 4)
        // A retry after a lost reply gets its receipt, although the conversation has gone on.
        #expect(try await conversation.add("one", idempotencyKey: "k", expecting: 0).isReplayed)
        try await journal.close()
    }

    @Test func aRepeatedReplaceHasItsReceipt() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        let first = try await conversation.add("email")
        let replacement = NewMemory("phone", idempotencyKey: "r")
        let done = try await conversation.replace(first.sequence, with: replacement)
        let again = try await conversation.replace(first.sequence, with: replacement)
        #expect(again.isReplayed && again.sequence == done.sequence)
        #expect(try await journal.texts("a") == ["phone"])
        #expect(
            await code { _ = try await conversation.replace(first.sequence, with: "fax") } == .noSuchMemory)
        try await journal.close()
    }
}
