import AgentJournal
import ArgumentParser
import CanonicalJSON
import Logging
import SystemPackage

/// `repair`: makes a damaged journal whole.
struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Say what is damaged and what would be lost; with --yes, repair it.",
        discussion: """
            What can be read stays, what a snapshot still has is put back into the log, damaged snapshots are made anew, and \
            the rest is recorded as lost: its sequences are not used again. Damaged files are moved to the journal's \
            directory "damaged". Stop all agents first; make a copy if you have the room. Ends with 1 when there is damage \
            and --yes is not given.

              agent-journal repair ./memory
              agent-journal repair ./memory --yes
            """)

    @OptionGroup var journal: JournalArgument
    @Flag(help: "Do it.")
    var yes = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var options = Journal.Options()
        options.logger = .console(output.console)
        let report = try Journal.repair(at: FilePath(journal.dir), options: options, dryRun: !yes)
        try await withOutput { out in
            try out.write(output.json ? JSONLine.object(report.members) : Array(report.text.utf8))
        }
        if report.isDryRun ? !report.problems.isEmpty : report.after?.isHealthy == false {
            throw ExitCode(Status.damage)
        }
    }
}

extension RepairReport {
    fileprivate var members: KeyValuePairs<String, JSONValue?> {
        [
            "dry_run": .bool(isDryRun), "forgotten_again": .number(forgottenAgain),
            "healthy": after.map { .bool($0.isHealthy) },
            "lost": .array(losses.map(\.json)), "problems": .array(problems.map(\.json)),
            "restored_memories": .number(restoredMemories),
            "rewritten": .array(rewritten.map { .text($0) }), "set_aside": .array(setAside.map { .text($0) }),
        ]
    }

    fileprivate var text: String {
        guard !problems.isEmpty else { return "healthy: there is nothing to repair\n" }
        let would = isDryRun ? "would be " : ""
        var lines = problems.map { "damaged: \($0.description.escapingControls(keepingNewlines: false))" }
        lines += rewritten.map { "\(would)written anew: \($0)" }
        lines += setAside.map { "\(would)moved to damaged: \($0)" }
        if restoredMemories > 0 {
            lines.append("\(would)restored from a snapshot: \(restoredMemories) memories")
        }
        if forgottenAgain > 0 {
            lines.append("forgotten once more, as a snapshot knows: \(forgottenAgain) memories")
        }
        lines += losses.map { "\(would)lost: sequences \($0.lowerBound) to \($0.upperBound)" }
        if losses.isEmpty { lines.append("no event \(isDryRun ? "would be" : "is") lost") }
        if let after {
            lines.append(after.isHealthy ? "repaired: verify finds it healthy" : "verify still finds damage")
        }
        if isDryRun { lines.append("nothing was changed; --yes repairs it") }
        return lines.map { $0 + "\n" }.joined()
    }
}
