import AgentJournal
import SystemPackage

/// One adder that waits for each add: what an agent does.
struct OneAdder: Workload {
    let name = "one-adder"
    let summary = "one adder, each add durable, against a bare loop of the same bytes and against every peer"

    func run(_ context: Context) async throws -> Outcome {
        let messages = try context.data.taskmaster(first: context.size(1000, quick: 300))
        // What the journal writes for these messages, the bare loops write too, piece by piece.
        let written = try await Adding.frames([messages], context)
        let frames = written.frames
        let payloads = try written.rawPayloads()
        var contenders = [
            Contender(name: "AgentJournal") { try await Adding.journal([messages], $0) },
            Contender(name: "bare pwrite + fdatasync") {
                try await BareLoop(pieces: frames).run($0.appending("bare"))
            },
            Contender(name: "deflate, pwrite + fdatasync") {
                try await DeflatingLoop(payloads: payloads, count: payloads.count, search: .full)
                    .run($0.appending("bare"))
            },
            Contender(name: "the same with locks") {
                try await DeflatingLoop(
                    payloads: payloads, count: payloads.count, search: .full, isShared: true
                ).run($0.appending("bare"))
            },
            Contender(name: "SQLite") { try await Adding.sqlite([messages], $0) },
            Contender(name: "Redis") { try await Adding.redis([messages], $0) },
            Contender(name: "JSON lines, fsync") { try await Adding.jsonLines(messages, $0) },
        ]
        if let peer = context.pythonPeer("salamander") {
            contenders.append(
                Contender(name: "SalamanderDB") { try await peer.add(messages.prefix(200), in: $0) })
        }
        if let peer = context.pythonPeer("chroma") {
            contenders.append(
                Contender(name: "ChromaDB") { try await peer.add(messages.prefix(100), in: $0) })
        }
        let series = try await Contest(unit: "adds/s", rounds: context.rounds, contenders: contenders)
            .run(in: context.scratch)
        var figures = [
            Figure(
                what: "one adder, of the bare loop", value: series[0].ratio(to: series[1]),
                target: .atLeast(0.93)),
            Figure(
                what: "one adder, of SQLite", value: series[0].ratio(to: series[4]), target: .atLeast(1.1)),
        ]
        if let salamander = series.first(where: { $0.name == "SalamanderDB" }) {
            figures.append(
                Figure(
                    what: "one adder, of SalamanderDB", value: series[0].ratio(to: salamander),
                    target: .atLeast(10)))
        }
        let bytes = frames.reduce(0) { $0 + $1.count } / frames.count
        return Outcome(
            workload: name,
            method:
                "\(messages.count) Taskmaster messages a round, each awaited; the bare loop writes the same \(frames.count) "
                + "pieces of \(bytes) bytes on average, another deflates their events too, a third takes and leaves two locks and "
                + "looks for its files as well; SQLite: \(SQLiteStore.settings); Redis: \(RedisServer.settings); "
                + "JSON lines: \(JSONLinesFile.settings); SalamanderDB: append and commit, from Python; ChromaDB: "
                + "PersistentClient, an embedding that costs nothing, from Python",
            series: series, figures: figures)
    }
}
