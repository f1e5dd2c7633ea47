import AgentJournal
import ArgumentParser
import CanonicalJSON
import JournalFileSystem
import SystemPackage

/// `verify`: reads every byte.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read every byte and compare it with its checksums.",
        discussion: """
            Writes nothing, takes no lock, and works on a journal that is too damaged to be opened. Damage is listed \
            with file, offset and the events that are lost, and ends with 1.

              agent-journal verify ./memory
              agent-journal verify ./memory --json
              agent-journal verify /backups/memory && echo good
            """)

    @OptionGroup var journal: JournalArgument
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let progress = Progress(output.console)
        defer { progress.end() }
        let report = try Journal.verify(at: FilePath(journal.dir), fileSystem: PosixFileSystem()) {
            progress.show("verifying: event \($0)")
        }
        progress.end()
        for note in report.notes { output.console.note(note) }
        try await withOutput { out in
            try out.write(output.json ? JSONLine.object(report.members) : Array(report.text.utf8))
        }
        if !report.isHealthy { throw ExitCode(Status.damage) }
    }
}

extension VerifyReport {
    fileprivate var members: KeyValuePairs<String, JSONValue?> {
        [
            "events": .number(events), "frames": .number(frames), "healthy": .bool(isHealthy),
            "last_sequence": .number(lastSequence), "lost": losses.isEmpty ? nil : .array(losses.map(\.json)),
            "problems": .array(problems.map(\.json)),
            "segments": .number(segments), "snapshots": .number(snapshots),
        ]
    }

    fileprivate var text: String {
        let read = "\(segments) segments, \(frames) frames, \(events) events, last sequence \(lastSequence)\n"
        let known = losses.map { "known loss: sequences \($0.lowerBound) to \($0.upperBound)\n" }.joined()
        guard !isHealthy else { return "healthy: " + read + known }
        return problems.map { "damaged: \($0.description.escapingControls(keepingNewlines: false))\n" }
            .joined()
            + "readable: " + read + known
    }
}

extension ClosedRange<UInt64> {
    /// A range of sequences.
    var json: JSONValue {
        .object(["first_sequence": .number(lowerBound), "last_sequence": .number(upperBound)])
    }
}

extension VerifyReport.Problem {
    var json: JSONValue {
        .object([
            "file": .text(file), "first_sequence": lostSequences.map { .number($0.lowerBound) },
            "kind": .text(kind),
            "last_sequence": lostSequences.map { .number($0.upperBound) }, "message": .text(message),
            "offset": offset.map { .number($0) },
        ])
    }
}

extension VerifyReport {
    /// Ends a salvage: names everything that was passed over.
    ///
    /// - Throws: with exit status 1 when anything was.
    func throwIfDamaged(in directory: String, _ console: Console) throws {
        for note in notes { console.note(note) }
        for problem in problems {
            var message = "damaged: \(problem.file): \(problem.message)"
            if let lost = problem.lostSequences {
                message += "; sequences \(lost.lowerBound) to \(lost.upperBound) cannot be read"
            }
            let path = FilePath(directory).appending(problem.file)
            console.report(Failure("damaged", message, path: path, offset: problem.offset))
        }
        if !isHealthy { throw ExitCode(Status.damage) }
    }
}
