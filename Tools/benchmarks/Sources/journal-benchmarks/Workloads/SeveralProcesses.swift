import AgentJournal
import ArgumentParser
import Glibc
import Synchronization
import SystemPackage

/// Several processes that share one journal: workers of a server.
struct SeveralProcesses: Workload {
    let name = "several-processes"
    let summary = "4 processes with one journal, each add durable, against SQLite; reading; following"
    static let processes = 4

    /// Of each round, what the slowest process did of what the fastest did.
    private final class Fairness: Sendable {
        let values = Mutex<[Double]>([])
    }

    func run(_ context: Context) async throws -> Outcome {
        let data = context.data.directory.string
        let seconds = context.isQuick ? 0.5 : 2.0
        let fairness = Fairness()
        let contest = Contest(
            unit: "adds/s", rounds: context.rounds,
            contenders: [
                Contender(name: "AgentJournal, 4 processes, one adder each") { directory in
                    try SeveralProcesses.addAtOnce("journal", directory, data, adders: 1, seconds, fairness)
                },
                Contender(name: "SQLite, 4 processes, one adder each") { directory in
                    try SeveralProcesses.addAtOnce("sqlite", directory, data, adders: 1, seconds)
                },
                Contender(name: "AgentJournal, 4 processes, 16 adders each") { directory in
                    try SeveralProcesses.addAtOnce("journal", directory, data, adders: 16, seconds)
                },
                Contender(name: "write and fdatasync") { directory in
                    // As large as a frame of one message.
                    let pieces = [[UInt8]](
                        repeating: [UInt8](repeating: 7, count: 136), count: context.size(4000, quick: 1000))
                    return try await BareLoop(pieces: pieces).run(directory.appending("bare"))
                },
            ])
        let series = try await contest.run(in: context.scratch)
        let read = try await readingNothingNew(context)
        let delay = try await followingAnother(context)
        return Outcome(
            workload: name,
            method:
                "Taskmaster messages, \(seconds) s a round, each process for itself; SQLite: \(SQLiteStore.settings), "
                + "busy_timeout 30 s",
            series: series + [read, delay],
            figures: [
                Figure(
                    what: "4 processes, one adder each, of SQLite's", value: series[0].ratio(to: series[1]),
                    target: .atLeast(1.4)),
                Figure(
                    what: "its slowest process, of its fastest",
                    value: fairness.values.withLock { $0.median },
                    target: .atLeast(0.5)),
                Figure(
                    what: "4 processes, 16 adders each, adds/s", value: series[2].median,
                    target: .atLeast(60_000), digits: 0),
                Figure(
                    what: "a read when nothing is new", value: read.median, target: .atMost(200), digits: 0,
                    unit: " ns"),
                Figure(
                    what: "an add in one process, to a follower in another", value: delay.median,
                    target: .atMost(0.5), digits: 3, unit: " ms"),
            ])
    }

    /// Starts the processes, which begin when all are ready, and add for a time.
    private static func addAtOnce(
        _ store: String, _ directory: FilePath, _ data: String, adders: Int, _ seconds: Double,
        _ fairness: Fairness? = nil
    ) throws -> Sample {
        let counts = Mutex<[Int: Int]>([:])
        let failure = Mutex<(any Error)?>(nil)
        let path = directory.appending("store").string
        onThreads(processes) { number in
            do {
                let usage = try ChildProcess.measure([
                    ChildProcess.ownPath, "add-beside-others", store, path, data, "\(number)", "\(adders)",
                    "\(seconds)",
                ])
                let count = usage.output.first.flatMap { Int($0) } ?? 0
                counts.withLock { $0[number] = count }
            } catch {
                failure.withLock { $0 = error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        let all = counts.withLock { Array($0.values) }
        if adders == 1, store == "journal" {
            fairness?.values.withLock { $0.append(Double(all.min()!) / Double(all.max()!)) }
        }
        return Sample(count: all.reduce(0, +), seconds: seconds, cpuSeconds: 0)
    }

    /// What a read costs before it looks for anything, while another process has the journal open too.
    private func readingNothingNew(_ context: Context) async throws -> Series {
        var series = Series(name: "the last sequence of a conversation, when nothing is new", unit: "ns")
        for _ in 0..<context.rounds {
            let nanoseconds = try await context.scratch.withDirectory { directory in
                let journal = try await Journal.openQuietly(directory)
                try await journal.conversation("c").add("one")
                let nanoseconds = try await SeveralProcesses.look(at: journal, times: 200_000)
                try await journal.close()
                return nanoseconds
            }
            series.values.append(nanoseconds)
        }
        return series
    }

    private static func look(at journal: Journal, times count: Int) async throws -> Double {
        let conversation = journal.conversation("c")
        let start = ContinuousClock.now
        var sum: UInt64 = 0
        for _ in 0..<count { sum &+= try await conversation.lastSequence() }
        let duration = (ContinuousClock.now - start).inSeconds
        precondition(sum == UInt64(count))
        return duration / Double(count) * 1e9
    }

    /// From the return of an add in another process to its event at a follower in this one.
    private func followingAnother(_ context: Context) async throws -> Series {
        var series = Series(name: "from another's add to a follower, the median of 200", unit: "ms")
        for _ in 0..<min(context.rounds, 5) {
            let delay = try await context.scratch.withDirectory { directory in
                let journal = try await Journal.openQuietly(directory)
                let arrivals = Task {
                    var times: [UInt64] = []
                    for try await _ in journal.follow() {
                        times.append(Clock.nanoseconds())
                        if times.count == 200 { break }
                    }
                    return times
                }
                let usage = try ChildProcess.measure([
                    ChildProcess.ownPath, "add-now-and-then", directory.string,
                ])
                let returns = usage.output.compactMap { UInt64($0) }
                let times = try await arrivals.value
                try await journal.close()
                guard returns.count == times.count else {
                    throw UsageError("the other process did not add all")
                }
                return zip(times, returns).map { Double(Int64($0) - Int64($1)) / 1e6 }.median
            }
            series.values.append(delay)
        }
        return series
    }
}

enum Clock {
    /// A clock that all processes share.
    static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// One of the processes: adds for a time, and prints how many.
struct AddBesideOthers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "add-beside-others", shouldDisplay: false)

    @Argument var store: String
    @Argument var path: String
    @Argument var data: String
    @Argument var number: Int
    @Argument var adders: Int
    @Argument var seconds: Double

    mutating func run() async throws {
        let all = try DataSets(directory: FilePath(data)).taskmaster()
        let messages = Array(all.dropFirst(number * 8000).prefix(8000))
        if store == "sqlite" {
            let store = try SQLiteStore(FilePath(path))
            let end = try begin()
            var count = 0
            while Clock.nanoseconds() < end {
                try store.insert(messages[count % messages.count])
                count += 1
            }
            return print(count)
        }
        let adders = adders
        let journal = try await Journal.openQuietly(FilePath(path))
        let end = try begin()
        let total = try await withThrowingTaskGroup { group in
            for adder in 0..<adders {
                group.addTask {
                    var count = 0
                    while Clock.nanoseconds() < end {
                        let message = messages[(count * adders + adder) % messages.count]
                        try await journal.conversation(message.conversation).add(
                            message.memory.content, role: message.memory.role,
                            metadata: message.memory.metadata)
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        try await journal.close()
        print(total)
    }

    /// Waits until all are ready, and returns when to end. Each says so by a file beside the store.
    private func begin() throws -> UInt64 {
        func sign(_ number: Int) -> FilePath { FilePath("\(path)-ready-\(number)") }
        try FileDescriptor.open(
            sign(number), .writeOnly, options: .create, permissions: .ownerReadWrite
        ).close()
        let limit = Clock.nanoseconds() + 60_000_000_000
        while let missing = (0..<SeveralProcesses.processes).first(where: { !Files.exists(sign($0)) }) {
            guard Clock.nanoseconds() < limit else {
                throw UsageError("process \(missing) was not ready within a minute")
            }
            usleep(200)
        }
        return Clock.nanoseconds() + UInt64(seconds * 1e9)
    }
}

/// Adds 200 memories, some milliseconds apart, and prints when each add returned.
struct AddNowAndThen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "add-now-and-then", shouldDisplay: false)

    @Argument var path: String

    mutating func run() async throws {
        let journal = try await Journal.openQuietly(FilePath(path))
        for number in 0..<200 {
            try await journal.conversation("c").add("number \(number)")
            print(Clock.nanoseconds())
            usleep(2000)
        }
        try await journal.close()
    }
}
