import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `show`: for reading.
struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Read a conversation, or list the conversations.",
        discussion: """
              agent-journal show ./memory
              agent-journal show ./memory support/user-42 --last 20
              agent-journal show ./memory support/user-42 --at 2025-03-01T09:30:00Z
              agent-journal show ./memory support/user-42 --key msg-17
              agent-journal show ./memory support/user-42 --json

            --key shows the memory that was added with an idempotency key. A key that was never used, or whose memory is \
            forgotten or replaced since, is an error that says which (exit status 2).

            Times are the memories' own, in UTC. On a terminal long lines are wrapped and control characters are shown \
            as \\u001b and the like; in a pipe the text is as it was added.
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The conversation to read; all are listed if it is not given.")
    var conversation: String?
    @Option(help: ArgumentHelp("Only the newest memories.", valueName: "n"))
    var last: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The memories as they were then: \(Point.words)", valueName: "point"),
        transform: Point.parse)
    var at: Point?
    @Option(help: ArgumentHelp("Only the memory that was added with this idempotency key.", valueName: "key"))
    var key: String?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if key != nil, conversation == nil {
            throw ValidationError("--key belongs to a conversation: name one")
        }
        if key != nil, last != nil { throw ValidationError("--key is of one memory: give no --last") }
        guard let last else { return }
        if conversation == nil {
            throw ValidationError("--last takes the newest memories of a conversation: name one")
        }
        if last < 0 { throw ValidationError("--last takes a number of memories, not \(last)") }
    }

    func run() async throws {
        if let conversation { try Conversation.checkName(conversation) }
        let progress = Progress(output.console)
        defer { progress.end() }
        try await journal.read(output.console, prepare: { $0.replays(for: at, progress) }) { journal in
            let view = try journal.look(at: at, progress)
            progress.end()
            try await withOutput { out in
                if let conversation, let key {
                    let found = try memory(forKey: key, in: conversation, view)
                    try showMemories([found], of: conversation, "", out)
                } else if let conversation {
                    let memories = try view.memories(in: conversation, last: last)
                    let others = memories.isEmpty ? try alike(conversation, view) : ""
                    try showMemories(memories, of: conversation, others, out)
                } else {
                    try listConversations(view, out)
                }
            }
        }
    }

    private func memory(forKey key: String, in conversation: String, _ view: JournalView) throws -> Memory {
        guard let known = try view.memory(forKey: key, in: conversation) else {
            throw Failure(
                "no_such_memory",
                "No memory was added to conversation \"\(conversation)\" with the key \"\(key)\"")
        }
        if let memory = known.memory { return memory }
        let (sequence, recorded) = (known.receipt.sequence, known.receipt.recorded)
        throw Failure(
            "no_such_memory",
            "The memory that was added with the key \"\(key)\" at \(recorded), as sequence \(sequence), is "
                + (known.receipt.isErased ? "erased" : "forgotten or replaced")
                + " since; `history DIR \(sequence)` says when")
    }

    private func showMemories(_ memories: [Memory], of conversation: String, _ others: String, _ out: Output)
        throws
    {
        if output.json {
            for memory in memories { try out.write(JSONLine.object(memory.exportMembers)) }
            return
        }
        if memories.isEmpty {
            output.console.note(
                "There are no memories in conversation \"\(conversation.shownName)\"" + others)
        }
        let layout = MemoryColumns(memories, on: .standardOutput)
        for memory in memories { try out.write(layout.text(of: memory)) }
    }

    /// Says which conversations with memories have a name that looks the same.
    private func alike(_ conversation: String, _ view: JournalView) throws -> String {
        let alike = try view.conversations().map(\.name).filter { $0.looks == conversation.looks }
        guard !alike.isEmpty else { return "" }
        return ". It is \(conversation.spelled); there are some in what looks the same: "
            + alike.map(\.spelled).joined(separator: ", ")
    }

    private func listConversations(_ view: JournalView, _ out: Output) throws {
        let summaries = try view.conversations()
        let newest = { (name: String) in try view.memories(in: name, last: 1).first }
        if output.json {
            for summary in summaries {
                let last = try newest(summary.name)
                try out.write(
                    JSONLine.object([
                        "conversation": .text(summary.name),
                        "last_sequence": last.map { .number($0.sequence) },
                        "memories": .number(summary.count),
                        "timestamp": last.map { .text($0.timestamp.description) },
                    ]))
            }
            return
        }
        guard !summaries.isEmpty else { return output.console.note("There are no memories in this journal") }
        let width = max(12, summaries.reduce(0) { max($0, min($1.name.shownName.columns, 60)) })
        // Names that only their bytes tell apart: of each the first, which is shown as it is.
        var seen: Set<String> = []
        let terminal = Terminal.standardOutput
        let header = "\("CONVERSATION".padded(to: width))  MEMORIES  LAST"
        try out.line(terminal.styled(header, .bold))
        for summary in summaries {
            let time = try newest(summary.name)?.timestamp.secondsText ?? ""
            let mark =
                seen.insert(summary.name.looks).inserted
                ? "" : "  looks like one above, but is \(summary.name.spelled)"
            try out.line(
                "\(summary.name.shownName.padded(to: width))  \("\(summary.count)".paddedLeft(to: 8))  \(time)\(mark)"
            )
        }
    }
}

extension Timestamp {
    /// To the second, for reading: `2025-03-01 09:30:00Z`.
    var secondsText: String {
        let text = description
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(8))Z"
    }
}
