import AgentJournal
import ArgumentParser
import SystemPackage

/// A process that starts, opens a journal with a long history, and reads one conversation.
struct Restart: Workload {
    let name = "restart"
    let summary =
        "a new process opens 1,000,000 memories and reads one conversation of 2,000, against SQLite; "
        + "with --large also 10,000,000"

    func run(_ context: Context) async throws -> Outcome {
        var outcome = Outcome(
            workload: name,
            method:
                "one conversation of \(Double(LargeSet.perConversation).grouped), another each round, all rows to Swift "
                + "values; in a new process each, twice: with the files dropped from the page cache, and then, which counts, with them in it; the time is taken inside it, from before opening "
                + "to the last row; snapshot taken, closed cleanly",
            series: [], figures: [])
        try await measure(context.size(1_000_000, quick: 100_000), limit: 5, context, &outcome)
        if context.isLarge { try await measure(10_000_000, limit: 20, context, &outcome) }
        return outcome
    }

    private func measure(
        _ count: Int, limit: Double, _ context: Context, _ outcome: inout Outcome
    ) async throws {
        let set = try await context.sets.set(count, context.data)
        let among = "among \(Double(count).grouped)"
        var readWrite = Who("AgentJournal, read-write, \(among)")
        var readOnly = Who("AgentJournal, read-only, \(among)")
        var sqlite = Who("SQLite, \(among)")
        var random = SplitMix64(state: 6)
        for round in 0..<context.rounds {
            context.scratch.say("round \(round + 1) of \(context.rounds): restart \(among)")
            let name = LargeSet.name(random.next(below: set.conversations))
            let runs: [() throws -> Void] = [
                { try readWrite.measure("restart-with-library", set.journal.string, name) },
                {
                    try readOnly.measure("restart-with-library", set.journal.string, name, "--read-only")
                },
                { try sqlite.measure("restart-with-sqlite", set.sqlite.string, name) },
            ]
            for turn in runs.indices { try runs[(turn + round) % runs.count]() }
        }
        outcome.series += [readWrite, readOnly, sqlite].flatMap(\.series)
        outcome.figures += [
            Figure(
                what: "open and read one conversation \(among)", value: readWrite.total.median,
                target: .atMost(limit), digits: 1, unit: " ms"),
            Figure(
                what: "the same, read-only", value: readOnly.total.median, target: .atMost(limit), digits: 1,
                unit: " ms"),
            Figure(
                what: "open and read one conversation \(among), of SQLite's time",
                value: readWrite.total.ratio(to: sqlite.total), target: .atMost(1)),
            Figure(
                what: "the same, most resident", value: readWrite.resident.median, target: .atMost(24),
                digits: 1, unit: " MB"),
        ]
    }

    /// What one of them took, round by round.
    private struct Who {
        var total: Series
        var open: Series
        var read: Series
        var resident: Series
        /// The whole, with its files dropped from the page cache.
        var cold: Series

        var series: [Series] { [total, open, read, resident, cold] }

        init(_ name: String) {
            total = Series(name: name, unit: "ms")
            open = Series(name: "- of that opening", unit: "ms")
            read = Series(name: "- of that reading", unit: "ms")
            resident = Series(name: "- most resident", unit: "MB")
            cold = Series(name: "- files not in the page cache", unit: "ms")
        }

        mutating func measure(_ arguments: String...) throws {
            let files = FilePath(arguments[1])
            if Files.isDirectory(files) {
                try Files.dropFromMemory(files)
            } else {
                try Files.dropFromMemory(file: files)
            }
            let first = try run(arguments)
            cold.values.append((first.open + first.read) * 1e3)
            let counted = try run(arguments)
            open.values.append(counted.open * 1e3)
            read.values.append(counted.read * 1e3)
            total.values.append((counted.open + counted.read) * 1e3)
            resident.values.append(Double(counted.residentBytes) / 1e6)
        }

        private func run(
            _ arguments: [String]
        ) throws -> (open: Double, read: Double, residentBytes: Int) {
            let usage = try ChildProcess.measure([ChildProcess.ownPath] + arguments)
            let numbers = usage.output.compactMap { Double($0) }
            guard numbers.count == 3, Int(numbers[2]) == LargeSet.perConversation else {
                throw UsageError("\(total.name): \(usage.output) is not what was to be read")
            }
            return (numbers[0], numbers[1], usage.maximumResidentBytes)
        }
    }
}

/// Prints the seconds for opening, those for reading, and how many memories there were.
struct RestartWithLibrary: AsyncParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument var journal: String
    @Argument var conversation: String
    @Flag var readOnly = false

    mutating func run() async throws {
        let isReadOnly = readOnly
        let start = ContinuousClock.now
        let journal = try await Journal.openQuietly(FilePath(journal)) {
            if isReadOnly { $0.access = .readOnly }
        }
        let opened = ContinuousClock.now
        let memories = try await journal.conversation(conversation).memories()
        let read = ContinuousClock.now
        print((opened - start).inSeconds, (read - opened).inSeconds, memories.count)
        try await journal.close()
    }
}

/// The same with SQLite.
struct RestartWithSQLite: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart-with-sqlite", shouldDisplay: false)

    @Argument var database: String
    @Argument var conversation: String

    mutating func run() throws {
        let start = ContinuousClock.now
        let store = try SQLiteStore(FilePath(database))
        let opened = ContinuousClock.now
        let rows = try store.select(conversation)
        let read = ContinuousClock.now
        print((opened - start).inSeconds, (read - opened).inSeconds, rows.count)
    }
}
