import AgentJournal
import JournalTesting
import SystemPackage
import Testing

@Suite("Files of a whole journal that are missing or something else") struct MisplacedFilesTests {
    /// An error names the file, or the one beside which it is missed.
    private func damage(_ what: String, _ file: FilePath, _ subject: DamageSubject) -> Damage {
        Damage(
            what: what,
            files: [file] + subject.files + [
                directory, directory.appending("log"), directory.appending("journal.json"),
            ],
            // Without the last segment the promises in it are gone too.
            isCut: file == subject.lastSegment)
    }

    private func judge(
        _ damages: [(Damage, SimulatedDisk)], _ subject: DamageSubject, _ what: String
    ) async throws -> DamageTally {
        let tally = try await tallied(damages) { damages in
            var tally = DamageTally()
            for (damage, disk) in damages {
                tally.add(damage, await DamageJudge(subject: subject).judge(disk, damage, writes: true))
            }
            return tally
        }
        print(tally.line("\(subject.life.rawValue), \(what)"))
        #expect(tally.count > 0)
        #expect(tally.wrong.prefix(5) == [])
        return tally
    }

    @Test("each file removed", arguments: DamageSubject.Life.allCases)
    func removed(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let damages = try subject.files.map { file in
            let disk = subject.disk.copy()
            try disk.remove(file)
            return (damage("removal", file, subject), disk)
        }
        let tally = try await judge(damages, subject, "files removed")
        // Nothing else says that there was a snapshot while the log reaches back, nor, after a kill, that there were a lock
        // and a last segment.
        let unnoticed = tally.unnoticed.map { $0.files[0] }.filter { file in
            !(life == .killed && (file == subject.lastSegment || file.lastComponent == "lock"))
                && !(life != .letGo && file.string.hasSuffix(".snapshot"))
        }
        #expect(unnoticed == [])
    }

    @Test("each file that of another journal", arguments: DamageSubject.Life.allCases)
    func ofAnother(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let other = try await DamageSubject(life, seed: 2)
        #expect(other.files == subject.files)
        let damages = try subject.files.map { file in
            let disk = subject.disk.copy()
            try disk.replaceContents(of: file, with: other.disk.contents(of: file))
            return (damage("another journal's contents", file, subject), disk)
        }
        let tally = try await judge(damages, subject, "files of another journal")
        let unnoticed = tally.unnoticed.map { $0.files[0] }
        #expect(unnoticed.filter { life != .killed || $0.lastComponent != "lock" } == [])
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
                damages.append((damage("the contents of \(name)", file, subject), replaced))
                let exchanged = replaced.copy()
                try exchanged.replaceContents(of: other, with: subject.disk.contents(of: file))
                damages.append((damage("exchange with \(name)", file, subject), exchanged))
            }
        }
        let tally = try await judge(damages, subject, "files replaced by others and exchanged")
        #expect(tally.unnoticed.map(\.description) == [])
    }
}
