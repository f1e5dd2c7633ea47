import AgentJournal
import ArgumentParser
import SystemPackage

/// `import`: JSON lines.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Add memories from JSON lines, plain or gzipped.",
        discussion: """
            A line is an object with "conversation", "role", "content" (text, or any JSON value) or "content_base64", \
            "mime_type", "metadata", "timestamp" (RFC 3339) and "idempotency_key". Any other member is kept in the \
            metadata under its own name; "sequence" is passed over. No content is the empty text.

              agent-journal import ./memory history.jsonl.gz
              agent-journal import ./memory chat.jsonl --conversation team --key-field id
              agent-journal export ./old | agent-journal import ./new --batch 1000

            Lines are written in batches, each whole or not at all. A line that cannot be taken is named, nothing of its \
            batch is written, and what was imported before stays. With keys, importing the same lines again adds nothing. \
            SIGINT and SIGTERM end it after the batch that is being written (exit status 130 and 143).
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The lines; stdin if it is not given, or is -.", completion: .file())
    var file: String?
    @Option(help: ArgumentHelp("For lines that name no conversation.", valueName: "name"))
    var conversation: String?
    @Option(help: ArgumentHelp("At most so many memories are written together.", valueName: "n"))
    var batch = 500
    @Option(
        help: ArgumentHelp(
            "The member whose value, a string or a number, is the idempotency key.", valueName: "name"))
    var keyField: String?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if batch < 1 { throw ValidationError("--batch takes a number from 1, not \(batch)") }
    }

    func run() async throws {
        if let conversation { try Conversation.checkName(conversation) }
        var tally = ImportTally()
        let progress = Progress(output.console)
        do {
            try await importLines(&tally, progress)
        } catch {
            progress.end()
            throw explain(error, tally)
        }
        progress.end()
        let result = output.json ? tally.json : Array((tally.text + "\n").utf8)
        try await withOutput { out in try out.write(result) }
    }

    private func importLines(_ tally: inout ImportTally, _ progress: Progress) async throws {
        let interruption = try Interruption()
        let source = try FileSource(file, interruption: interruption)
        if source.path == nil, Terminal.isInputTerminal {
            output.console.note("Reading lines from the terminal; end them with Ctrl-D")
        }
        var reader = BatchReader(
            try LineReader(source), ImportLine(conversation: conversation, keyField: keyField), limit: batch,
            interruption)
        // Read before a journal is made, or the lock of one is held, for lines that may never come.
        var next = try reader.next()
        try await journal.write(output.console, create: .ifMissing) { journal in
            while let batch = next {
                let adding = Task { try await journal.add(contentsOf: batch.memories) }
                // The next lines are read while these are written.
                let following = Result { try reader.next() }
                do {
                    tally.count(batch, try await adding.value)
                } catch {
                    throw ImportCommand.locate(error, batch, journal)
                }
                progress.show("\(tally.lines) lines")
                next = try following.get()
            }
            tally.lastSequence = journal.lastSequence
        }
    }

    /// Names the line that made the journal refuse a batch.
    private static func locate(_ error: any Error, _ batch: Batch, _ journal: Journal) -> any Error {
        guard var error = error as? JournalError else { return error }
        var index = error.item
        if index == nil, error.code == .invalidArgument || error.code == .tooLarge {
            for (number, item) in batch.memories.enumerated() {
                do {
                    try journal.check(item.memory, in: item.conversation)
                } catch let problem {
                    index = number
                    error = problem
                    break
                }
            }
        }
        guard let index else { return error }
        let place = batch.places[index]
        return BadLine(
            number: place.line, offset: place.offset, code: error.code.rawValue, message: error.message)
    }

    /// Says how far it came besides what went wrong.
    private func explain(_ error: any Error, _ tally: ImportTally) -> any Error {
        let path = file.flatMap { $0 == "-" ? nil : FilePath($0) }
        switch error {
        case let bad as BadLine:
            return Failure(
                bad.code,
                "line \(bad.number): \(bad.message). Nothing of its batch was written; \(tally.progressText)",
                path: path,
                offset: bad.offset)
        case is Interrupted:
            return Failure(
                "interrupted", "Interrupted: \(tally.progressText)",
                status: Status.signal(Interruption.received))
        case let error as JournalError:
            var failure = Failure(error, invalidArgument: tally.lines > 0 ? Status.failed : Status.usage)
            if tally.lines > 0 { failure.message += ". Before that \(tally.progressText)" }
            return failure
        case var failure as Failure:
            if tally.lines > 0 { failure.message += ". Before that \(tally.progressText)" }
            return failure
        default: return error
        }
    }
}
