import AgentJournal
import ArgumentParser
import CanonicalJSON
import SystemPackage

/// `backup`: a copy, while it is written.
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy the journal into another directory, or bring such a copy up to date.",
        discussion: """
            Works beside running agents. The copy is a journal; the second backup into the same directory writes only what \
            is new, and removes what the journal let go or erased. Until then a copy holds what was erased since. Every \
            byte that is copied is checked.

              agent-journal backup ./memory /backups/memory
              agent-journal verify /backups/memory
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(
        help: "The copy's directory: one that does not exist, an empty one, or a backup.",
        completion: .directory)
    var to: String
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await journal.read(output.console, prepare: { $0.skipsReplay = true }) { journal in
            let isThere = JournalArgument.isThere(FilePath(to))
            let report = try await journal.backUp(to: FilePath(to))
            if !isThere { JournalArgument.noteWhereItDoesNotLast(report.directory, output.console) }
            try await withOutput { out in
                guard !output.json else { return try out.write(JSONLine.object(report.members)) }
                for file in report.removed { try out.line("removed from the copy: \(file)") }
                try out.line(
                    "backup of sequence \(report.sequence): \(report.writtenFiles) files written, "
                        + "\(report.writtenBytes) bytes; \(report.keptFiles) files were there")
            }
        }
    }
}

extension BackupReport {
    fileprivate var members: KeyValuePairs<String, JSONValue?> {
        [
            "directory": .text(directory.string), "files_kept": .number(keptFiles),
            "files_written": .number(writtenFiles), "bytes_written": .number(writtenBytes),
            "removed": .array(removed.map { .text($0) }), "sequence": .number(sequence),
        ]
    }
}
