import AgentJournal
import Glibc
import Synchronization
import SystemPackage

/// How long durable adds take while the journal is idle, while a snapshot is written, and while it is compacted.
struct TailLatency: Workload {
    let name = "tail-latency"
    let summary =
        "durable adds to 1,000,000 memories, one adder and eight: p50 and p99 idle, during a snapshot, during a compaction"

    /// Adders rest between adds: a disk that is never left alone is throttled, and then measured is the throttle.
    private static let rest = Duration.milliseconds(5)
    private static let idleSeconds = 6

    func run(_ context: Context) async throws -> Outcome {
        let set = try await context.sets.set(context.size(1_000_000, quick: 100_000), context.data)
        var source = ShortMessages(try context.data.taskmaster(), seed: 7)
        let messages = (0..<4096).map { turn in
            source.next(in: LargeSet.name((turn * 7) % set.conversations), turn: turn)
        }
        var outcome = Outcome(
            workload: name,
            method:
                "each adder awaits its add and then rests 5 ms; the snapshot is a first one, of all \(Double(set.count).grouped) "
                + "memories; the compaction packs all of the log; idle is before and after these, on the same journal; "
                + "SQLite: \(SQLiteStore.settings), busy with a VACUUM INTO",
            series: [], figures: [])
        for adders in [1, 8] {
            let who = adders == 1 ? "one adder" : "\(adders) adders"
            try await journal(set, messages, adders, who, context, &outcome)
            try await sqlite(set, messages, adders, who, context, &outcome)
        }
        return outcome
    }

    // MARK: AgentJournal

    private func journal(
        _ set: LargeSet, _ messages: [Message], _ adders: Int, _ who: String, _ context: Context,
        _ outcome: inout Outcome
    ) async throws {
        let adds = { (journal: Journal, work: @escaping @Sendable () async throws -> Void) in
            try await TailLatency.adds(adders, messages, journal, during: work)
        }
        let idling: @Sendable () async throws -> Void = {
            try await Task.sleep(for: .seconds(TailLatency.idleSeconds))
        }
        let (idle, snapshot, compaction) = try await context.scratch.withDirectory { directory in
            let path = directory.appending("journal")
            try Files.copyTree(set.journal, to: path, leavingOut: ".snapshot")
            try await Environment.waitForSteadySyncs(context.scratch)
            context.scratch.say("\(who): opening without a snapshot")
            let journal = try await Journal.openQuietly(path)
            // Opening took long, so a snapshot has been begun; the one asked for here comes behind it.
            context.scratch.say("\(who): adding beside a snapshot")
            let snapshot = try await adds(journal) { try await journal.snapshot() }
            context.scratch.say("\(who): adding while nothing else is done")
            var idle = try await adds(journal, idling)
            context.scratch.say("\(who): adding beside a compaction")
            let compaction = try await adds(journal) { try await journal.compact() }
            context.scratch.say("\(who): adding while nothing else is done")
            idle += try await adds(journal, idling)
            try await journal.close()
            return (idle, snapshot, compaction)
        }
        for (times, what) in [(idle, "idle"), (snapshot, "snapshot"), (compaction, "compaction")] {
            outcome.series += TailLatency.series("AgentJournal, \(who), \(what)", times)
        }
        let p99 = idle.percentile(99)
        outcome.figures += [(snapshot, "a snapshot"), (compaction, "a compaction")].map { times, what in
            Figure(
                what: "p99 of adds during \(what), \(who), of the idle p99",
                value: times.percentile(99) / p99, target: .atMost(2))
        }
    }

    /// Adds for as long as `work` takes; returns the milliseconds of each.
    static func adds(
        _ adders: Int, _ messages: [Message], _ journal: Journal,
        during work: @escaping @Sendable () async throws -> Void
    ) async throws -> [Double] {
        let isDone = Flag()
        return try await withThrowingTaskGroup(of: [Double].self) { group in
            for adder in 0..<adders {
                group.addTask {
                    var times: [Double] = []
                    var next = adder
                    while !isDone.isSet {
                        let message = messages[next % messages.count]
                        next += adders
                        let start = ContinuousClock.now
                        try await journal.conversation(message.conversation).add(
                            message.memory.content, role: message.memory.role)
                        times.append((ContinuousClock.now - start).inSeconds * 1e3)
                        try await Task.sleep(for: rest)
                    }
                    return times
                }
            }
            group.addTask {
                defer { isDone.set() }
                try await work()
                return []
            }
            var all: [Double] = []
            for try await times in group { all += times }
            return all
        }
    }

    // MARK: SQLite

    private func sqlite(
        _ set: LargeSet, _ messages: [Message], _ adders: Int, _ who: String, _ context: Context,
        _ outcome: inout Outcome
    ) async throws {
        let (idle, busy) = try await context.scratch.withDirectory { directory in
            try Files.copyTree(set.directory, to: directory, leavingOut: ".segment")
            try await Environment.waitForSteadySyncs(context.scratch)
            let path = directory.appending("memories.sqlite")
            let store = try SQLiteStore(path)
            try store.insert(messages[0])
            context.scratch.say("\(who): SQLite, idle")
            let idle = try TailLatency.inserts(adders, messages, store) {
                usleep(UInt32(TailLatency.idleSeconds) * 1_000_000)
            }
            context.scratch.say("\(who): SQLite beside a VACUUM INTO")
            let busy = try TailLatency.inserts(adders, messages, store) {
                try SQLiteStore(path).execute("VACUUM INTO '\(directory.appending("vacuumed.sqlite"))'")
            }
            return (idle, busy)
        }
        outcome.series += TailLatency.series("SQLite, \(who), idle", idle)
        outcome.series += TailLatency.series("SQLite, \(who), VACUUM INTO", busy)
    }

    private static func inserts(
        _ adders: Int, _ messages: [Message], _ store: SQLiteStore,
        during work: @escaping @Sendable () throws -> Void
    ) throws -> [Double] {
        struct Shared {
            var isDone = false
            var times: [Double] = []
            var failure: (any Error)?
        }
        let shared = Mutex(Shared())
        onThreads(adders + 1) { adder in
            do {
                guard adder < adders else {
                    defer { shared.withLock { $0.isDone = true } }
                    try work()
                    return
                }
                var times: [Double] = []
                var next = adder
                while !shared.withLock({ $0.isDone }) {
                    let message = messages[next % messages.count]
                    next += adders
                    let start = ContinuousClock.now
                    try store.withLock { try store.insert(message) }
                    times.append((ContinuousClock.now - start).inSeconds * 1e3)
                    usleep(UInt32(rest.inSeconds * 1e6))
                }
                shared.withLock { $0.times += times }
            } catch {
                shared.withLock { $0.failure = error }
            }
        }
        return try shared.withLock { shared in
            if let failure = shared.failure { throw failure }
            return shared.times
        }
    }

    private static func series(_ name: String, _ times: [Double]) -> [Series] {
        [50, 99].map {
            Series(name: "\(name), p\($0) of \(times.count)", unit: "ms", values: [times.percentile($0)])
        }
    }
}

/// Is set once, by whoever first has a reason.
private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}

extension [Double] {
    /// The smallest that so many percent are not above.
    func percentile(_ percent: Int) -> Double {
        precondition(!isEmpty)
        return sorted()[Swift.min(count - 1, count * percent / 100)]
    }
}
