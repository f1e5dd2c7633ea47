import AgentJournal
import Foundation
import Logging
import Testing

/// The example code of the README and of the articles, as functions that compile and, where a directory allows, run.
///
/// A block of a document is the same lines as here, but for their indentation.
private enum Examples {
    // Compiled alone: these paths are not for tests.
    static func open() async throws -> Conversation {
        let journal = try await Journal.open(at: "/var/lib/agent/memory")
        let conversation = journal.conversation("support/user-42")
        return conversation
    }

    static func openMounted() async throws -> Journal {
        let journal = try await Journal.open(at: "/mnt/memory/agent", create: .never)
        return journal
    }

    static func verify() async throws {
        let report = try await Journal.verify(at: "/var/lib/agent/memory")
        for problem in report.problems { print(problem) }
        for note in report.notes { print("no damage, but worth knowing: \(note)") }
    }

    static func openReading() async throws -> Int {
        var options = Journal.Options()
        options.access = .readOnly
        let reader = try await Journal.open(at: "/var/lib/agent/memory", options: options)
        let count = try await reader.conversation("support/user-42").memories().count
        return count
    }

    static func readme(_ journal: Journal, _ conversation: Conversation) async throws {
        // Returns when the memory is on stable storage. The key makes a retry return the first receipt.
        let receipt = try await conversation.add(
            "prefers email", role: .user, metadata: ["topic": "contact"], idempotencyKey: "msg-17")

        for memory in try await conversation.memories(last: 20) {
            print(memory.sequence, memory.role?.rawValue ?? "-", memory.content.text ?? "(no text)")
        }

        try await journal.flush(label: "after onboarding")
        try await conversation.replace(receipt.sequence, with: "prefers the phone")
        let before = try await journal.view(at: .label("after onboarding"))
        print(try before.memories(in: "support/user-42").last?.content.text ?? "")  // prefers email

        try await journal.close()
    }

    static func add(_ conversation: Conversation) async throws -> Receipt {
        let receipt = try await conversation.add(
            "prefers email", role: .user, metadata: ["topic": "contact"], idempotencyKey: "msg-17")
        print(receipt.sequence, receipt.recorded, receipt.isReplayed)
        return receipt
    }

    static func addOthers(_ conversation: Conversation, _ image: [UInt8]) async throws {
        try await conversation.add(.json(["tool": "weather", "city": "Lisbon"]), role: .assistant)
        try await conversation.add(.bytes(image), role: .tool, mimeType: "image/png")
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
            print(memory.sequence, memory.role?.rawValue ?? "-", memory.content.text ?? "(no text)")
        }
        let older = try await conversation.memories(last: 20, before: recent.first?.sequence)
        let preference = recent.last { $0.metadata["topic"] == "contact" }
        return (older, preference)
    }

    static func change(_ journal: Journal, _ conversation: Conversation, _ receipt: Receipt) async throws {
        let newer = try await conversation.replace(receipt.sequence, with: "prefers the phone")
        try await conversation.forget(newer.sequence)
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

    static func erase(_ journal: Journal, _ conversation: Conversation, _ receipt: Receipt) async throws {
        try await conversation.forget(receipt.sequence)
        let report = try await journal.compact(erasingForgotten: true)
        if let erasure = report.erasure {
            print("erased \(erasure.events.count) events, in \(erasure.files.count) files")
        }
    }

    // Compiled alone: these paths are not for tests.
    static func restore() async throws {
        let restored = try await Journal.restore(from: "/backups/memory", to: "/var/lib/agent/memory")
        if let replaced = restored.replaced { print("what was there before is in \(replaced)") }
    }

    static func backUp(_ journal: Journal) async throws {
        let backup = try await journal.backUp(to: "/backups/memory")
        print("everything up to \(backup.sequence) is in \(backup.directory)")
    }

    static func repair() async throws {
        let planned = try await Journal.repair(at: "/var/lib/agent/memory", dryRun: true)
        for loss in planned.losses { print("would be lost: \(loss)") }
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

    /// The README, the articles, and whatever else has example code in Swift.
    private static func documents() throws -> [URL] {
        let articles = root.appending(path: "Sources/AgentJournal/AgentJournal.docc")
        let found = try FileManager.default.contentsOfDirectory(at: articles, includingPropertiesForKeys: nil)
        return [root.appending(path: "README.md")] + found.filter { $0.pathExtension == "md" }
    }

    @Test func everyExampleIsCompiledHere() throws {
        let source = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        var count = 0
        for document in try Self.documents() {
            let text = try String(contentsOf: document, encoding: .utf8)
            for block in Self.blocks(of: "swift", in: text) {
                count += 1
                #expect(
                    Self.contains(source, block),
                    "\(document.lastPathComponent): a block is not in this file:\n\(block.joined(separator: "\n"))"
                )
            }
        }
        #expect(count >= 15)
    }

    @Test func theExamplesDoWhatTheySay() async throws {
        try await withJournal { journal, conversation in
            let receipt = try await Examples.add(conversation)
            #expect(receipt.sequence == 1 && !receipt.isReplayed)
            try await Examples.addOthers(conversation, [0x89, 0x50])
            try await Examples.addBatch(conversation)
            let (older, preference) = try await Examples.read(conversation)
            #expect(older.isEmpty && preference?.sequence == 1)
            try await Examples.change(journal, conversation, receipt)
            let then = try await Examples.lookBack(journal, conversation)
            #expect(try then.count == 5)
            try await Examples.once(conversation)
            try await Examples.compare(conversation)
            #expect(try await Examples.follow(journal) == conversation.lastSequence())
            let digest = try journal.view().digest()
            try await Examples.keepSmall(journal)
            #expect(try journal.view().digest() == digest)
            try await Examples.close(journal)
        }
        try await withJournal { journal, conversation in
            try await Examples.decide(journal, conversation)
        }
        try await withJournal { journal, conversation in
            try await Examples.readme(journal, conversation)
        }
    }

    private func withJournal(_ body: (Journal, Conversation) async throws -> Void) async throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "documentation-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        var options = Journal.Options()
        options.logger.logLevel = .error
        let journal = try await Journal.open(at: FilePath(url.path), options: options)
        try await body(journal, journal.conversation("support/user-42"))
        try await journal.close()
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
