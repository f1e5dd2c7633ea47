import AgentJournal
import SystemPackage

/// One adder that waits for each add: what an agent does.
struct OneAdder: Workload {
    let name = "one-adder"
    let summary = "one adder, each add durable, against a bare loop of the same bytes and SQLite"

    func run(_ context: Context) async throws -> Outcome {
        let messages = try context.data.taskmaster(first: context.size(1000, quick: 300))
        // What the journal writes for these messages, the bare loop writes too, piece by piece.
        let frames = try await context.scratch.withDirectory { directory in
            _ = try await OneAdder.journal(messages, directory)
            return try SegmentFrames(journal: directory).frames
        }
        let contest = Contest(
            unit: "adds/s", rounds: context.rounds,
            contenders: [
                Contender(name: "AgentJournal") { try await OneAdder.journal(messages, $0) },
                Contender(name: "bare pwrite + fdatasync") {
                    try await BareLoop(pieces: frames).run($0.appending("bare"))
                },
                Contender(name: "SQLite") { try await OneAdder.sqlite(messages, $0) },
            ])
        let series = try await contest.run(in: context.scratch)
        let bytes = frames.reduce(0) { $0 + $1.count } / frames.count
        return Outcome(
            workload: name,
            method:
                "\(messages.count) Taskmaster messages a round, each awaited; the bare loop writes the same \(frames.count) "
                + "pieces of \(bytes) bytes on average; SQLite: \(SQLiteStore.settings)",
            series: series,
            figures: [
                Figure(
                    what: "one adder, of the bare loop", value: series[0].ratio(to: series[1]),
                    target: .atLeast(0.85)),
                Figure(
                    what: "one adder, of SQLite", value: series[0].ratio(to: series[2]), target: .atLeast(1)),
            ])
    }

    private static func journal(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let journal = try await Journal.openQuietly(directory)
        // The first add clears the clean-close mark and reserves; that is opening, not adding.
        try await journal.conversation("first").add("first")
        let sample = try await Sample.measure(messages.count) {
            for message in messages {
                try await journal.conversation(message.conversation).add(
                    message.memory.content, role: message.memory.role, metadata: message.memory.metadata)
            }
        }
        try await journal.close()
        return sample
    }

    private static func sqlite(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let store = try SQLiteStore(directory.appending("memories.sqlite"))
        try store.insert(messages[0])
        return try await Sample.measure(messages.count) {
            for message in messages { try store.insert(message) }
        }
    }
}
