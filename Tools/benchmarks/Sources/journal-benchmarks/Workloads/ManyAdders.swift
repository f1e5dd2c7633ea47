import AgentJournal
import Synchronization
import SystemPackage

/// Many adders at once, each waiting for its own adds: a server of agents.
struct ManyAdders: Workload {
    let name = "many-adders"
    let summary = "64 adders at once, each add durable, against SQLite with as many threads and with one"
    private static let adders = 64

    func run(_ context: Context) async throws -> Outcome {
        let all = try context.data.taskmaster()
        let many = Array(all.prefix(ManyAdders.adders * context.size(250, quick: 100)))
        let few = Array(all.prefix(ManyAdders.adders * context.size(20, quick: 10)))
        let contest = Contest(
            unit: "adds/s", rounds: context.rounds,
            contenders: [
                Contender(name: "AgentJournal, 64 tasks") { try await ManyAdders.journal(many, $0) },
                Contender(name: "SQLite, 64 threads") { try await ManyAdders.sqlite(few, $0) },
                Contender(name: "SQLite, one thread") { try await ManyAdders.sqliteAlone(few, $0) },
            ])
        let series = try await contest.run(in: context.scratch)
        let best = series[1].median > series[2].median ? series[1] : series[2]
        return Outcome(
            workload: name,
            method:
                "Taskmaster messages, a share for each adder, \(many.count) a round (SQLite \(few.count)); SQLite: one "
                + "connection under a mutex, \(SQLiteStore.settings)",
            series: series,
            figures: [
                Figure(
                    what: "64 adders, of SQLite at its best", value: series[0].ratio(to: best),
                    target: .atLeast(12), digits: 1)
            ])
    }

    private static func share(_ adder: Int, of messages: [Message]) -> ArraySlice<Message> {
        let count = messages.count / adders
        return messages[adder * count..<(adder + 1) * count]
    }

    private static func journal(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let journal = try await Journal.openQuietly(directory)
        try await journal.conversation("first").add("first")
        let sample = try await Sample.measure(messages.count) {
            try await withThrowingTaskGroup { group in
                for adder in 0..<adders {
                    group.addTask {
                        for message in share(adder, of: messages) {
                            try await journal.conversation(message.conversation).add(
                                message.memory.content, role: message.memory.role,
                                metadata: message.memory.metadata)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        try await journal.close()
        return sample
    }

    private static func sqlite(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let store = try SQLiteStore(directory.appending("memories.sqlite"))
        try store.insert(messages[0])
        let failure = Mutex<(any Error)?>(nil)
        let sample = await Sample.measure(messages.count) {
            onThreads(adders) { adder in
                do {
                    for message in share(adder, of: messages) {
                        try store.withLock { try store.insert(message) }
                    }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        return sample
    }

    private static func sqliteAlone(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let store = try SQLiteStore(directory.appending("memories.sqlite"))
        try store.insert(messages[0])
        return try await Sample.measure(messages.count) {
            for message in messages { try store.insert(message) }
        }
    }
}
