import AgentJournal
import Foundation
import SystemPackage
import Testing

/// On the real file system, because the simulated disk's pages are no mappings.
@Suite("What is put in the place of an open journal's files")
struct OverwrittenTests {
    private func withJournal(_ body: (Journal, URL) async throws -> Void) async throws {
        let top = FileManager.default.temporaryDirectory.appending(path: "overwritten-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: top, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: top) }
        let journal = try await Journal.open(at: FilePath(top.appending(path: "journal").path))
        try await body(journal, top)
        // What it could not write any more it cannot close cleanly either.
        try? await journal.close()
    }

    private func refusal(_ journal: Journal) async -> JournalError? {
        do {
            _ = try await journal.conversation("c").add("later")
            return nil
        } catch {
            return error as? JournalError
        }
    }

    @Test("lock cut off: the next add says so, the process goes on, and reads do too")
    func truncatedLock() async throws {
        try await withJournal { journal, top in
            _ = try await journal.conversation("c").add("one")
            let lock = top.appending(path: "journal/lock")
            try FileHandle(forWritingTo: lock).truncate(atOffset: 0)
            let error = await refusal(journal)
            #expect(error?.code == .notWritten)
            #expect(error?.description.contains("lock") == true)
            #expect(try await journal.conversation("c").memories().count == 1)
        }
    }

    @Test("a segment cut off: the next add says so")
    func truncatedSegment() async throws {
        try await withJournal { journal, top in
            _ = try await journal.conversation("c").add("one")
            let log = top.appending(path: "journal/log")
            let name = try #require(FileManager.default.contentsOfDirectory(atPath: log.path).first)
            try FileHandle(forWritingTo: log.appending(path: name)).truncate(atOffset: 1030)
            #expect(await refusal(journal)?.code == .notWritten)
        }
    }

    @Test("a backup copied over the directory: the next add is refused, and no sequence is given out twice")
    func copiedOver() async throws {
        try await withJournal { journal, top in
            _ = try await journal.conversation("c").add("one")
            let backup = top.appending(path: "backup")
            try await journal.backUp(to: FilePath(backup.path))
            _ = try await journal.conversation("c").add("two")
            for case let path as String in try #require(FileManager.default.enumerator(atPath: backup.path)) {
                let from = backup.appending(path: path)
                guard try from.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else {
                    continue
                }
                let handle = try FileHandle(
                    forWritingTo: top.appending(path: "journal").appending(path: path))
                try handle.truncate(atOffset: 0)
                try handle.write(contentsOf: Data(contentsOf: from))
                try handle.close()
            }
            let error = await refusal(journal)
            #expect(error?.code == .notWritten)
            #expect(error?.description.contains("agent-journal restore") == true)
            #expect(await refusal(journal)?.code == .notWritten)
        }
    }
}
