import AgentJournal
import ArgumentParser
import CanonicalJSON
import JournalFileSystem
import Logging
import SegmentLog
import SystemPackage

/// `doctor`: why memory might not persist here.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say why memory might not persist here.",
        discussion: """
            Looks at the kind of file system (a container's own layer, memory, a network mount), the age of the journal \
            beside that of the container, free space, permissions, the latency of a sync, who has the journal open, how \
            it was closed last, what recovery found, and whether every byte of the journal is as it was written. To \
            measure, it writes a small file beside the journal's and removes it. Damage ends with 1.

              agent-journal doctor ./memory
              agent-journal doctor /var/lib/agent/memory --json
            """)

    @OptionGroup var journal: JournalArgument
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var examination = Examination(FilePath(journal.dir))
        var isDamaged = false
        do {
            // Silent: what the library would tell an operator is among the findings.
            try await journal.read(
                output.console,
                prepare: { options in
                    options.skipsReplay = true
                    options.logger.logLevel = .critical
                }
            ) { journal in
                examination.examinePlace()
                examination.examineAge(journal.created)
                examination.examineOpeners(journal.otherOpeners, ending: journal.openingReport.ending)
                examination.examineEnding(journal.openingReport)
            }
        } catch let error as JournalError where error.code == .damaged {
            examination.examinePlace()
            examination.examineDamage(error)
            isDamaged = true
        }
        isDamaged = try examineContents(&examination) || isDamaged
        try await print(examination.findings)
        if isDamaged { throw ExitCode(Status.damage) }
    }

    /// Reads every byte: opening looks at the ends alone.
    ///
    /// - Returns: whether anything is damaged.
    private func examineContents(_ examination: inout Examination) throws -> Bool {
        let progress = Progress(output.console)
        defer { progress.end() }
        let report = try Journal.verify(at: FilePath(journal.dir), fileSystem: PosixFileSystem()) {
            progress.show("verifying: event \($0)")
        }
        examination.examineContents(report)
        return !report.isHealthy
    }

    private func print(_ findings: [Finding]) async throws {
        try await withOutput { out in
            guard !output.json else { return try out.write(json(findings)) }
            let terminal = Terminal.standardOutput
            for finding in findings {
                let grade = terminal.styled(finding.grade.rawValue.padded(to: 7), finding.grade.style)
                let message = finding.message.escapingControls(keepingNewlines: false)
                let lines = terminal.width.map { message.wrapped(to: max(20, $0 - 22)) } ?? [message]
                let gap = "\n" + String(repeating: " ", count: 22)
                try out.line("\(grade)  \(finding.name.padded(to: 11))  \(lines.joined(separator: gap))")
            }
        }
    }

    private func json(_ findings: [Finding]) -> [UInt8] {
        let list = findings.map { finding in
            JSONValue.object([
                "grade": .text(finding.grade.rawValue), "message": .text(finding.message),
                "name": .text(finding.name),
            ])
        }
        return JSONLine.object([
            "findings": .array(list), "healthy": .bool(!findings.contains { $0.grade == .problem }),
        ])
    }
}

extension Finding.Grade {
    fileprivate var style: Terminal.Style {
        switch self {
        case .ok: .green
        case .warning: .yellow
        case .problem: .red
        }
    }
}
