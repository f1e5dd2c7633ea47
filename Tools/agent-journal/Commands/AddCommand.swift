import AgentJournal
import ArgumentParser

/// `add`: one memory.
struct AddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add one memory.",
        discussion: """
            Returns when the memory is on stable storage. Makes the journal if there is none. Without TEXT the content is \
            stdin, byte for byte: also a newline at its end. Text that begins with a hyphen goes behind --.

              agent-journal add ./memory support/user-42 "prefers email" --role user
              agent-journal add ./memory support/user-42 "and tea" --key msg-17
              agent-journal add ./memory support/user-42 "and tea" --metadata topic=drinks
              agent-journal add ./memory support/user-42 --mime-type image/png < photo.png
              agent-journal add ./memory support/user-42 "and tea" --expect 17

            With --expect, nothing is added when the conversation's last event is another than that sequence (0: none).
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The conversation's name: 1 to 512 bytes of UTF-8 without control characters.")
    var conversation: String
    @Argument(help: "The content; stdin if it is not given.")
    var text: String?
    @OptionGroup var memory: MemoryOptions
    @Option(help: ArgumentHelp("Add only if this is the conversation's last event.", valueName: "sequence"))
    var expect: UInt64?
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let metadata = try memory.parsedMetadata() ?? [:]
        try Conversation.checkName(conversation)
        let item = NewMemory(
            try memory.content(text, output.console), role: memory.role.map { Role($0) },
            mimeType: memory.mimeType,
            metadata: metadata, idempotencyKey: memory.key)
        try await journal.write(output.console, create: .ifMissing) { journal in
            let receipt = try await journal.conversation(conversation).add(
                contentsOf: [item], expecting: expect)[0]
            try await withOutput { out in
                guard !output.json else { return try out.write(receipt.json(conversation: conversation)) }
                try out.line(receipt.text(conversation.shownName))
            }
        }
    }
}

extension MemoryOptions {
    /// No journal takes more as one memory.
    private static let maximumInputBytes = 256 << 20

    /// The content: the argument, or stdin.
    func content(_ text: String?, _ console: Console) throws -> Content {
        if let text { return .text(text) }
        if Terminal.isInputTerminal {
            console.note("Reading the content from the terminal; end it with Ctrl-D")
        }
        let bytes = try FileSource(nil, interruption: nil).readAll(limit: MemoryOptions.maximumInputBytes)
        guard !bytes.isEmpty || empty else {
            throw Failure(
                "invalid_input",
                "stdin holds nothing, and an empty memory was not asked for: give the text, or say --empty")
        }
        guard isText else { return .bytes(bytes) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(
                "invalid_input",
                "stdin is not UTF-8. Say what it is with --mime-type (such as image/png or application/octet-stream), and it "
                    + "is kept as bytes")
        }
        return .text(text)
    }
}

extension Receipt {
    /// `17  2025-03-01T09:30:00.000000Z  support/user-42`
    func text(_ what: String) -> String {
        "\(sequence)  \(recorded)  \(what)\(isReplayed ? "  (was there already)" : "")"
    }
}
