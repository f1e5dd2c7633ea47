import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `diff`: a conversation at two points.
struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Say how a conversation changed between two points.",
        discussion: """
            Lines with + are memories that are there at the second point and not at the first, lines with - the other way \
            round. Ends with 0 whether anything changed or not. Erased memories were there at no point.

              agent-journal diff ./memory support/user-42 "after onboarding" 2025-03-01T09:30:00Z
              agent-journal diff ./memory support/user-42 17 42 --json
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The conversation's name.")
    var conversation: String
    @Argument(help: "The first point: \(Point.words)", transform: Point.parse)
    var from: Point
    @Argument(help: "The second point.", transform: Point.parse)
    var to: Point
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try Conversation.checkName(conversation)
        try await journal.read(output.console, prepare: { $0.skipsReplay = true }) { journal in
            let diff: ConversationDiff
            do {
                diff = try await journal.conversation(conversation).diff(from: from, to: to)
            } catch let error as JournalError {
                throw error.explained(at: from, to)
            }
            let lines = (diff.removed.map { ("removed", $0) } + diff.added.map { ("added", $0) })
                .sorted { $0.1.sequence < $1.1.sequence }
            try await withOutput { out in
                if output.json {
                    for (change, memory) in lines {
                        try out.write(JSONLine.object(memory.diffMembers(change)))
                    }
                    return
                }
                if diff.isEmpty { output.console.note("Nothing changed from \(diff.from) to \(diff.to)") }
                let layout = MemoryColumns(lines.map(\.1), on: .standardOutput)
                for (change, memory) in lines {
                    try out.write((change == "added" ? "+ " : "- ") + layout.text(of: memory))
                }
            }
        }
    }
}

extension Memory {
    /// Its line in an export, with the change.
    fileprivate func diffMembers(_ change: String) -> KeyValuePairs<String, JSONValue?> {
        [
            "change": .text(change), "memory": .object(exportMembers),
            "replaces": replaces.map { .number($0) },
        ]
    }
}
