import AgentJournal
import ArgumentParser

/// `replace`: forget a memory and add another in its place.
struct ReplaceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Put another text in the place of a memory.",
        discussion: """
            Forgets the memory and adds the new one, both or neither. Role, mime type and metadata stay as they were \
            unless others are given. The new memory has a sequence of its own. Without TEXT the content is stdin.

              agent-journal replace ./memory 17 "prefers phone"
              agent-journal replace ./memory 17 "prefers phone" --role user --json
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The memory's sequence.")
    var sequence: UInt64
    @Argument(help: "The new content; stdin if it is not given.")
    var text: String?
    @OptionGroup var memory: MemoryOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let metadata = try memory.parsedMetadata()
        let content = try memory.content(text, output.console)
        try await journal.write(output.console) { journal in
            guard let old = try replaced(in: journal) else {
                throw Failure(
                    "no_such_memory",
                    "There is no memory with sequence \(sequence); `log` lists what was ever added")
            }
            let item = NewMemory(
                content, role: memory.role.map { Role($0) } ?? old.role,
                mimeType: memory.mimeType ?? old.textMimeType,
                metadata: metadata ?? old.metadata, idempotencyKey: memory.key)
            let receipt = try await journal.conversation(old.conversation).replace(sequence, with: item)
            try await withOutput { out in
                guard !output.json else { return try out.write(receipt.json(conversation: old.conversation)) }
                try out.line(receipt.text("\(old.conversation)  in place of \(sequence)"))
            }
            output.noteErasure()
        }
    }

    /// The memory to be replaced. A repeated replace, known by its key, must look for it where it still was.
    private func replaced(in journal: Journal) throws -> Memory? {
        if let memory = try journal.view().memory(sequence) { return memory }
        guard memory.key != nil, sequence > 0, sequence <= journal.lastSequence else { return nil }
        do throws(JournalError) {
            return try journal.pastView(at: .sequence(sequence)).memory(sequence)
        } catch {
            guard error.code == .noSuchPoint else { throw error }
        }
        // Its history was let go; what was put in its place says what was left out then.
        guard let name = try journal.conversation(ofAdd: sequence) else { return nil }
        return try journal.view().memories(in: name).last { $0.idempotencyKey == memory.key }
    }
}

extension Memory {
    /// What its mime type says of another text: nothing, if it was that of bytes.
    fileprivate var textMimeType: String? {
        if case .bytes = content { nil } else { mimeType }
    }
}
