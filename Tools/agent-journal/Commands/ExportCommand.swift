import AgentJournal
import ArgumentParser
import SystemPackage

/// `export`: all memories as canonical JSON lines.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Print all memories as canonical JSON lines.",
        discussion: """
            In order of conversations and sequences. What was forgotten is not in it. The same memories give the same \
            bytes, so their checksum is the journal's digest, which replay prints.

              agent-journal export ./memory > memory.jsonl
              agent-journal export ./memory --conversation support/user-42
              agent-journal export ./memory --at "after onboarding"
              agent-journal export ./memory | sha256sum
              agent-journal export ./damaged --salvage > rest.jsonl
            """)

    @OptionGroup var journal: JournalArgument
    @Option(help: ArgumentHelp("Only this conversation.", valueName: "name"))
    var conversation: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The memories as they were then: \(Point.words)", valueName: "point"),
        transform: Point.parse)
    var at: Point?
    @Flag(help: "Read past damage: name it, give what lies on both sides, and end with 1.")
    var salvage = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        if let conversation { try Conversation.checkName(conversation) }
        let progress = Progress(output.console)
        defer { progress.end() }
        if salvage { return try await runSalvage() }
        try await journal.read(output.console, prepare: { $0.replays(for: at, progress) }) { journal in
            let view = try journal.look(at: at, progress)
            progress.end()
            try await withOutput { out in
                try view.export(conversation: conversation) { (piece) throws in try out.write(piece) }
            }
        }
    }

    private func runSalvage() async throws {
        let (view, report) = try Journal.salvagedView(at: FilePath(journal.dir), point: at)
        try await withOutput { out in
            try view.export(conversation: conversation) { (piece) throws in try out.write(piece) }
        }
        try report.throwIfDamaged(in: journal.dir, output.console)
    }
}

extension Journal {
    /// The journal at a point, or as it is now.
    func look(at point: Point?, _ progress: Progress) throws -> JournalView {
        guard let point else { return try view() }
        do throws(JournalError) {
            return try pastView(at: point) { sequence in progress.show("replaying: event \(sequence)") }
        } catch {
            throw error.explained(at: point)
        }
    }
}

extension Journal.Options {
    /// A view of the past is replayed for itself; the present one needs no state then.
    mutating func replays(for point: Point?, _ progress: Progress) {
        skipsReplay = point != nil
        replayProgress = { sequence in progress.show("replaying: event \(sequence)") }
    }
}
