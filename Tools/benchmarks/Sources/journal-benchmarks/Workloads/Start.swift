import AgentJournal
import SystemPackage

/// How long the tool takes for next to nothing.
struct Start: Workload {
    let name = "start"
    let summary =
        "`agent-journal show` of a small journal, from start to exit, warm and with its files dropped from memory"

    func run(_ context: Context) async throws -> Outcome {
        guard let tool = context.tool else { throw UsageError("Say with --tool where agent-journal is") }
        var warm = Series(name: "agent-journal show", unit: "ms")
        var cold = Series(name: "- files not in the page cache", unit: "ms")
        try await context.scratch.withDirectory { directory in
            let path = directory.appending("journal")
            let journal = try await Journal.openQuietly(path)
            for number in 1...20 {
                try await journal.conversation("support/user-42").add(.text("memory \(number)"), role: .user)
            }
            try await journal.close()
            let command = [tool.string, "show", path.string, "support/user-42"]
            _ = try ChildProcess.measure(command, isSilent: true)
            for _ in 0..<context.rounds {
                try Files.dropFromMemory(directory)
                try Files.dropFromMemory(file: tool)
                cold.values.append(try ChildProcess.measure(command, isSilent: true).seconds * 1e3)
                warm.values.append(try ChildProcess.measure(command, isSilent: true).seconds * 1e3)
            }
        }
        return Outcome(
            workload: name, method: "20 memories, the wall time of the process, after a clean close",
            series: [warm, cold],
            figures: [
                Figure(
                    what: "cold start of `show`", value: warm.median, target: .atMost(30), digits: 1,
                    unit: " ms")
            ])
    }
}
