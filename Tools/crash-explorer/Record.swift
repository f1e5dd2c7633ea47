import AgentJournal
import ArgumentParser
import JournalTesting

/// Crashes a run that records lines.
struct Record: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract:
            "Records the lines of stdin one by one on a simulated disk, then cuts the power at many moments of that.",
        discussion: """
              agent-journal export DIR | crash-explorer record --cuts 1000
            """)

    @Option(help: "How often the power is cut.")
    var cuts = 1000

    @Option(help: "Repeats the moments of another run.")
    var seed: UInt64 = 1

    @Option(help: "Only so many lines, the last ones.")
    var lines = 400

    mutating func run() async throws {
        var all: [String] = []
        while let line = readLine() { all.append(line) }
        let lines = Array(all.suffix(self.lines))
        guard !lines.isEmpty else { throw ValidationError("There are no lines to record") }
        let report = try await CrashTest.run(powerCuts: cuts, seed: seed) { trial in
            let journal = try await trial.openJournal()
            for (number, line) in lines.enumerated() {
                try await journal.conversation("lines").add(.text(line), idempotencyKey: "line \(number)")
                trial.promise("\(number)")
            }
            try await journal.close()
        } check: { journal, promises in
            let found = try await journal.conversation("lines").memories().compactMap(\.content.text)
            guard found.count >= promises.count else {
                return "\(promises.count) lines were acknowledged, and \(found.count) are there"
            }
            return found[...] == lines.prefix(found.count)
                ? nil : "what is there is not the first \(found.count) lines"
        }
        for failure in report.failures { print("BROKEN  \(failure)") }
        print(
            "\(report.powerCuts) power cuts left \(report.differentDisks) different disks; of \(report.promisesChecked) "
                + "acknowledged lines that had to be there, over all of them, "
                + (report.failures.isEmpty
                    ? "none is missing" : "some are missing in \(report.failures.count) of them"))
        if !report.failures.isEmpty { throw ExitCode(1) }
    }
}
