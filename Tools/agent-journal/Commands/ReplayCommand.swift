import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `replay`: rebuild the state from the log.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Rebuild the memory from the log, and say what it is and how long that took.",
        discussion: """
            The digest is the SHA-256 of the export: the same memories give the same digest, here and elsewhere.

              agent-journal replay ./memory
              agent-journal replay ./memory --at "after onboarding" --json
              agent-journal replay ./memory --verify

            --verify compares the state as it opens with one replayed from the first event; a difference ends with 1.
            """)

    @OptionGroup var journal: JournalArgument
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Up to there: \(Point.words)", valueName: "point"),
        transform: Point.parse)
    var at: Point?
    @Flag(help: "From the first event, not from a snapshot.")
    var fromScratch = false
    @Flag(help: "Also replay from the first event, and compare.")
    var verify = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let progress = Progress(output.console)
        defer { progress.end() }
        try await journal.read(output.console, prepare: { $0.skipsReplay = true }) { journal in
            let view = try rebuild(journal, progress)
            progress.end()
            let digest = try view.digest()
            let conversations = try view.conversations()
            // All that it took: opening, replaying, and the digest, which reads all memories.
            let elapsed = start.duration(to: clock.now)
            try await withOutput { out in
                try out.write(report(view, conversations, digest, elapsed))
            }
            if verify { try compare(digest, with: journal, at: view.sequence, progress) }
        }
    }

    private func rebuild(_ journal: Journal, _ progress: Progress) throws -> JournalView {
        let show: @Sendable (UInt64) -> Void = { sequence in progress.show("replaying: event \(sequence)") }
        guard fromScratch else {
            // Opening did not replay what came after the snapshot.
            return try journal.look(at: at ?? .sequence(journal.lastSequence), progress)
        }
        guard let at else { return try journal.replayedView(progress: show) }
        return try journal.replayedView(upTo: journal.pastView(at: at).sequence, progress: show)
    }

    private func report(
        _ view: JournalView, _ conversations: [JournalView.ConversationSummary], _ digest: String,
        _ elapsed: Duration
    ) -> [UInt8] {
        let isFromSnapshot = view.liesUponSnapshot
        let memories = conversations.reduce(0) { $0 + $1.count }
        guard output.json else {
            let rate = view.sequence > 0 ? Double(view.sequence) / max(elapsed / .seconds(1), 1e-6) : 0
            return Array(
                """
                events         \(view.sequence)
                memories       \(memories)
                conversations  \(conversations.count)
                digest         \(digest)
                seconds        \(elapsed.secondsText)\(isFromSnapshot ? ", from a snapshot" : " (\(Int(rate)) events a second)")

                """.utf8)
        }
        return JSONLine.object([
            "conversations": .number(conversations.count), "digest": .text(digest),
            "events": .number(view.sequence),
            "from_snapshot": .bool(isFromSnapshot), "last_sequence": .number(view.sequence),
            "memories": .number(memories),
            "seconds": .seconds(elapsed),
        ])
    }

    private func compare(_ digest: String, with journal: Journal, at sequence: UInt64, _ progress: Progress)
        throws
    {
        guard try journal.reachesBack else {
            throw Failure(
                "no_such_point",
                "The log begins with sequence \(try journal.firstSequence): the history before was let go, so the state cannot be "
                    + "replayed from the first event", path: journal.directory)
        }
        let other = try journal.replayedView(upTo: sequence) { progress.show("verifying: event \($0)") }
            .digest()
        progress.end()
        guard other == digest else {
            throw Failure(
                "different",
                "The state as it opens and the one replayed from the first event differ: their digests are \(digest) and "
                    + "\(other)", path: journal.directory, status: Status.damage)
        }
        output.console.note("Replayed from the first event again: the digest is the same")
    }
}
