import AgentJournal
import SystemPackage

/// What compaction makes of a million memories, and how quickly.
struct Compact: Workload {
    let name = "compact"
    let summary = "1,000,000 memories compacted, without history and with all of it: bytes beside SQLite's"

    func run(_ context: Context) async throws -> Outcome {
        let set = try await context.sets.set(context.size(1_000_000, quick: 100_000), context.data)
        context.scratch.say("SQLite")
        let sqlite = try Files.length(set.sqlite)
        let vacuumed = try await context.scratch.withDirectory { directory in
            let path = directory.appending("vacuumed.sqlite")
            try SQLiteStore(set.sqlite).execute("VACUUM INTO '\(path)'")
            return try Files.length(path)
        }
        let before = try Files.size(set.journal).lengthBytes
        let none = try await compact(set, .none, "without history", context)
        let all = try await compact(set, .all, "with all history", context)
        let sizes: [(String, Int)] = [
            ("lines of JSON", set.lineBytes), ("SQLite, after a checkpoint", sqlite),
            ("SQLite, vacuumed", vacuumed), ("AgentJournal, log and snapshot", before),
            ("AgentJournal, compacted, all history", all.bytes),
            ("- of that log", all.logBytes), ("- of that snapshot", all.bytes - all.logBytes),
            ("AgentJournal, compacted, no history", none.bytes),
        ]
        var packing = Series(name: "compacting with all history", unit: "lines of JSON/s")
        packing.samples = [all.sample]
        packing.values = [all.sample.perSecond]
        return Outcome(
            workload: name,
            method:
                "\(Double(set.count).grouped) memories, sum of the lengths of all files; the snapshot is taken before, so "
                + "that with all history there is only packing",
            series: sizes.map { Series(name: $0.0, unit: "bytes", values: [Double($0.1)]) } + [packing],
            figures: [
                Figure(
                    what: "disk without history, of SQLite's file",
                    value: Double(none.bytes) / Double(sqlite),
                    target: .atMost(0.28), digits: 3),
                Figure(
                    what: "disk with all history, of SQLite's file",
                    value: Double(all.bytes) / Double(sqlite),
                    target: .atMost(0.55), digits: 3),
                Figure(
                    what: "packing, lines of JSON for a second of the process's CPU",
                    value: Double(set.lineBytes) / 1e6 / all.sample.cpuSeconds, target: .atLeast(25),
                    digits: 1,
                    unit: " MB"),
            ])
    }

    private struct Result {
        var sample: Sample
        var bytes: Int
        var logBytes: Int
    }

    private func compact(
        _ set: LargeSet, _ retention: Retention, _ what: String, _ context: Context
    ) async throws -> Result {
        context.scratch.say("compacting \(what)")
        return try await context.scratch.withDirectory { directory in
            let path = directory.appending("journal")
            try Files.copyTree(set.journal, to: path)
            let journal = try await Journal.openQuietly(path)
            let sample = try await Sample.measure(set.count) {
                try await journal.compact(keepingHistory: retention)
            }
            try await journal.close()
            return Result(
                sample: sample, bytes: try Files.size(path).lengthBytes,
                logBytes: try Files.size(path.appending("log")).lengthBytes)
        }
    }
}
