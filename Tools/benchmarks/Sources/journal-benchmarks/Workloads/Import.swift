import AgentJournal
import SystemPackage

/// Importing a file of messages, as a process of its own.
struct Import: Workload {
    let name = "import"
    let summary = "importing the 44,630 Taskmaster messages: time and memory of the process"

    func run(_ context: Context) async throws -> Outcome {
        try context.data.check(context.data.taskmasterPath)
        var time = Series(
            name: context.tool == nil ? "library, time" : "agent-journal import, time", unit: "s")
        var memory = Series(name: "most resident", unit: "MB")
        for round in 0..<(context.isQuick ? 1 : 5) {
            context.scratch.say("round \(round + 1): import")
            let usage = try await context.scratch.withDirectory { directory in
                try ChildProcess.measure(
                    command(context, directory.appending("journal")), isSilent: context.tool != nil)
            }
            time.values.append(usage.seconds)
            memory.values.append(Double(usage.maximumResidentBytes) / 1e6)
        }
        return Outcome(
            workload: name,
            method: context.tool == nil
                ? "the library, reading the same lines in batches of 1,000 (no --tool was given)"
                : "the tool, with its defaults, from start to exit",
            series: [time, memory],
            figures: [
                Figure(what: "import, time", value: time.median, target: .atMost(1.5), unit: " s"),
                Figure(
                    what: "import, resident", value: memory.median, target: .atMost(100), digits: 0,
                    unit: " MB"),
            ])
    }

    private func command(_ context: Context, _ journal: FilePath) -> [String] {
        let data = context.data.taskmasterPath.string
        guard let tool = context.tool else {
            return [ChildProcess.ownPath, "import-with-library", journal.string, data]
        }
        return [tool.string, "import", journal.string, data]
    }

    /// What the hidden command `import-with-library` does.
    static func withLibrary(_ journal: FilePath, _ file: FilePath) async throws {
        var reader = try LineReader(file)
        let journal = try await Journal.openQuietly(journal)
        var batch: [(conversation: String, memory: NewMemory)] = []
        while let line = reader.next() {
            let message = try Message(line: line)
            batch.append((message.conversation, message.memory))
            guard batch.count == 1000 else { continue }
            try await journal.add(contentsOf: batch)
            batch.removeAll(keepingCapacity: true)
        }
        try await journal.add(contentsOf: batch)
        try await journal.close()
    }
}
