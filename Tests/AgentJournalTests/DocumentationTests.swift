import AgentJournalFoundation
import Foundation
import Logging
import Testing

/// `Journal`, as the examples that name a directory of their own see it: the directory is one of the test's.
private struct ExampleJournal {
    typealias Options = AgentJournal.Journal.Options

    @TaskLocal static var root = FilePath("/")

    let journal: AgentJournal.Journal

    static func place(_ path: String) -> FilePath { root.appending(FilePath(path).components) }

    static func open(
        at path: String, create: AgentJournal.Journal.Creation = .ifMissing, options: Options = Options()
    ) async throws -> AgentJournal.Journal {
        var options = options
        options.logger.logLevel = .error
        return try await AgentJournal.Journal.open(at: place(path), create: create, options: options)
    }

    static func verify(at path: String) async throws -> VerifyReport {
        try await AgentJournal.Journal.verify(at: place(path))
    }

    static func repair(at path: String, dryRun: Bool) async throws -> RepairReport {
        try await AgentJournal.Journal.repair(at: place(path), dryRun: dryRun)
    }

    static func restore(from backup: String, to path: String) async throws -> RestoreReport {
        try await AgentJournal.Journal.restore(from: place(backup), to: place(path))
    }

    func backUp(to path: String) async throws -> BackupReport {
        try await journal.backUp(to: ExampleJournal.place(path))
    }
}

/// The example code that names directories: as functions that compile and run.
///
/// A block of a document is the same lines as here, but for their indentation.
private enum PlacedExamples {
    typealias Journal = ExampleJournal

    static func open() async throws -> Conversation {
        let journal = try await Journal.open(at: "/var/lib/agent/memory")
        let conversation = journal.conversation("support/user-42")
        return conversation
    }

    static func openMounted() async throws -> AgentJournal.Journal {
        let journal = try await Journal.open(at: "/mnt/memory/agent", create: .never)
        return journal
    }

    static func verify() async throws -> Bool {
        let report = try await Journal.verify(at: "/var/lib/agent/memory")
        for problem in report.problems { print(problem) }
        for note in report.notes { print("no damage, but worth knowing: \(note)") }
        return report.problems.isEmpty
    }

    static func openReading() async throws -> Int {
        var options = Journal.Options()
        options.access = .readOnly
        let reader = try await Journal.open(at: "/var/lib/agent/memory", options: options)
        let count = try await reader.conversation("support/user-42").count()
        return count
    }

    static func backUp(_ journal: Journal) async throws -> UInt64 {
        let backup = try await journal.backUp(to: "/backups/memory")
        print("everything up to \(backup.sequence) is in \(backup.directory)")
        return backup.sequence
    }

    static func restore() async throws -> UInt64 {
        let restored = try await Journal.restore(from: "/backups/memory", to: "/var/lib/agent/memory")
        if let replaced = restored.replaced { print("what was there before is in \(replaced)") }
        return restored.sequence
    }

    static func repair() async throws -> Int {
        let planned = try await Journal.repair(at: "/var/lib/agent/memory", dryRun: true)
        for loss in planned.losses { print("would be lost: \(loss)") }
        return planned.losses.count
    }
}

/// The other example code of the README and of the articles.
private enum Examples {
    static func readme(_ journal: Journal, _ conversation: Conversation) async throws -> [String?] {
        // Returns when the memory is on stable storage. The key makes a retry return the first receipt.
        let receipt = try await conversation.add(
            "prefers email", role: .user, metadata: ["topic": "contact"], idempotencyKey: "msg-17")

        // What is not given stays: role and metadata. The new memory comes last.
        try await conversation.replace(receipt.sequence, with: "prefers the phone", idempotencyKey: "msg-18")

        for memory in try await conversation.memories(last: 20) {
            print(memory.sequence, memory.role?.rawValue ?? "-", memory.text ?? "(no text)")
        }

        // A request that is retried finds what it added first; and every state there ever was can be looked at.
        let known = try await conversation.memory(forKey: "msg-18")
        let before = try await journal.view(at: .sequence(receipt.sequence))
        print(known?.memory?.text ?? "", try before.memories(in: "support/user-42").last?.text ?? "")

        try await journal.close()
        return [known?.memory?.text, try before.memories(in: "support/user-42").last?.text]
    }

    static func add(_ conversation: Conversation) async throws -> Receipt {
        let receipt = try await conversation.add(
            "prefers email", role: .user, metadata: ["topic": "contact"], idempotencyKey: "msg-17")
        print(receipt.sequence, receipt.recorded, receipt.isReplayed)
        return receipt
    }

    static func addOthers(_ conversation: Conversation, _ image: [UInt8]) async throws {
        let text = "Weather in Lisbon, please."
        try await conversation.add(text, role: .user)
        try await conversation.add(.json(["tool": "weather", "city": "Lisbon"]), role: .assistant)
        try await conversation.add(.bytes(image), role: .tool, mimeType: "image/png")
    }

    static func addEncoded(_ conversation: Conversation) async throws -> [String]? {
        struct Profile: Codable { var name: String, languages: [String] }
        let ada = Profile(name: "Ada", languages: ["en", "pt"])
        try await conversation.add(encoding: ada, idempotencyKey: "profile-1")
        let profile = try await conversation.memory(forKey: "profile-1")?.memory?.decode(Profile.self)
        return profile?.languages
    }

    static func addBatch(_ conversation: Conversation) async throws {
        try await conversation.add(contentsOf: [
            NewMemory("How warm is it in Lisbon?", role: .user),
            NewMemory(.json(["celsius": 24]), role: .tool, metadata: ["tool": "weather"]),
            NewMemory("24 degrees.", role: .assistant),
        ])
    }

    static func read(_ conversation: Conversation) async throws -> (older: [Memory], preference: Memory?) {
        let recent = try await conversation.memories(last: 20)
        for memory in recent {
            print(memory.sequence, memory.role?.rawValue ?? "-", memory.text ?? "(no text)")
        }
        let older = try await conversation.memories(last: 20, before: recent.first?.sequence)
        let preference = recent.last { $0.metadata["topic"] == "contact" }
        return (older, preference)
    }

    static func find(_ conversation: Conversation) async throws {
        if let known = try await conversation.memory(forKey: "request-17/answer") {
            print(
                "answered already:",
                known.memory?.text ?? "and forgotten since, as sequence \(known.receipt.sequence)")
        } else {
            try await conversation.add("24 degrees.", role: .assistant, idempotencyKey: "request-17/answer")
        }
    }

    static func change(_ journal: Journal, _ conversation: Conversation, _ receipt: Receipt) async throws {
        try await conversation.replace(receipt.sequence, with: "prefers the phone", idempotencyKey: "msg-18")
        for memory in try await conversation.memories() where memory.metadata["topic"] == "contact" {
            try await memory.forget()
        }
        try await journal.conversation("scratch").clear()
    }

    static func lookBack(_ journal: Journal, _ conversation: Conversation) async throws -> JournalView {
        try await journal.flush(label: "after onboarding")
        try await conversation.add("wants to cancel", role: .user)
        let then = try await journal.view(at: .label("after onboarding"))
        print(try then.memories(in: "support/user-42").count, try then.digest())
        return then
    }

    static func keepSmall(_ journal: Journal) async throws {
        let planned = try await journal.compact(keepingHistory: .days(90), dryRun: true)
        print("frees", planned.freedBytes, "bytes;", planned.removed.count, "files go")
        try await journal.compact(keepingHistory: .days(90))
    }

    static func erase(_ journal: Journal, _ conversation: Conversation) async throws -> Int {
        let secrets = try await conversation.memories().filter { $0.metadata["topic"] == "contact" }
        try await journal.forget(secrets.map(\.sequence))
        let report = try await journal.compact(erasingForgotten: true)
        if let erasure = report.erasure {
            print("erased \(erasure.events.count) events, in \(erasure.files.count) files")
        }
        return report.erasure?.events.count ?? 0
    }

    static func follow(_ journal: Journal) async throws -> UInt64 {
        var lastSeen: UInt64 = 0
        for try await event in journal.events(after: lastSeen) {
            if case .added(let memory) = event.kind { print(memory.conversation, memory.content) }
            lastSeen = event.sequence
        }
        return lastSeen
    }

    static func close(_ journal: Journal) async throws {
        try await journal.close()
    }

    static func once(_ conversation: Conversation) async throws {
        let first = try await conversation.add("ordered a blue one", idempotencyKey: "order-5")
        let again = try await conversation.add("ordered a blue one", idempotencyKey: "order-5")
        assert(again.sequence == first.sequence && again.isReplayed)
    }

    static func decide(_ journal: Journal, _ conversation: Conversation) async throws {
        do {
            try await conversation.add("prefers email", idempotencyKey: "msg-17")
        } catch let error as JournalError {
            switch error.code {
            case .diskFull:
                print("Not written. Adding works again when there is space: \(error)")
            case .outcomeUnknown, .notWritten:
                // Opening again recovers. The key makes it safe to add once more, whatever became of the first.
                try await journal.close()
                let reopened = try await Journal.open(at: journal.directory, create: .never)
                let same = reopened.conversation(conversation.name)
                try await same.add("prefers email", idempotencyKey: "msg-17")
            default:
                throw error
            }
        }
    }

    static func compare(_ conversation: Conversation) async throws {
        let seen = try await conversation.lastSequence()
        do {
            try await conversation.add("Shall I book it?", role: .assistant, expecting: seen)
        } catch let error as JournalError where error.code == .unexpectedSequence {
            print("Somebody was faster; read what they said first.")
        }
    }
}

struct DocumentationTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every document that has example code in Swift, and the tests that have its lines.
    private static func documents() throws -> [URL] {
        let places = [
            "", "docs", "Sources/AgentJournal/AgentJournal.docc",
            "Sources/JournalTesting/JournalTesting.docc",
        ]
        return try places.flatMap { place in
            try FileManager.default.contentsOfDirectory(
                at: root.appending(path: place), includingPropertiesForKeys: nil
            ).filter { $0.pathExtension == "md" }
        }
    }

    @Test func everyExampleIsCompiledHere() throws {
        // The article on crash tests has its example among the tests of those, which run it a thousand times; and one that is
        // wrong on purpose, which they have too.
        let source = try [
            #filePath, Self.root.appending(path: "Tests/JournalTestingTests/CrashTestTests.swift").path,
        ]
        .flatMap { path in
            try String(contentsOf: URL(filePath: path), encoding: .utf8).split(
                separator: "\n", omittingEmptySubsequences: false)
        }
        var count = 0
        for document in try Self.documents() {
            let text = try String(contentsOf: document, encoding: .utf8)
            for block in Self.blocks(of: "swift", in: text) {
                count += 1
                let isThere = Self.contains(source, block)
                #expect(
                    isThere,
                    "\(document.lastPathComponent): a block is in no test:\n\(block.joined(separator: "\n"))"
                )
            }
        }
        #expect(count >= 18)
    }

    /// Whoever tries an example tries it again: each article's code runs twice on one directory.
    @Test func theArticlesDoWhatTheySayAlsoTheSecondTime() async throws {
        try await twice { journal, conversation, isAgain in
            let receipt = try await Examples.add(conversation)
            #expect(receipt.sequence == 1 && receipt.isReplayed == isAgain)
            try await Examples.addOthers(conversation, [0x89, 0x50])
            #expect(try await Examples.addEncoded(conversation) == ["en", "pt"])
            try await Examples.addBatch(conversation)
            let (older, preference) = try await Examples.read(conversation)
            #expect(older.isEmpty && (isAgain || preference?.sequence == 1))
            try await Examples.find(conversation)
            try await Examples.change(journal, conversation, receipt)
            #expect(try await conversation.memories().allSatisfy { $0.metadata["topic"] != "contact" })
            let then = try await Examples.lookBack(journal, conversation)
            #expect(try await conversation.count() == then.count + 1)
            let digest = try journal.view().digest()
            try await Examples.keepSmall(journal)
            #expect(try journal.view().digest() == digest)
            #expect(try await Examples.follow(journal) == conversation.lastSequence())
            try await Examples.close(journal)
        }
        try await twice { journal, conversation, _ in
            try await Examples.once(conversation)
            try await Examples.compare(conversation)
            try await Examples.decide(journal, conversation)
        }
        try await twice { journal, conversation, isAgain in
            try await conversation.add(
                "prefers email", metadata: ["topic": "contact"], idempotencyKey: "msg-17")
            #expect(try await Examples.erase(journal, conversation) == (isAgain ? 0 : 2))
        }
    }

    @Test func theReadmeDoesTheSameTheSecondTime() async throws {
        try await twice { journal, conversation, _ in
            #expect(
                try await Examples.readme(journal, conversation) == ["prefers the phone", "prefers email"])
            let again = try await Journal.open(at: journal.directory)
            #expect(try await again.count() == 1)
            #expect(try await again.conversation("support/user-42").lastSequence() == 3)
            try await again.close()
        }
    }

    @Test func theExamplesThatNameADirectoryRunTwice() async throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "documentation-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try await ExampleJournal.$root.withValue(FilePath(url.path)) {
            // The volume that is said to be mounted, with a journal on it.
            try await ExampleJournal.open(at: "/mnt/memory/agent").close()
            for time in 1...2 {
                let conversation = try await PlacedExamples.open()
                try await conversation.add("one")
                #expect(try await PlacedExamples.openReading() == time)
                let copied = try await PlacedExamples.backUp(ExampleJournal(journal: conversation.journal))
                #expect(copied == UInt64(time))
                try await conversation.journal.close()
                #expect(try await PlacedExamples.verify())
                #expect(try await PlacedExamples.repair() == 0)
                #expect(try await PlacedExamples.restore() == UInt64(time))
                try await PlacedExamples.openMounted().close()
            }
        }
    }

    private func twice(_ body: (Journal, Conversation, _ isAgain: Bool) async throws -> Void) async throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "documentation-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        var options = Journal.Options()
        options.logger.logLevel = .error
        for isAgain in [false, true] {
            let journal = try await Journal.open(at: FilePath(url.path), options: options)
            try await body(journal, journal.conversation("support/user-42"), isAgain)
            try await journal.close()
        }
    }

    /// The fenced blocks of a language, each as its lines without their common indentation.
    private static func blocks(of language: String, in text: String) -> [[Substring]] {
        var blocks: [[Substring]] = []
        var block: [Substring]?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let trimmed = line.trimmingPrefix { $0 == " " }
            if trimmed.hasPrefix("```") {
                if let finished = block { blocks.append(withoutIndentation(finished)) }
                block = block == nil && trimmed == "```\(language)" ? [] : nil
            } else {
                block?.append(line)
            }
        }
        return blocks
    }

    private static func withoutIndentation(_ lines: [Substring]) -> [Substring] {
        let depth = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
        return lines.map { $0.dropFirst(depth) }
    }

    /// Whether `block` stands in `source`, all of it deeper by the same number of spaces.
    private static func contains(_ source: [Substring], _ block: [Substring]) -> Bool {
        guard let first = block.first else { return false }
        return source.indices.contains { start in
            guard source[start].hasSuffix(first), start + block.count <= source.count else { return false }
            let indentation = source[start].dropLast(first.count)
            guard indentation.allSatisfy({ $0 == " " }) else { return false }
            return zip(source[start...], block).allSatisfy { line, wanted in
                wanted.isEmpty ? line.isEmpty : line == indentation + wanted
            }
        }
    }
}
