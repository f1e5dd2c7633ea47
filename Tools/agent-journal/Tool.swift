import ArgumentParser

/// The command-line tool.
struct Tool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent-journal",
        abstract: "The durable memory of agents: record, replay, compact, verify and explain a journal.",
        discussion: """
              agent-journal add ./memory support/user-42 "prefers email" --role user
              agent-journal show ./memory support/user-42
              agent-journal log ./memory --follow

            Results go to stdout, everything else to stderr; with --json both are canonical JSON, one object a line. \
            Only add and import make a journal. Exit status: 0 fine; 1 damage or a difference was found; 2 it could not \
            be done; 64 wrong usage.

            Completion for your shell: agent-journal --generate-completion-script bash (or zsh, fish).
            """,
        version: "0.1.0",
        subcommands: [
            AddCommand.self, ImportCommand.self, ExportCommand.self, ShowCommand.self, LogCommand.self,
            FlushCommand.self,
            ForgetCommand.self, ClearCommand.self, ReplaceCommand.self, HistoryCommand.self, DiffCommand.self,
            ReplayCommand.self,
            SnapshotCommand.self, CompactCommand.self, BackupCommand.self, RestoreCommand.self,
            VerifyCommand.self,
            RepairCommand.self,
            StatsCommand.self,
            DoctorCommand.self,
        ])
}
