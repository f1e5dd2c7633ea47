import AgentJournal
import Synchronization
import SystemPackage

/// The same adds with each store: so many adders at once, each waiting for its own adds.
enum Adding {
    /// Each adder's messages.
    typealias Shares = [[Message]]

    /// Deals messages out to so many adders, each the same number.
    static func shares(_ messages: [Message], adders: Int, each: Int) -> Shares {
        (0..<adders).map { adder in
            (0..<each).map { messages[(adder * each + $0) % messages.count] }
        }
    }

    /// A task for each adder; one adder is the calling task.
    static func journal(_ shares: Shares, _ directory: FilePath) async throws -> Sample {
        let journal = try await Journal.openQuietly(directory)
        // The first add clears the clean-close mark and reserves; that is opening, not adding.
        try await journal.conversation("first").add("first")
        let sample = try await Sample.measure(shares.count * shares[0].count) {
            guard shares.count > 1 else { return try await journal.addOneByOne(shares[0]) }
            try await withThrowingTaskGroup { group in
                for share in shares { group.addTask { try await journal.addOneByOne(share) } }
                try await group.waitForAll()
            }
        }
        try await journal.close()
        return sample
    }

    /// What the journal writes for these adds.
    static func frames(_ shares: Shares, _ context: Context) async throws -> SegmentFrames {
        try await context.scratch.withDirectory { directory in
            _ = try await journal(shares, directory)
            return try SegmentFrames(journal: directory)
        }
    }

    /// A thread for each adder, and one connection under a mutex.
    static func sqlite(_ shares: Shares, _ directory: FilePath) async throws -> Sample {
        let store = try SQLiteStore(directory.appending("memories.sqlite"))
        try store.insert(shares[0][0])
        return try await onThreads(shares) { _, message in
            try store.withLock { try store.insert(message) }
        }
    }

    /// All of it in one thread, which is as good as SQLite gets here.
    static func sqliteAlone(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        try await sqlite([messages], directory)
    }

    /// A thread and a connection for each adder. The server's CPU time is counted as well.
    static func redis(_ shares: Shares, _ directory: FilePath) async throws -> Sample {
        let server = try await RedisServer(directory)
        let connections = try shares.map { _ in try server.connect() }
        let lines = shares.map { $0.map { Line($0) } }
        try connections[0].push(lines[0][0])
        let before = server.cpuSeconds
        var sample = try await onThreads(lines) { adder, line in try connections[adder].push(line) }
        sample.cpuSeconds += server.cpuSeconds - before
        return sample
    }

    static func jsonLines(_ messages: [Message], _ directory: FilePath) async throws -> Sample {
        let file = try JSONLinesFile(directory.appending("memories.jsonl"))
        let lines = messages.map { Line($0) }
        try file.append(lines.prefix(1))
        return try await Sample.measure(lines.count) {
            for line in lines { try file.append(CollectionOfOne(line)) }
        }
    }

    private static func onThreads<Item: Sendable>(
        _ shares: [[Item]], _ add: @escaping @Sendable (_ adder: Int, Item) throws -> Void
    ) async throws -> Sample {
        guard shares.count > 1 else {
            return try await Sample.measure(shares[0].count) { for item in shares[0] { try add(0, item) } }
        }
        let failure = Mutex<(any Error)?>(nil)
        let sample = await Sample.measure(shares.count * shares[0].count) {
            journal_benchmarks.onThreads(shares.count) { adder in
                do {
                    for item in shares[adder] { try add(adder, item) }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        return sample
    }
}

extension Journal {
    /// Adds messages as an agent does: one call each, each awaited.
    func addOneByOne(_ messages: [Message]) async throws {
        for message in messages {
            try await conversation(message.conversation).add(
                message.memory.content, role: message.memory.role, metadata: message.memory.metadata)
        }
    }
}
