import AgentJournal
import ArgumentParser
import SystemPackage

/// `import`: JSON lines.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Add memories from JSON lines, plain or gzipped.",
        discussion: """
            A line is an object with "conversation", "role", "content" (text, or any JSON value) or "content_base64", \
            "mime_type", "metadata", "timestamp" (RFC 3339) and "idempotency_key"; null is as good as not there. Any other \
            member is kept in the metadata under its own name; "sequence" is passed over. No content is the empty text, \
            which is told.

              agent-journal import ./memory history.jsonl.gz
              agent-journal import ./memory chat.jsonl --conversation team --key-field id
              agent-journal import ./memory session.jsonl --content-field message.content --role-field message.role \
            --conversation-field sessionId --key-field uuid
              agent-journal import ./memory messages.json --format json --conversation team --time-field created_at \
            --time-unit s
              agent-journal export ./old | agent-journal import ./new --batch 1000

            Lines are written in batches, each whole or not at all (but for --on-conflict replace, where each replacing is \
            a step of its own). A line that cannot be taken is named, nothing of its batch is written, and what was \
            imported before stays; --from-line goes on behind it. With keys, importing the same lines again adds nothing: \
            those of --key-field, or of --key-of-content, which takes a line that is equal to one of an earlier import \
            into the same conversation for that one. Without --on-conflict a key that comes again with other metadata only \
            is passed over, which is told, and any other difference stops. SIGINT and SIGTERM end it after the batch that \
            is being written (exit status 130 and 143).
            """)

    @OptionGroup var journal: JournalArgument
    @Argument(help: "The lines; stdin if it is not given, or is -.", completion: .file())
    var file: String?
    @Option(help: ArgumentHelp("For lines that name no conversation.", valueName: "name"))
    var conversation: String?
    @Option(help: ArgumentHelp("At most so many memories are written together.", valueName: "n"))
    var batch = 500
    @OptionGroup(title: "Keys") var keys: ImportKeyOptions
    @OptionGroup(title: "Lines of other programs") var fieldOptions: ImportFieldOptions
    @OptionGroup(title: "Input") var input: ImportInputOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if batch < 1 { throw ValidationError("--batch takes a number from 1, not \(batch)") }
        if input.fromLine < 1 { throw ValidationError("--from-line takes a number from 1: the first is 1") }
    }

    func run() async throws {
        if let conversation { try Conversation.checkName(conversation) }
        var tally = ImportTally(format: input.format)
        let progress = Progress(output.console)
        do {
            try await importLines(&tally, progress)
        } catch {
            progress.end()
            throw explain(error, tally)
        }
        progress.end()
        for note in tally.notes(keys, fieldOptions) { output.console.note(note) }
        let result = output.json ? tally.json : Array((tally.text + "\n").utf8)
        try await withOutput { out in try out.write(result) }
    }

    private func importLines(_ tally: inout ImportTally, _ progress: Progress) async throws {
        let interruption = try Interruption()
        let source = try FileSource(file, interruption: interruption)
        if source.path == nil, Terminal.isInputTerminal {
            output.console.note("Reading lines from the terminal; end them with Ctrl-D")
        }
        var fields = fieldOptions.fields
        fields.key = keys.keyField
        let records = RecordReader(
            try InputBuffer(source), input.format, replacesSurrogates: input.replaceSurrogates)
        var reader = BatchReader(
            records, ImportLine(conversation: conversation, fields: fields), limit: batch,
            from: input.fromLine,
            makesKeys: keys.keyOfContent, interruption)
        // Read before a journal is made, or the lock of one is held, for lines that may never come.
        var next = try reader.next()
        try await journal.write(output.console, create: .ifMissing) { journal in
            if let next, let found = try ImportedBefore.find(next, in: journal) { warn(found) }
            let writer = BatchWriter(journal, keys.onConflict)
            while let batch = next {
                let writing = Task { try await writer.write(batch) }
                // The next lines are read while these are written.
                let following = Result { try reader.next() }
                tally.count(batch, try await writing.value)
                progress.show("\(tally.lines) lines")
                next = try following.get()
            }
            tally.lastSequence = journal.lastSequence
        }
    }

    private func warn(_ found: ImportedBefore.Found) {
        let (first, last) = (found.sequences.lowerBound, found.sequences.upperBound)
        output.console.note(
            "The first \(found.lines == 1 ? "line is" : "\(found.lines) lines are") in conversation "
                + "\"\(found.conversation)\" already, without keys (sequence \(first)\(last > first ? " to \(last)" : "")). If this was "
                + "imported before, all of it is now there twice. With --key-field or --key-of-content, from the first import on, "
                + "repeating it adds nothing")
    }

    private var unwritten: String {
        keys.onConflict == .replace
            ? "What came before it in its batch may be written" : "Nothing of its batch was written"
    }

    /// Says how far it came besides what went wrong.
    private func explain(_ error: any Error, _ tally: ImportTally) -> any Error {
        let path = file.flatMap { $0 == "-" ? nil : FilePath($0) }
        switch error {
        case let bad as BadLine:
            return Failure(
                bad.code,
                "\(bad.place.text): \(bad.message). \(unwritten); \(tally.progressText)\(tally.goingOn)",
                path: path,
                offset: bad.place.offset)
        case is Interrupted:
            return Failure(
                "interrupted", "Interrupted: \(tally.progressText)\(tally.goingOn)",
                status: Status.signal(Interruption.received))
        case let error as JournalError:
            var failure = Failure(error, invalidArgument: tally.lines > 0 ? Status.failed : Status.usage)
            if tally.lines > 0 { failure.message += ". Before that \(tally.progressText)\(tally.goingOn)" }
            return failure
        case var failure as Failure:
            if tally.lines > 0 { failure.message += ". Before that \(tally.progressText)\(tally.goingOn)" }
            return failure
        default: return error
        }
    }
}
