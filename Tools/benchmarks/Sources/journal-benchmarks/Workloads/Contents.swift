import AgentJournal
import SystemPackage

/// What messages are like matters: short chat, agents' long turns with tool calls, contents of 16 KiB.
struct Contents: Workload {
    let name = "contents"
    let summary =
        "short messages, tau-bench, contents of 16 KiB: one adder and 64, and bytes on disk, against SQLite and Redis"

    func run(_ context: Context) async throws -> Outcome {
        var source = ShortMessages(try context.data.taskmaster(), seed: 8)
        let kinds: [(name: String, messages: [Message], each: Int)] = [
            ("short messages", (0..<8192).map { source.next(in: "support/user-\($0 % 100)", turn: $0) }, 100),
            ("tau-bench", try context.data.tauBench(), 40),
            ("16 KiB", (0..<512).map { source.long(16 << 10, in: "support/user-\($0 % 100)", turn: $0) }, 10),
        ]
        var outcome = Outcome(
            workload: name,
            method:
                "each awaited; bytes are the lengths of all files after a clean end, of SQLite after a checkpoint, of Redis as "
                + "it wrote them; SQLite: one thread; settings as with `many-adders`",
            series: [], figures: [])
        for kind in kinds {
            let one = Adding.shares(kind.messages, adders: 1, each: context.size(500, quick: 100))
            let many = Adding.shares(kind.messages, adders: 64, each: context.size(kind.each, quick: 10))
            let contenders: [(String, (FilePath) async throws -> Sample)] = [
                ("AgentJournal, one adder", { try await Adding.journal(one, $0) }),
                ("SQLite, one adder", { try await Adding.sqlite(one, $0) }),
                ("Redis, one adder", { try await Adding.redis(one, $0) }),
                ("AgentJournal, 64 adders", { try await Adding.journal(many, $0) }),
                ("Redis, 64 adders", { try await Adding.redis(many, $0) }),
            ]
            outcome.series += try await Contest(
                unit: "adds/s", rounds: context.rounds,
                contenders: contenders.map { Contender(name: "\(kind.name): \($0.0)", run: $0.1) }
            ).run(in: context.scratch)
            for (who, add) in contenders.suffix(2) + [
                ("SQLite", { try await Adding.sqliteAlone(many.flatMap(\.self), $0) })
            ] {
                context.scratch.say("\(kind.name): bytes of \(who)")
                let bytes = try await context.scratch.withDirectory { directory in
                    let count = try await add(directory).count
                    return Double(try Files.size(directory).lengthBytes) / Double(count)
                }
                outcome.series.append(
                    Series(name: "\(kind.name): \(who)", unit: "bytes each", values: [bytes]))
            }
        }
        return outcome
    }
}
