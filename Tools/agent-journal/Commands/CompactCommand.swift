import AgentJournal
import ArgumentParser
import CanonicalJSON
import SystemPackage

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

            It says how long all files were before, and how long they are after it. With all history kept they may be \
            longer: the snapshot has every memory and key once more, to be looked up. --dry-run says what it would come \
            to, and takes as long, for it compresses all the same.

            What was forgotten stays in the files until it is erased: --erase removes every byte of it, from the log and \
            the snapshots, and of conversations without a memory their names. Copies elsewhere, backups too, are not \
            touched. The receipt says what was erased from which files, for whoever asked for it. It is durable before the \
            erasure is recorded as done, and a run that erases nothing leaves it alone; where there is none, it makes that of the last \
            erasure again from the log.

              agent-journal compact ./memory --erase --receipt receipt.json
            """)

    @OptionGroup var journal: JournalArgument
    @Option(
        help: ArgumentHelp(
            "all, none, or how far back: a number with d (days), h (hours) or m (minutes).",
            valueName: "duration"),
        transform: Retention.parse)
    var keepHistory = Retention.all
    @Flag(help: "Erase what is forgotten.")
    var erase = false
    @Option(
        help: ArgumentHelp("Write there what was erased, as JSON.", valueName: "file"), completion: .file())
    var receipt: String?
    @Flag(help: "Change nothing; say what would go, and how much that frees.")
    var dryRun = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if receipt != nil, !erase { throw ValidationError("--receipt is of an erasure: give --erase too") }
        if receipt != nil, dryRun {
            throw ValidationError("--dry-run erases nothing, so there is no receipt")
        }
    }

    func run() async throws {
        // Before anything is erased: what cannot be written must not be learned of behind it.
        let receiptFile = try receipt.map { try ReceiptFile($0) }
        defer { receiptFile?.discard() }
        // What changes nothing works beside a running agent, and in a directory that may not be written.
        let report =
            dryRun
            ? try await journal.read(output.console) { try await compact($0, nil) }
            : try await journal.write(output.console) { journal in
                let report = try await compact(journal, receiptFile)
                if let receiptFile, report.erasure?.sequence == nil {
                    try await repeatReceipt(of: journal, receiptFile)
                }
                return report
            }
        try await withOutput { out in
            try out.write(output.json ? JSONLine.object(report.members) : Array(report.text.utf8))
        }
    }

    /// Nothing was erased now. A receipt that is there stays; where none is, that of the last erasure is had from the log.
    private func repeatReceipt(of journal: Journal, _ file: ReceiptFile) async throws {
        if file.isThere {
            output.console.note("Nothing to erase: the receipt that is there stays as it is")
        } else if let last = try await journal.erasureReceipt() {
            try file.write(last)
            output.console.note(
                "Nothing to erase: the receipt is that of the last erasure, read from the log")
        }
    }

    private func compact(
        _ journal: Journal, _ receipt: ReceiptFile?
    ) async throws -> CompactionReport {
        let progress = Progress(output.console)
        defer { progress.end() }
        var handler: ErasureReport.Handler?
        if let receipt { handler = { (report: ErasureReport) throws in try receipt.write(report) } }
        return try await journal.compact(
            keepingHistory: keepHistory, erasingForgotten: erase, dryRun: dryRun,
            progress: { (step: CompactionStep) in progress.show(step.text) }, receipt: handler)
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

extension ErasureReport {
    var json: JSONValue {
        .object([
            "conversations": isFromLog ? nil : .number(conversations),
            "events": .array(
                events.map { event in
                    .object([
                        "file": .text(event.file), "kind": .text(event.kind.word),
                        "leaf": .string(Hexadecimal.digits(of: event.leaf)),
                        "recorded": .text(event.recorded.description), "sequence": .number(event.sequence),
                    ])
                }),
            "files": isFromLog
                ? nil
                : .array(
                    files.map { file in
                        .object([
                            "bytes_after": file.bytesAfter.map { .number($0) },
                            "bytes_before": .number(file.bytesBefore), "file": .text(file.file),
                            "replaced_by": file.replacedBy.map { .text($0) },
                        ])
                    }),
            "from_log": isFromLog ? .bool(true) : nil, "journal": .text(journal),
            "memories": .number(memories),
            "recorded": recorded.map { .text($0.description) },
            "sequence": sequence.map { .number($0) }, "through": .number(through),
        ])
    }

    fileprivate func lines(isDryRun: Bool) -> [String] {
        let would = isDryRun ? "would be " : ""
        guard sequence != nil || isDryRun else { return ["nothing to erase"] }
        return files.map { file in
            "\(would)rewritten: \(file.file)"
                + (file.replacedBy.flatMap { $0 == file.file ? nil : " as \($0)" } ?? "")
        } + [
            "\(would)erased: \(isDryRun ? memories : events.count) \(isDryRun ? "memories" : "events"), "
                + "\(conversations) conversations' names"
        ]
    }
}

extension CompactionStep {
    fileprivate var text: String {
        switch self {
        case .snapshot(let writtenBytes): "snapshot: \(writtenBytes >> 20) MiB"
        case .erasing: "erasing what is forgotten"
        case .packing(let segment, let count): "packing segment \(segment) of \(count)"
        }
    }
}

extension CompactionReport {
    fileprivate var members: KeyValuePairs<String, JSONValue?> {
        [
            "bytes_after": .number(files.after), "bytes_before": .number(files.before),
            "dry_run": .bool(isDryRun), "erasure": erasure.map(\.json),
            "first_sequence": .number(firstSequence), "floor": .number(floor),
            "freed_bytes": .number(freedBytes), "log_bytes_after": .number(files.logAfter),
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
            "snapshot_bytes_after": .number(files.snapshotsAfter),
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
        if let erasure { lines += erasure.lines(isDryRun: isDryRun) }
        if floor > 0 { lines.append("history begins with sequence \(firstSequence)") }
        lines += lengthLines
        return lines.map { $0 + "\n" }.joined()
    }

    /// Of all files before and after; and where they are more than the history, what for.
    private var lengthLines: [String] {
        let (log, snapshots) = (files.logAfter, files.snapshotsAfter)
        var lines = [
            "all files before: \(files.before) bytes",
            "all files after\(isDryRun ? " it" : ""): \(files.after) bytes (log \(log), snapshots \(snapshots))",
        ]
        guard floor == 0, snapshots > log / 10 else { return lines }
        let rest = files.after - min(files.after, log)
        lines.append(
            (files.after > files.before
                ? "\(isDryRun ? "would grow" : "grew") by \(files.after - files.before) bytes: " : "")
                + "the snapshot has every memory and key once more, so that opening reads no history and a key is a look-up. "
                + "Without history (--keep-history none) some \(rest) bytes \(isDryRun ? "would stay" : "stay")"
        )
        return lines
    }
}
