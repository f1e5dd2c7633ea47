import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `snapshot`: the state as it is now, for the next opening.
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Write the present state to a snapshot, so that opening is quick.",
        discussion: """
            Opening reads the newest snapshot and replays what came after it. Agents take snapshots by themselves, in the \
            background.

              agent-journal snapshot ./memory
            """)

    @OptionGroup var journal: JournalArgument
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await journal.write(output.console) { journal in
            let sequence = try await journal.snapshot()
            try await withOutput { out in
                guard !output.json else {
                    return try out.write(JSONLine.object(["snapshot_sequence": .number(sequence)]))
                }
                try out.line("snapshot of sequence \(sequence)")
            }
        }
    }
}
