import AgentJournal
import SystemPackage

/// How much smaller than JSON lines a journal is.
struct Size: Workload {
    let name = "size"
    let summary = "every tau-bench message committed alone, and in batches of 64: bytes on disk"

    func run(_ context: Context) async throws -> Outcome {
        let messages = try context.data.tauBench()
        let lines = messages.reduce(0) { $0 + $1.lineBytes }
        let alone = try await size(context, "each message alone") { try await $0.addEach(messages) }
        let batches = try await size(context, "in batches of 64") {
            try await $0.addBatches(of: 64, messages)
        }
        return Outcome(
            workload: name,
            method:
                "\(messages.count) tau-bench messages; sum of the lengths of all files after a clean close",
            series: [
                Series(name: "JSON lines", unit: "bytes", values: [Double(lines)]),
                Series(name: "AgentJournal, each alone", unit: "bytes", values: [Double(alone)]),
                Series(name: "AgentJournal, batches of 64", unit: "bytes", values: [Double(batches)]),
            ],
            figures: [
                Figure(
                    what: "size, each message committed alone", value: Double(lines) / Double(alone),
                    target: .atLeast(5.5),
                    unit: " x smaller"),
                Figure(
                    what: "size, in batches of 64", value: Double(lines) / Double(batches),
                    target: .atLeast(8.5),
                    unit: " x smaller"),
            ])
    }

    private func size(
        _ context: Context, _ what: String, _ add: (Journal) async throws -> Void
    ) async throws -> Int {
        context.scratch.say(what)
        return try await context.scratch.withDirectory { directory in
            let journal = try await Journal.openQuietly(directory.appending("journal"))
            try await add(journal)
            try await journal.close()
            return try Files.size(directory).lengthBytes
        }
    }
}
