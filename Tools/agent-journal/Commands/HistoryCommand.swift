import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `history`: what became of one memory.
struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Say what became of a memory, and when.",
        discussion: """
            Added, forgotten, replaced by another, cleared with its conversation, erased. Of an erased memory its place is \
            left, and nothing of what it was.

              agent-journal history ./memory 17
              agent-journal history ./memory 17 --json
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The memory's sequence: that of its add.")
    var sequence: UInt64
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await journal.read(output.console) { journal in
            let history = try await journal.history(of: sequence)
            try await withOutput { out in
                for change in history.changes {
                    try out.write(
                        output.json ? history.json(change) : Array(history.text(change).utf8))
                }
                if !output.json, let memory = history.memory {
                    try out.write(MemoryColumns([memory], on: .standardOutput).text(of: memory))
                }
            }
        }
    }
}

extension MemoryHistory {
    fileprivate func text(_ change: Change) -> String {
        let what =
            switch change.kind {
            case .added(let replaced):
                "added to \(conversation?.shownName ?? "a conversation whose name is erased")"
                    + (replaced.map { ", in the place of \($0)" } ?? "")
            case .forgotten: "forgotten"
            case .replaced(let successor): "replaced by \(successor)"
            case .cleared: "forgotten, with all of its conversation"
            case .erased: "erased"
            }
        return "\("\(change.sequence)".paddedLeft(to: 4))  \(change.recorded)  \(what)\n"
    }

    fileprivate func json(_ change: Change) -> [UInt8] {
        var replaces: UInt64?
        var replacedBy: UInt64?
        let word: String
        switch change.kind {
        case .added(let replaced): (word, replaces) = ("added", replaced)
        case .forgotten: word = "forgotten"
        case .replaced(let successor): (word, replacedBy) = ("replaced", successor)
        case .cleared: word = "cleared"
        case .erased: word = "erased"
        }
        return JSONLine.object([
            "change": .text(word), "conversation": conversation.map { .text($0) },
            "memory": .number(sequence), "recorded": .text(change.recorded.description),
            "replaced_by": replacedBy.map { .number($0) }, "replaces": replaces.map { .number($0) },
            "sequence": .number(change.sequence),
        ])
    }
}
