import AgentJournal
import SystemPackage

/// One adder that waits for batches: importing, or a turn with all its tool calls.
struct Batches: Workload {
    let name = "batches"
    let summary =
        "one adder, awaited batches of 64, each durable as a whole, against SQLite, Redis and JSON lines"
    private static let size = 64

    func run(_ context: Context) async throws -> Outcome {
        let count = Batches.size * context.size(400, quick: 50)
        let messages = Adding.shares(try context.data.taskmaster(), adders: 1, each: count)[0]
        let payloads = try await context.scratch.withDirectory { directory in
            _ = try await Batches.journal(messages, directory)
            return try SegmentFrames(journal: directory).rawPayloads()
        }
        let series = try await Contest(
            unit: "memories/s", rounds: context.rounds,
            contenders: [
                Contender(name: "AgentJournal") { try await Batches.journal(messages, $0) },
                Contender(name: "SQLite, a transaction a batch") { directory in
                    let store = try SQLiteStore(directory.appending("memories.sqlite"))
                    try store.insert(messages[0])
                    return try await Batches.each(messages) { batch in
                        try store.execute("BEGIN")
                        for message in batch { try store.insert(message) }
                        try store.execute("COMMIT")
                    }
                },
                Contender(name: "Redis, MULTI and EXEC a batch") { directory in
                    let server = try await RedisServer(directory)
                    let connection = try server.connect()
                    try connection.push(Line(messages[0]))
                    let before = server.cpuSeconds
                    var sample = try await Batches.each(messages.map { Line($0) }) {
                        try connection.pushTogether($0)
                    }
                    sample.cpuSeconds += server.cpuSeconds - before
                    return sample
                },
                Contender(name: "JSON lines, fsync") { directory in
                    let file = try JSONLinesFile(directory.appending("memories.jsonl"))
                    return try await Batches.each(messages.map { Line($0) }) { try file.append($0) }
                },
                Contender(name: "deflate, pwrite + fdatasync") {
                    try await DeflatingLoop(payloads: payloads, count: count, search: .shortest)
                        .run($0.appending("bare"))
                },
            ]
        ).run(in: context.scratch)
        return Outcome(
            workload: name,
            method: "\(Double(count).grouped) Taskmaster messages a round, \(Batches.size) at a time, in the "
                + "conversations in which they were said; the last deflates, writes and syncs the journal's frames, and does nothing else",
            series: series,
            figures: [
                Figure(
                    what: "one adder, batches of 64, memories/s", value: series[0].median,
                    target: .atLeast(300_000), digits: 0)
            ])
    }

    private static func journal(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let journal = try await Journal.openQuietly(directory)
        try await journal.conversation("first").add("first")
        let sample = try await Sample.measure(messages.count) {
            try await journal.addBatches(of: size, messages)
        }
        try await journal.close()
        return sample
    }

    private static func each<Item>(
        _ items: [Item], _ add: (ArraySlice<Item>) throws -> Void
    ) async throws -> Sample {
        try await Sample.measure(items.count) {
            for start in stride(from: 0, to: items.count, by: size) {
                try add(items[start..<min(start + size, items.count)])
            }
        }
    }
}
