import AgentJournal
import JournalTesting
import SystemPackage
import Testing

@Suite("Files of a whole journal that are missing or something else") struct MisplacedFilesTests {
    private func damage(_ what: String, _ files: [FilePath], _ subject: DamageSubject) -> Damage {
        Damage(what: what, files: files + files.flatMap { evidence(of: $0, subject) })
    }

    /// Beside the file itself an error may name the one that shows that something is missing, or does not belong there.
    private func evidence(of file: FilePath, _ subject: DamageSubject) -> [FilePath] {
        let segments = subject.segments
        switch file.lastComponent?.string {
        // Its identity is not that of the segments.
        case "journal.json": return [segments[0]]
        // Its clean-close record says where the last one ends.
        case "lock": return [subject.lastSegment]
        default: break
        }
        // Where history was let go the log begins too late without it.
        guard let index = segments.firstIndex(of: file) else { return [segments[0]] }
        // The segment behind it says what comes before; behind the last one there is only the clean-close record, and the log
        // seems to end with the one before.
        return [file == subject.lastSegment ? segments[index - 1] : segments[index + 1]]
    }

    private func judge(
        _ damages: [(Damage, SimulatedDisk)], _ subject: DamageSubject, _ what: String
    ) async throws {
        let tally = try await DamageJudge(subject: subject).tallied(damages) { $0 }
        print(tally.line("\(subject.life.rawValue), \(what)"))
        #expect(tally.count == damages.count && tally.count > 0)
        #expect(tally.wrong.prefix(5) == [])
        #expect(tally.missed == [])
    }

    @Test("each file removed", arguments: DamageSubject.Life.allCases)
    func removed(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let damages = try subject.files.map { file in
            let disk = subject.disk.copy()
            try disk.remove(file)
            return (damage("removal", [file], subject), disk)
        }
        try await judge(damages, subject, "files removed")
    }

    @Test("each file that of another journal", arguments: DamageSubject.Life.allCases)
    func ofAnother(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let other = try await DamageSubject(life, seed: 2)
        #expect(other.files == subject.files)
        let damages = try subject.files.map { file in
            let disk = subject.disk.copy()
            try disk.replaceContents(of: file, with: other.disk.contents(of: file))
            return (damage("another journal's contents", [file], subject), disk)
        }
        try await judge(damages, subject, "files of another journal")
    }

    @Test(
        "each file another one of the same journal, and each two exchanged",
        arguments: DamageSubject.Life.allCases)
    func exchanged(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        var damages: [(Damage, SimulatedDisk)] = []
        for file in subject.files {
            for other in subject.files where other != file {
                let name = other.lastComponent?.string ?? ""
                let replaced = subject.disk.copy()
                try replaced.replaceContents(of: file, with: subject.disk.contents(of: other))
                damages.append((damage("the contents of \(name)", [file], subject), replaced))
                let exchanged = replaced.copy()
                try exchanged.replaceContents(of: other, with: subject.disk.contents(of: file))
                damages.append((damage("exchange with \(name)", [file, other], subject), exchanged))
            }
        }
        try await judge(damages, subject, "files replaced by others and exchanged")
    }
}
