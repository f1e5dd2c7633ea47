import SystemPackage

/// Where the data sets are.
struct DataSets {
    var directory: FilePath

    var tauBenchPath: FilePath { directory.appending("tau-bench/messages.jsonl") }
    var taskmasterPath: FilePath { directory.appending("taskmaster4/messages.jsonl.gz") }

    /// 5,308 messages of agents' trajectories, long, with tool calls.
    func tauBench() throws -> [Message] { try messages(tauBenchPath) }

    /// 44,630 short messages of people who order food and coffee from an agent.
    func taskmaster(first count: Int = .max) throws -> [Message] {
        try messages(taskmasterPath, first: count)
    }

    func check(_ path: FilePath) throws {
        guard Files.exists(path) else {
            throw UsageError(
                "The data set \(path) is not there. Say with --data where the directory is that holds "
                    + "tau-bench/messages.jsonl and taskmaster4/messages.jsonl.gz")
        }
    }

    private func messages(_ path: FilePath, first count: Int = .max) throws -> [Message] {
        try check(path)
        var reader = try LineReader(path)
        var messages: [Message] = []
        while messages.count < count, let line = reader.next() { messages.append(try Message(line: line)) }
        return messages
    }
}
