import AgentJournal
import SystemPackage

/// What is done with a large journal beside using it: erasing one memory of it, copying what is new, saying what changed.
struct Keeping: Workload {
    let name = "keeping"
    let summary =
        "1,000,000 memories: erasing one, and adds meanwhile; a backup of 1,000 new ones; the diff of a conversation of 2,000"

    private static let newMemories = 1000

    func run(_ context: Context) async throws -> Outcome {
        let set = try await context.sets.set(context.size(1_000_000, quick: 100_000), context.data)
        var outcome = Outcome(
            workload: name,
            method:
                "\(Double(set.count).grouped) memories, compacted before; each round forgets one memory in the middle, erases, adds "
                + "\(Double(Keeping.newMemories).grouped) memories in batches of 100, and brings a backup up to date; the diff is of a "
                + "conversation of 2,000, between a flush and now, 200 changes later; one adder, who rests 5 ms after each add",
            series: [], figures: [])
        try await context.scratch.withDirectory { directory in
            let path = directory.appending("journal")
            try Files.copyTree(set.journal, to: path)
            let journal = try await Journal.openQuietly(path)
            context.scratch.say("compacting")
            try await journal.compact()
            try await keep(journal, directory.appending("backup"), set, context, &outcome)
            try await diff(journal, context, &outcome)
            try await adds(journal, set, context, &outcome)
            try await journal.close()
        }
        return outcome
    }

    private func keep(
        _ journal: Journal, _ copy: FilePath, _ set: LargeSet, _ context: Context, _ outcome: inout Outcome
    ) async throws {
        var erasing = Series(name: "erasing one memory", unit: "s")
        var first = Series(name: "first backup", unit: "s")
        var next = Series(name: "backup of \(Keeping.newMemories) new memories", unit: "ms")
        var touched = Series(name: "segments rewritten, of all", unit: "")
        context.scratch.say("first backup")
        first.values.append(try await Sample.measure(1) { try await journal.backUp(to: copy) }.seconds)
        var source = ShortMessages(try context.data.taskmaster(), seed: 11)
        for round in 0..<context.rounds {
            context.scratch.say("round \(round + 1)")
            var messages: [Message] = []
            for turn in 0..<Keeping.newMemories {
                messages.append(source.next(in: LargeSet.name(turn % set.conversations), turn: turn))
            }
            try await journal.addBatches(of: 100, messages)
            next.values.append(
                try await Sample.measure(1) { try await journal.backUp(to: copy) }.seconds * 1e3)
            try await journal.forget([UInt64(set.count / 2 + round * 1000)])
            // What compacting does besides is not the erasure's: the active segment is ended and packed.
            try await journal.compact()
            var report: CompactionReport?
            erasing.values.append(
                try await Sample.measure(1) { report = try await journal.compact(erasingForgotten: true) }
                    .seconds)
            let files = report?.erasure?.files ?? []
            touched.values.append(Double(files.count { $0.file.hasPrefix("log/") }))
            try await journal.backUp(to: copy)
        }
        outcome.series += [erasing, touched, first, next]
        outcome.figures += [
            Figure(what: "erasing one memory", value: erasing.median, target: .atMost(3), unit: " s"),
            Figure(
                what: "segments that are rewritten for it", value: touched.median, target: .atMost(1),
                digits: 0),
            Figure(
                what: "backup of \(Keeping.newMemories) new memories", value: next.median,
                target: .atMost(200),
                digits: 0, unit: " ms"),
        ]
    }

    private func diff(_ journal: Journal, _ context: Context, _ outcome: inout Outcome) async throws {
        context.scratch.say("diff")
        let conversation = journal.conversation("a conversation of 2,000")
        var source = ShortMessages(try context.data.taskmaster(), seed: 13)
        let messages = (0..<2200).map { source.next(in: conversation.name, turn: $0).memory }
        try await conversation.add(contentsOf: Array(messages[..<2000]))
        try await journal.flush(label: "before")
        let memories = try await conversation.memories()
        for number in 0..<100 {
            try await conversation.replace(memories[number * 20].sequence, with: messages[2000 + number])
        }
        try await conversation.add(contentsOf: Array(messages[2100...]))
        let last = try await conversation.lastSequence()
        var times = Series(name: "diff of a conversation of 2,000, 200 changes", unit: "ms")
        for _ in 0..<context.rounds {
            times.values.append(
                try await Sample.measure(1) {
                    let diff = try await conversation.diff(from: .label("before"), to: .sequence(last))
                    precondition(diff.added.count == 200 && diff.removed.count == 100)
                }.seconds * 1e3)
        }
        outcome.series.append(times)
        outcome.figures.append(
            Figure(
                what: "diff of a conversation of 2,000 between two points", value: times.median,
                target: .atMost(20), digits: 1, unit: " ms"))
    }

    private func adds(
        _ journal: Journal, _ set: LargeSet, _ context: Context, _ outcome: inout Outcome
    ) async throws {
        var source = ShortMessages(try context.data.taskmaster(), seed: 17)
        let messages = (0..<4096).map { turn in
            source.next(in: LargeSet.name((turn * 7) % set.conversations), turn: turn)
        }
        let idling: @Sendable () async throws -> Void = { try await Task.sleep(for: .seconds(6)) }
        try await Environment.waitForSteadySyncs(context.scratch)
        context.scratch.say("adding while nothing else is done")
        var idle = try await TailLatency.adds(1, messages, journal, during: idling)
        var beside: [Double] = []
        for round in 0..<context.rounds {
            try await journal.forget([UInt64(set.count / 3 + round * 1000)])
            context.scratch.say("adding beside an erasure")
            beside += try await TailLatency.adds(1, messages, journal) {
                try await journal.compact(erasingForgotten: true)
            }
        }
        idle += try await TailLatency.adds(1, messages, journal, during: idling)
        for (times, what) in [(idle, "idle"), (beside, "beside an erasure")] {
            for percent in [50, 99] {
                outcome.series.append(
                    Series(
                        name: "adds \(what), p\(percent) of \(times.count)", unit: "ms",
                        values: [times.percentile(percent)]))
            }
        }
        outcome.figures.append(
            Figure(
                what: "p99 of adds during an erasure, of the idle p99",
                value: beside.percentile(99) / idle.percentile(99), target: .atMost(3)))
    }
}
