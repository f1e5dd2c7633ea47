import AgentJournalFoundation
import Foundation
import JournalTesting
import Testing

/// The journal for programs that use Foundation.
@Suite struct FoundationTests {
    @Test(arguments: [
        "1970-01-01T00:00:00.000000Z", "2026-12-01T01:46:16.123456Z", "1969-12-31T23:59:59.999999Z",
        "2001-01-01T00:00:00.000001Z", "1865-01-01T00:00:00.123457Z", "2136-12-31T23:59:59.999999Z",
    ])
    func datesComeBack(text: String) throws {
        let timestamp = try #require(Timestamp(text))
        #expect(Timestamp(timestamp.date) == timestamp)
        #expect(Timestamp(Date(timestamp)) == timestamp)
    }

    @Test func everyMicrosecondOfSomeComesBack() throws {
        let start = try #require(Timestamp("2026-12-01T00:00:00Z")).microsecondsSince1970
        for microseconds in start..<start + 20_000 {
            let timestamp = Timestamp(clampingMicrosecondsSince1970: microseconds)
            try #require(Timestamp(timestamp.date) == timestamp)
        }
    }

    @Test func datesOutsideOfTheRangeAreClamped() {
        #expect(Timestamp(Date.distantPast) >= .earliest)
        #expect(Timestamp(Date(timeIntervalSince1970: 1e300)) == .latest)
        #expect(Timestamp(Date(timeIntervalSince1970: -.infinity)) == .earliest)
    }

    @Test func aDateIsAPointAndADurationIsSeconds() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let before = Date()
        try await journal.conversation("a").add("one", timestamp: Timestamp(before))
        let memory = try #require(try await journal.conversation("a").memories().first)
        #expect(abs(memory.timestamp.date.timeIntervalSince(before)) < 1e-6)
        #expect(try await journal.view(at: .date(Date().addingTimeInterval(60))).count == 1)
        #expect(try await journal.view(at: .date(before.addingTimeInterval(-60))).count == 0)
        #expect(TimeInterval(memory.timestamp + .milliseconds(1500) - memory.timestamp) == 1.5)
        try await journal.close()
    }

    @Test func errorsSayWhatIsWrong() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "no-journal-\(UUID().uuidString)")
        let error = await #expect(throws: JournalError.self) {
            try await Journal.open(at: path, create: .never)
        }
        let text = try #require(error).localizedDescription
        #expect(text == "\(try #require(error))" && text.contains(path.lastPathComponent))
        let general: any Error = try #require(error)
        #expect(general.localizedDescription == text)
        let json = #expect(throws: JSON.ParseError.self) { try JSON(parsing: "{") }
        #expect(try #require(json).localizedDescription.contains("byte 1"))
    }

    @Test func aFileURLNamesAJournal() async throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "a journal % \(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try await Journal.withOpen(at: url) { try await $0.conversation("a").add("one") }
        let journal = try await Journal.open(at: url, create: .never)
        #expect(journal.directory == FilePath(url.path))
        #expect(try await journal.count() == 1)
        try await journal.close()
        let other = try #require(URL(string: "https://example.org/memory"))
        let error = await #expect(throws: JournalError.self) { try await Journal.open(at: other) }
        #expect(error?.code == .invalidArgument)
    }

    struct Profile: Codable, Equatable {
        struct Contact: Codable, Equatable { var email: String? }
        var name: String
        var age: Int
        var ratio: Double
        var since: Date
        var seen: Timestamp
        var photo: Data
        var contacts: [Contact]
        var role: Role
    }

    enum Mood: String, Codable { case calm, hurried }

    private static let profile = Profile(
        name: "Ada \"the first\"\n", age: 36, ratio: 0.1,
        since: Timestamp("2026-12-01T01:46:16.123456Z")!.date,
        seen: Timestamp("2026-12-01T01:46:16.000001Z")!, photo: Data([0, 255]),
        contacts: [.init(email: "a@b"), .init(email: nil)], role: .user)

    @Test func anEncodableValueIsAContent() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add(encoding: Self.profile, role: .user, idempotencyKey: "p")
        // Encoded again it is the same bytes: the key knows it.
        #expect(
            try await conversation.add(encoding: Self.profile, role: .user, idempotencyKey: "p").isReplayed)
        try await conversation.add(encoding: [1, 2, 3])
        try await conversation.add(encoding: 42)
        try await conversation.add(encoding: true)
        try await conversation.add(encoding: "a text")
        try await conversation.add(encoding: Mood.hurried)
        try await conversation.add(encoding: "42")
        let memories = try await conversation.memories()
        #expect(try memories[0].decode(Profile.self) == Self.profile)
        #expect(memories[0].json?["since"] == "2026-12-01T01:46:16.123456Z")
        #expect(memories[0].json?["seen"] == "2026-12-01T01:46:16.000001Z")
        #expect(try memories[1].decode([Int].self) == [1, 2, 3])
        #expect(try memories[2].decode(Int.self) == 42)
        #expect(try memories[3].decode(Bool.self))
        #expect(memories[4].text == "a text")
        #expect(try memories[4].decode(String.self) == "a text")
        #expect(try memories[5].decode(Mood.self) == .hurried)
        #expect(try memories[6].decode(String.self) == "42")
        #expect(try memories[6].decode(Int.self) == 42)
        try await journal.close()
    }

    @Test func metadataAndReplacementsAreEncodedToo() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        try await conversation.add("one", metadata: Metadata(encoding: ["topic": "contact"]))
        try await conversation.replace(1, with: Content(encoding: Self.profile))
        let memory = try #require(try await conversation.memories().first)
        #expect(memory.metadata["topic"] == "contact")
        #expect(try memory.content.decode(Profile.self) == Self.profile)
        try await journal.close()
    }

    @Test func whatCannotBeEncodedOrDecodedIsRefused() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let conversation = journal.conversation("a")
        await #expect(throws: EncodingError.self) { try await conversation.add(encoding: Double.nan) }
        #expect(throws: EncodingError.self) { try Metadata(encoding: [1]) }
        let none: Int? = nil
        await #expect(throws: JournalError.self) { try await conversation.add(encoding: none) }
        try await conversation.add("no number")
        let memory = try #require(try await conversation.memories().first)
        #expect(throws: DecodingError.self) { try memory.decode(Int.self) }
        #expect(throws: DecodingError.self) { try memory.decode(Date.self) }
        #expect(try await conversation.count() == 1)
        try await journal.close()
    }

    @Test func dataIsBytes() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let data = Data([0x89, 0x50])
        try await journal.conversation("a").add(data, mimeType: "image/png")
        #expect(try await journal.conversation("a").memories().first?.bytes == [0x89, 0x50])
        try await journal.close()
    }
}
