import AgentJournal
import CBareZlib
import SystemPackage

/// Opening a journal of many short messages without a snapshot: the state is rebuilt from the first event.
struct Replay: Workload {
    let name = "replay"
    let summary =
        "opening a journal of 1,000,000 short messages on one core and on two, against inflating its log and doing nothing else"

    func run(_ context: Context) async throws -> Outcome {
        let count = context.size(1_000_000, quick: 100_000)
        return try await context.scratch.withDirectory { directory in
            let path = directory.appending("journal")
            context.scratch.say("writing \(count) messages")
            let bytes = try await write(count, path, context)
            let log = directory.appending("log-alone")
            try Files.copyTree(path, to: log, asLinks: true, leavingOut: ".snapshot")
            let contest = Contest(
                unit: "events/s", rounds: context.isQuick ? 2 : 7,
                contenders: [
                    Contender(name: "AgentJournal, opening, one core") { _ in try open(log, count, cores: "0")
                    },
                    Contender(name: "AgentJournal, opening, two cores") { _ in
                        try open(log, count, cores: "0,1")
                    },
                    Contender(name: "bare inflate and crc32, one core") { _ in
                        try await inflateAll(log, count)
                    },
                ])
            let series = try await contest.run(in: context.scratch)
            return Outcome(
                workload: name,
                method:
                    "\(Double(count).grouped) messages of \(bytes / count) bytes of JSON in batches of 1,000; a new process on "
                    + "given cores (`taskset`), opening for reading, no snapshot; the log in the page cache",
                series: series,
                figures: [
                    Figure(
                        what: "replay from the first event, one core", value: series[0].median,
                        target: .atLeast(1_000_000), digits: 0, unit: "/s"),
                    Figure(
                        what: "the same on two cores, of one", value: series[1].ratio(to: series[0]),
                        target: .atLeast(1.7)),
                    Figure(
                        what: "the time of a replay, of bare inflate's",
                        value: series[2].ratio(to: series[0]),
                        target: .atMost(2.5)),
                ])
        }
    }

    private func write(_ count: Int, _ path: FilePath, _ context: Context) async throws -> Int {
        var source = ShortMessages(try context.data.taskmaster(first: 10_000), seed: 4)
        let journal = try await Journal.openQuietly(path)
        var written = 0
        var bytes = 0
        while written < count {
            var batch: [(conversation: String, memory: NewMemory)] = []
            while batch.count < 1000 {
                for message in source.nextRun() where written + batch.count < count && batch.count < 1000 {
                    bytes += message.lineBytes
                    batch.append((message.conversation, message.memory))
                }
                if written + batch.count == count { break }
            }
            try await journal.add(contentsOf: batch)
            written += batch.count
        }
        try await journal.close()
        return bytes
    }

    private func open(_ path: FilePath, _ count: Int, cores: String) throws -> Sample {
        let usage = try ChildProcess.measure([
            "/usr/bin/taskset", "-c", cores, ChildProcess.ownPath, "replay-with-library", path.string,
        ])
        let numbers = usage.output.compactMap { Double($0) }
        guard numbers.count == 3, numbers[1] > 0 else {
            throw UsageError("the replay gave \(usage.output)")
        }
        return Sample(count: count, seconds: numbers[0], cpuSeconds: numbers[2])
    }

    /// The limit: zlib's own time for the same payloads, and that of their checksums.
    private func inflateAll(_ path: FilePath, _ count: Int) async throws -> Sample {
        let frames = try SegmentFrames(journal: path)
        return try await Sample.measure(count) {
            try frames.inflateEach { _ = crc32_z(0, $0.baseAddress, $0.count) }
        }
    }
}
