import AgentJournal
import SystemPackage

/// What a journal that hardly holds anything takes.
struct SmallJournal: Workload {
    let name = "small-journal"
    let summary = "a journal of three memories: bytes while open, and after a clean close"

    func run(_ context: Context) async throws -> Outcome {
        let (open, closed) = try await context.scratch.withDirectory { directory in
            let journal = try await Journal.openQuietly(directory.appending("journal"))
            let conversation = journal.conversation("support/user-42")
            for text in ["prefers email", "lives in Lisbon", "has two cats"] {
                try await conversation.add(.text(text), role: .user)
            }
            let open = try Files.size(directory)
            try await journal.close()
            return (open, try Files.size(directory))
        }
        let sizes: [(String, Int)] = [
            ("open, lengths", open.lengthBytes), ("open, blocks", open.blockBytes),
            ("closed, lengths", closed.lengthBytes), ("closed, blocks", closed.blockBytes),
        ]
        return Outcome(
            workload: name, method: "all files of the directory",
            series: sizes.map { Series(name: $0.0, unit: "bytes", values: [Double($0.1)]) },
            figures: [
                Figure(
                    what: "three memories, open (the larger of lengths and blocks)",
                    value: Double(max(open.lengthBytes, open.blockBytes)) / 1024, target: .atMost(300),
                    digits: 1, unit: " KiB"),
                Figure(
                    what: "three memories, closed (lengths)", value: Double(closed.lengthBytes) / 1024,
                    target: .atMost(8),
                    digits: 1, unit: " KiB"),
            ])
    }
}
