import AgentJournal
import ArgumentParser

/// `flush`: a named point.
struct FlushCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flush",
        abstract: "Record that all before is durable, perhaps under a name to look back to.",
        discussion: """
            Every add is durable anyway when it returns. The latest flush with a label is what the label means to --at.

            Recorded times never go back by themselves, and a clock that is more than 1,000 days ahead of the last event is not \
            believed: events then get that one's time. --accept-clock says that the clock is right.

              agent-journal flush ./memory "after onboarding"
              agent-journal flush ./memory --accept-clock
              agent-journal show ./memory support/user-42 --at "after onboarding"
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The point's name, 1 to 512 bytes.")
    var label: String?
    @Flag(help: "Take the clock for right, whatever was recorded before.")
    var acceptClock = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await journal.write(output.console) { journal in
            let receipt = try await journal.flush(label: label, acceptingClock: acceptClock)
            try await withOutput { out in
                guard !output.json else {
                    return try out.write(receipt.json(conversation: nil, label: label))
                }
                try out.line(receipt.text("flushed" + (label.map { "  \($0.shownName)" } ?? "")))
            }
        }
    }
}

/// `forget`: memories, by their sequences.
struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Forget memories.",
        discussion: """
            All of them, or none: a sequence that is no memory's, or is forgotten already, refuses the command. Their \
            bytes stay in the log until `compact --erase` removes them; views of the past still show them.

              agent-journal forget ./memory 17
              agent-journal forget ./memory 17 18 21 --json
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: ArgumentHelp("The memories' sequences.", valueName: "sequence"))
    var sequences: [UInt64]
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await journal.write(output.console) { journal in
            var seen: Set<UInt64> = []
            let targets = sequences.filter { seen.insert($0).inserted }
            let view = try journal.view()
            let conversations = try targets.map { try view.memory($0)?.conversation }
            let receipts = try await journal.forget(targets)
            try await withOutput { out in
                for (index, receipt) in receipts.enumerated() {
                    let (target, conversation) = (targets[index], conversations[index])
                    if output.json {
                        try out.write(receipt.json(conversation: conversation, target: target))
                    } else {
                        try out.line(receipt.text("\(conversation?.shownName ?? "")  forgot \(target)"))
                    }
                }
            }
            output.noteErasure()
        }
    }
}

/// `clear`: all memories of a conversation.
struct ClearCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear", abstract: "Forget all memories of a conversation.",
        discussion: """
            Their bytes stay in the log until `compact --erase` removes them; views of the past still show them.

              agent-journal clear ./memory support/user-42
              agent-journal clear ./memory support/user-42 --json
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The conversation's name.")
    var conversation: String
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try Conversation.checkName(conversation)
        try await journal.write(output.console) { journal in
            let isThere = try await journal.conversation(conversation).lastSequence() > 0
            let receipt = try await journal.conversation(conversation).clear()
            try await withOutput { out in
                guard !output.json else { return try out.write(receipt.json(conversation: conversation)) }
                try out.line(receipt.text("\(conversation.shownName)  cleared"))
            }
            guard isThere else {
                return output.console.note(
                    "There never was a conversation \"\(conversation.shownName)\": nothing was forgotten. `show` lists those that hold "
                        + "memories")
            }
            output.noteErasure()
        }
    }
}

extension OutputOptions {
    /// Forgetting is not erasing, and whoever forgets must know.
    func noteErasure() {
        console.note("The bytes stay in the log until `compact --erase` removes them")
    }
}
