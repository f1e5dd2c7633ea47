import AgentJournal
import ArgumentParser
import SystemPackage

/// Replaying a long history from its first event, without a snapshot, in bounded memory.
struct LongReplay: Workload {
    let name = "long-replay"
    let summary =
        "replaying 1,000,000 events from the first, without a snapshot; with --large 10,000,000: speed and memory"

    func run(_ context: Context) async throws -> Outcome {
        let count = context.isLarge ? 10_000_000 : context.size(1_000_000, quick: 100_000)
        let set = try await context.sets.set(count, context.data)
        var speed = Series(name: "AgentJournal, opening", unit: "events/s")
        var memory = Series(name: "- most resident", unit: "MB")
        for round in 0..<(count > 1_000_000 ? 1 : 3) {
            context.scratch.say("round \(round + 1): replaying \(count) events")
            let usage = try await context.scratch.withDirectory { directory in
                let path = directory.appending("journal")
                try Files.copyTree(set.journal, to: path, asLinks: true, leavingOut: ".snapshot")
                return try ChildProcess.measure([ChildProcess.ownPath, "replay-with-library", path.string])
            }
            let numbers = usage.output.compactMap { Double($0) }
            guard numbers.count == 3, Int(numbers[1]) == set.conversations else {
                throw UsageError("the replay gave \(usage.output) conversations")
            }
            speed.values.append(Double(count) / numbers[0])
            memory.values.append(Double(usage.maximumResidentBytes) / 1e6)
        }
        return Outcome(
            workload: name,
            method:
                "\(Double(count).grouped) memories in \(set.conversations) conversations, opened for reading in a new process, "
                + "the snapshot left out; `replayBytes` as it is by default; the log in the page cache",
            series: [speed, memory],
            figures: [
                Figure(
                    what: "replay of \(Double(count).grouped) events from the first", value: speed.median,
                    target: .atLeast(500_000), digits: 0, unit: "/s"),
                Figure(
                    what: "the same, most resident", value: memory.median, target: .atMost(512), digits: 0,
                    unit: " MB"),
            ])
    }
}

/// Prints the seconds for opening, how many conversations there are, and the CPU seconds so far.
struct ReplayWithLibrary: AsyncParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument var journal: String

    mutating func run() async throws {
        let start = ContinuousClock.now
        let journal = try await Journal.openQuietly(FilePath(journal)) { $0.access = .readOnly }
        let seconds = (ContinuousClock.now - start).inSeconds
        let cpu = Sample.processSeconds()
        print(seconds, try await journal.conversations().count, cpu)
        try await journal.close()
    }
}
