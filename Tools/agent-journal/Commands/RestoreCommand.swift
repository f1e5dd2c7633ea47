import AgentJournal
import ArgumentParser
import CanonicalJSON
import SystemPackage

/// `restore`: a backup in the place of a journal.
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put a copy of a backup where the journal was.",
        discussion: """
            Nobody may have the journal open. The backup is verified and copied; the copy is verified too, and then takes the \
            journal's place in one step. What was there before is kept beside it, and named. Never copy a backup over a journal \
            with cp: a running agent would go on with files that it did not write.

              agent-journal restore /backups/memory ./memory
            """)

    @Argument(help: "The backup's directory.", completion: .directory)
    var from: String
    @Argument(
        help: "The journal's directory: one that does not exist, an empty one, or a journal.",
        completion: .directory)
    var dir: String
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var options = Journal.Options()
        options.logger = .console(output.console)
        let report = try await Journal.restore(from: FilePath(from), to: FilePath(dir), options: options)
        if report.replaced == nil {
            JournalArgument.noteWhereItDoesNotLast(report.directory, output.console)
        }
        try await withOutput { out in
            guard !output.json else {
                return try out.write(
                    JSONLine.object([
                        "directory": .text(report.directory.string),
                        "replaced": report.replaced.map { .text($0.string) },
                        "sequence": .number(report.sequence),
                    ]))
            }
            try out.line("restored in \(report.directory): everything up to sequence \(report.sequence)")
            if let replaced = report.replaced {
                try out.line("what was there before is in \(replaced); remove it when you need it no more")
            }
        }
    }
}
