import AgentJournal
import SystemPackage

/// The last 20 memories of each of very many conversations: what a server does at every request.
struct Recent: Workload {
    let name = "recent"
    let summary =
        "the last 20 of each of 10,000 conversations among 1,000,000 memories, against SQLite and Redis"
    private static let perConversation = 100
    private static let wanted = 20

    func run(_ context: Context) async throws -> Outcome {
        let conversations = context.size(10_000, quick: 1000)
        return try await context.scratch.withDirectory { directory in
            let journalPath = directory.appending("journal")
            let sqlitePath = directory.appending("memories.sqlite")
            try Files.createDirectories(directory.appending("redis"))
            let server = try await RedisServer(directory.appending("redis"))
            let connection = try server.connect()
            try await fill(conversations, journalPath, sqlitePath, connection, context)
            let journal = try await Journal.openQuietly(journalPath)
            let store = try SQLiteStore(sqlitePath)
            var order = Array(0..<conversations)
            var random = ShortMessages([], seed: 9)
            random.shuffle(&order)
            let names = order.map { LargeSet.name($0) }
            let count = names.count
            var series = try await Contest(
                unit: "conversations/s", rounds: context.isQuick ? 3 : 7,
                contenders: [
                    Contender(name: "AgentJournal") { _ in
                        try await Sample.measure(count) {
                            for name in names {
                                let found = try await journal.conversation(name).memories(last: Recent.wanted)
                                precondition(found.count == Recent.wanted)
                            }
                        }
                    },
                    Contender(name: "SQLite") { _ in
                        try await Sample.measure(count) {
                            for name in names {
                                let found = try store.select(name, last: Recent.wanted)
                                precondition(found.count == Recent.wanted)
                            }
                        }
                    },
                    Contender(name: "Redis") { _ in
                        try await Sample.measure(count) {
                            for name in names {
                                let found = try connection.last(Recent.wanted, of: name)
                                precondition(found.count == Recent.wanted)
                            }
                        }
                    },
                ]
            ).run(in: context.scratch)
            try await journal.close()
            series.append(
                Series(name: "Redis, resident", unit: "MB", values: [Double(server.residentBytes) / 1e6]))
            return Outcome(
                workload: name,
                method:
                    "\(Double(count).grouped) conversations of \(Recent.perConversation), which came in interleaved, in random "
                    + "order, all values made Swift's (Redis: lines of JSON, not decoded); one process that has opened before, "
                    + "files in the page cache",
                series: series, figures: [])
        }
    }

    private func fill(
        _ conversations: Int, _ journalPath: FilePath, _ sqlitePath: FilePath, _ redis: RedisConnection,
        _ context: Context
    ) async throws {
        let journal = try await Journal.openQuietly(journalPath)
        let store = try SQLiteStore(sqlitePath)
        var source = ShortMessages(try context.data.taskmaster(), seed: 10)
        var order = Array(0..<conversations)
        for turn in 0..<Recent.perConversation {
            context.scratch.say("making \(turn * conversations) memories")
            source.shuffle(&order)
            let messages = order.map { source.next(in: LargeSet.name($0), turn: turn) }
            try await journal.addBatches(of: 1000, messages)
            try store.execute("BEGIN")
            for message in messages { try store.insert(message) }
            try store.execute("COMMIT")
            for start in stride(from: 0, to: messages.count, by: 1000) {
                try redis.pushTogether(messages[start..<start + 1000].map { Line($0) })
            }
        }
        try await journal.snapshot()
        try await journal.close()
        try store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}
