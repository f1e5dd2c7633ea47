import AgentJournal
import ArgumentParser

/// `replace`: forget a memory and add another in its place.
struct ReplaceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Put another text in the place of a memory.",
        discussion: """
            Forgets the memory and adds the new one, both or neither. Role, mime type and metadata stay as they were \
            unless others are given; with --keep-nothing they do not. The new memory comes last, with a sequence of its \
            own. Without TEXT the content is stdin.

              agent-journal replace ./memory 17 "prefers phone"
              agent-journal replace ./memory 17 "prefers phone" --role user --json
              agent-journal replace ./memory 17 "prefers phone" --keep-nothing
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The memory's sequence.")
    var sequence: UInt64
    @Argument(help: "The new content; stdin if it is not given.")
    var text: String?
    @OptionGroup var memory: MemoryOptions
    @Flag(help: "The new memory is as it is given: nothing stays of the old one.")
    var keepNothing = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let metadata = try memory.parsedMetadata()
        let content = try memory.content(text, output.console)
        let role = memory.role.map { Role($0) }
        try await journal.write(output.console) { journal in
            guard let name = try journal.conversation(ofAdd: sequence) else {
                throw Failure(
                    "no_such_memory",
                    "There is no memory with sequence \(sequence); `log` lists what was ever added")
            }
            let conversation = journal.conversation(name)
            let receipt =
                if keepNothing {
                    try await conversation.replace(
                        sequence,
                        with: NewMemory(
                            content, role: role, mimeType: memory.mimeType, metadata: metadata ?? [:],
                            idempotencyKey: memory.key))
                } else {
                    try await conversation.replace(
                        sequence, with: content, role: role, mimeType: memory.mimeType, metadata: metadata,
                        idempotencyKey: memory.key)
                }
            try await withOutput { out in
                guard !output.json else { return try out.write(receipt.json(conversation: name)) }
                try out.line(receipt.text("\(name.shownName)  in place of \(sequence)"))
            }
            output.noteErasure()
        }
    }
}
