import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `snapshot`: the state as it is now, for the next opening.
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Write the present state to a snapshot, so that opening is quick.",
        discussion: """
            Opening reads the newest snapshot and replays what came after it. Agents take snapshots by themselves, in the \
            background.

              agent-journal snapshot ./memory
            """)

    @OptionGroup var journal: JournalArgument
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await journal.write(output.console) { journal in
            let sequence = try await journal.snapshot()
            try await withOutput { out in
                guard !output.json else {
                    return try out.write(JSONLine.object(["snapshot_sequence": .number(sequence)]))
                }
                try out.line("snapshot of sequence \(sequence)")
            }
        }
    }
}

/// `compact`: smaller, and without the history that is not to be kept.
struct CompactCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Make the journal smaller: take a snapshot, pack the log, let old history go.",
        discussion: """
            Memories that are there always stay. History is what `log`, `diff` and --at look back to: all of it is kept \
            unless told otherwise, by --keep-history. It goes in whole segments, so somewhat more is kept.

              agent-journal compact ./memory
              agent-journal compact ./memory --keep-history 90d --dry-run
              agent-journal compact ./memory --keep-history none
            """)

    @OptionGroup var journal: JournalArgument
    @Option(
        help: ArgumentHelp(
            "all, none, or how far back: a number with d (days), h (hours) or m (minutes).",
            valueName: "duration"),
        transform: Retention.parse)
    var keepHistory = Retention.all
    @Flag(help: "Change nothing; say what would go, and how much that frees.")
    var dryRun = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        // What changes nothing works beside a running agent, and in a directory that may not be written.
        let report =
            dryRun
            ? try await journal.read(output.console) { try await compact($0) }
            : try await journal.write(output.console) { try await compact($0) }
        try await withOutput { out in
            try out.write(output.json ? JSONLine.object(report.members) : Array(report.text.utf8))
        }
    }

    private func compact(_ journal: Journal) async throws -> CompactionReport {
        try await journal.compact(keepingHistory: keepHistory, dryRun: dryRun)
    }
}

extension Retention {
    static func parse(_ argument: String) throws -> Retention {
        switch argument {
        case "all": return .all
        case "none": return .none
        default:
            let seconds: [Character: Int] = ["d": 86_400, "h": 3_600, "m": 60]
            guard let unit = argument.last.flatMap({ seconds[$0] }), let number = Int(argument.dropLast()),
                (1...36_500).contains(number)
            else {
                throw ValidationError(
                    "'\(argument)' is no retention: give all, none, or a duration such as 90d, 12h or 30m")
            }
            return .duration(.seconds(number * unit))
        }
    }
}

extension CompactionReport {
    fileprivate var members: KeyValuePairs<String, JSONValue?> {
        [
            "dry_run": .bool(isDryRun), "first_sequence": .number(firstSequence), "floor": .number(floor),
            "freed_bytes": .number(freedBytes),
            "packed_bytes_after": packedBytesAfter.map { .number($0) },
            "packed_bytes_before": .number(packedBytesBefore), "packed_segments": .number(packedSegments),
            "removed": .array(
                removed.map { file in
                    .object([
                        "bytes": .number(file.bytes),
                        "first_sequence": file.sequences.map { .number($0.lowerBound) },
                        "last_sequence": file.sequences.map { .number($0.upperBound) },
                        "name": .text(file.name),
                    ])
                }),
            "snapshot_sequence": .number(snapshotSequence),
        ]
    }

    fileprivate var text: String {
        let would = isDryRun ? "would be " : ""
        var lines = removed.map { file in
            let history =
                file.sequences.map { ", history of sequences \($0.lowerBound) to \($0.upperBound)" } ?? ""
            return "\(would)removed: \(file.name), \(file.bytes) bytes\(history)"
        }
        if !removed.isEmpty { lines.append("\(would)freed: \(freedBytes) bytes") }
        let after = packedBytesAfter.map { ", \($0) after" } ?? ", where that makes them smaller"
        lines.append("\(would)packed: \(packedSegments) segments of \(packedBytesBefore) bytes\(after)")
        lines.append("snapshot: sequence \(snapshotSequence)")
        if floor > 0 { lines.append("history begins with sequence \(firstSequence)") }
        return lines.map { $0 + "\n" }.joined()
    }
}
