import AgentJournal
import ArgumentParser
import SystemPackage

/// `log`: the events themselves.
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "List the events, also of what was forgotten since.",
        discussion: """
            One event a line: sequence, time of recording, kind (added, forgotten, cleared, flushed), role (- for none), \
            conversation, and the first 60 characters, or the tools that are called.

              agent-journal log ./memory
              agent-journal log ./memory --conversation support/user-42 --reverse
              agent-journal log ./memory --from onboarded --to 2025-03-02T00:00:00Z
              agent-journal log ./memory --follow --json

            --from and --to are points, both included: \(Point.words) \
            --follow goes on as events are recorded, until it is interrupted, and ends with 0.
            """)

    @OptionGroup var journal: JournalArgument
    @Option(help: ArgumentHelp("Only this conversation's.", valueName: "name"))
    var conversation: String?
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Begin here.", valueName: "point"), transform: Point.parse
    )
    var from: Point?
    @Option(
        parsing: .unconditional, help: ArgumentHelp("End here.", valueName: "point"), transform: Point.parse)
    var to: Point?
    @Flag(help: "The newest first.")
    var reverse = false
    @Flag(help: "Go on as events are recorded.")
    var follow = false
    @Flag(help: "Read past damage: name it, list what lies on both sides, and end with 1.")
    var salvage = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if follow, reverse { throw ValidationError("--follow goes forward: leave out --reverse") }
        if follow, to != nil { throw ValidationError("--follow has no end: leave out --to") }
        if salvage, follow || reverse {
            throw ValidationError("--salvage reads forward, once: leave out --follow and --reverse")
        }
    }

    func run() async throws {
        if let conversation { try Conversation.checkName(conversation) }
        if salvage { return try await runSalvage() }
        let interruption = follow ? try Interruption() : nil
        try await journal.read(output.console, prepare: { $0.skipsReplay = true }) { journal in
            let range = try await EventRange(from: from, to: to, in: journal, output.console)
            let listing = EventListing(
                journal: journal, range: range, conversation: conversation, isJSON: output.json,
                isFollowing: follow)
            guard let interruption else {
                return try await reverse ? listing.runBackwards() : listing.run()
            }
            let task = Task { try await listing.run() }
            try interruption.onSignal { _ in task.cancel() }
            try await task.value
        }
    }

    private func runSalvage() async throws {
        let directory = FilePath(journal.dir)
        let range = try EventRange(from: from, to: to, salvaging: directory)
        let report = try await EventSalvage(directory: directory, range: range, conversation: conversation)
            .run(output.json)
        try report.throwIfDamaged(in: journal.dir, output.console)
    }
}
