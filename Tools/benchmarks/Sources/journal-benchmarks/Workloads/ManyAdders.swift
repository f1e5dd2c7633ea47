import AgentJournal
import SystemPackage

/// Many adders at once, each waiting for its own adds: a server of agents.
struct ManyAdders: Workload {
    let name = "many-adders"
    let summary = "4, 16, 64 and 256 adders at once, each add durable, against SQLite and Redis"

    func run(_ context: Context) async throws -> Outcome {
        let messages = try context.data.taskmaster()
        var outcome = Outcome(
            workload: name,
            method:
                "Taskmaster messages, a share for each adder; AgentJournal: a task each; SQLite: a thread each and one "
                + "connection under a mutex, or one thread that adds as many, \(SQLiteStore.settings); Redis: a thread and a "
                + "connection each, \(RedisServer.settings), CPU with the server's; the bare loop writes 136 bytes and "
                + "syncs, another deflates, writes and syncs frames of as many memories as the journal's had, one after the other; "
                + "in the last, tasks wait for a thread that deflates, writes and syncs what they want added, and does nothing else",
            series: [], figures: [])
        for adders in [4, 16, 64, 256] { try await measure(adders, messages, context, &outcome) }
        return outcome
    }

    private func measure(
        _ adders: Int, _ messages: [Message], _ context: Context, _ outcome: inout Outcome
    ) async throws {
        let many = Adding.shares(
            messages, adders: adders, each: context.size(adders < 64 ? 500 : 250, quick: 50))
        let few = Adding.shares(
            messages, adders: adders, each: max(5, context.size(1280, quick: 320) / adders))
        let payloads = try await Adding.frames(many, context).rawPayloads()
        let pieces = [[UInt8]](repeating: [UInt8](repeating: 7, count: 136), count: 500)
        let series = try await Contest(
            unit: "adds/s", rounds: context.rounds,
            contenders: [
                Contender(name: "AgentJournal, \(adders) tasks") { try await Adding.journal(many, $0) },
                Contender(name: "SQLite, \(adders) threads") { try await Adding.sqlite(few, $0) },
                Contender(name: "SQLite, one thread") {
                    try await Adding.sqliteAlone(few.flatMap(\.self), $0)
                },
                Contender(name: "Redis, \(adders) connections") { try await Adding.redis(many, $0) },
                Contender(name: "bare pwrite + fdatasync") {
                    try await BareLoop(pieces: pieces).run($0.appending("bare"))
                },
                Contender(name: "deflate, pwrite + fdatasync of such frames") {
                    try await DeflatingLoop(
                        payloads: payloads, count: adders * many[0].count,
                        search: adders < 64 ? .short : .shortest
                    ).run($0.appending("bare"))
                },
                Contender(name: "\(adders) tasks, deflate, pwrite + fdatasync") {
                    try await WaitingTasks(shares: many, search: adders < 64 ? .short : .shortest)
                        .run($0.appending("bare"))
                },
            ]
        ).run(in: context.scratch)
        outcome.series += series
        let sqlite = series[1].median > series[2].median ? series[1] : series[2]
        let ofRedis = series[0].ratio(to: series[3])
        switch adders {
        case 64:
            outcome.figures += [
                Figure(
                    what: "64 adders, adds/s", value: series[0].median, target: .atLeast(120_000), digits: 0),
                Figure(
                    what: "64 adders, of SQLite at its best", value: series[0].ratio(to: sqlite),
                    target: .atLeast(20), digits: 1),
                Figure(what: "64 adders, of Redis", value: ofRedis, target: .atLeast(1.3)),
                Figure(
                    what: "64 adders, CPU time an add",
                    value: series[0].samples.map(\.cpuMicrosecondsEach).median,
                    target: .atMost(10), digits: 1, unit: " µs"),
            ]
        case 256:
            outcome.figures += [
                Figure(
                    what: "256 adders, adds/s", value: series[0].median, target: .atLeast(200_000), digits: 0),
                Figure(what: "256 adders, of Redis", value: ofRedis, target: .atLeast(1.4)),
            ]
        default: break
        }
    }
}
