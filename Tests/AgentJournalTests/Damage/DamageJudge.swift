import AgentJournal
import JournalTesting
import SystemPackage

/// What was done to a journal's files.
struct Damage: Sendable, CustomStringConvertible {
    var what: String
    /// An error must name one of these.
    var files: [FilePath]
    /// Where in the file it begins: an error is not about what comes behind it.
    var offset: Int?
    /// What is behind the offset is gone; where a header was cut the first frame is what is missing.
    var isCut = false

    var description: String {
        "\(what) of \(files.first?.lastComponent?.string ?? "")\(offset.map { " at \($0)" } ?? "")"
    }
}

/// Looks at a damaged journal in each way, and says what is wrong with what it gives.
struct DamageJudge: Sendable {
    let subject: DamageSubject

    /// How a damaged journal was taken.
    struct Verdict: Sendable {
        /// Neither the right state nor an error that names the place.
        var wrong: [String] = []
        /// Whether everything could be read as before.
        var isWhole = true
        var notice = Notice.nothing
    }

    /// What `verify` says.
    enum Notice: Sendable, Comparable {
        case nothing
        /// Something that is worth knowing, and no damage.
        case note
        case problem
    }

    /// Opens it for reading and for writing, reads all of it, and verifies it.
    ///
    /// - Parameter writes: Whether it is opened for writing too.
    func judge(_ disk: SimulatedDisk, _ damage: Damage, writes: Bool) async -> Verdict {
        var verdict = Verdict()
        verdict.notice = notice(disk, damage, &verdict)
        await judgeReading(disk, damage, &verdict)
        if writes { await judgeWriting(disk.copy(), damage, &verdict) }
        return verdict
    }

    private func notice(_ disk: SimulatedDisk, _ damage: Damage, _ verdict: inout Verdict) -> Notice {
        do {
            let report = try Journal.verify(at: directory, fileSystem: disk)
            if !report.isHealthy { return .problem }
            return report.notes.contains { !isOfKill($0) } ? .note : .nothing
        } catch {
            check(error, damage, "verify", &verdict)
            return .problem
        }
    }

    /// Of a journal whose writer was killed, and that recovered from an earlier kill, that is no news.
    private func isOfKill(_ note: String) -> Bool {
        subject.life == .killed
            && (note.contains("not closed cleanly") || note.contains("bytes that are never read"))
    }

    // MARK: Reading

    private func judgeReading(_ disk: SimulatedDisk, _ damage: Damage, _ verdict: inout Verdict) async {
        do {
            let journal = try await Journal.open(
                at: directory, options: DamageSubject.options(disk, .readOnly))
            judge(await subject.read(journal), damage, "for reading", &verdict)
            try await journal.close()
        } catch {
            verdict.isWhole = false
            check(error, damage, "for reading", &verdict)
        }
    }

    /// One of the readings that are right must have given each part that was not refused.
    private func judge(
        _ reading: JournalReading, _ damage: Damage, _ what: String, _ verdict: inout Verdict
    ) {
        let differences = subject.allowed(damage).map { right in
            zip(reading.parts, right.parts).filter { $0.value != nil && $0.value != $1.value }.map(\.0.name)
        }
        if !differences.contains([]) {
            verdict.wrong.append("\(damage), \(what): another state: \(differences.last!)")
        }
        for (part, right) in zip(reading.parts, subject.readings.last!.parts) {
            switch (part.result, right.result) {
            case (.failure(let error as JournalError), .failure(let known as JournalError))
            where error.code == known.code:
                continue
            case (.failure(let error), _):
                verdict.isWhole = false
                check(error, damage, "\(what), \(part.name)", &verdict)
            case (.success, _): verdict.isWhole = verdict.isWhole && part.value == right.value
            }
        }
    }

    private func check(_ error: any Error, _ damage: Damage, _ what: String, _ verdict: inout Verdict) {
        guard let error = error as? JournalError, [.damaged, .unsupported].contains(error.code) else {
            verdict.wrong.append("\(damage), \(what): no error of damage: \(error)")
            return
        }
        guard let path = error.path, damage.files.contains(path) else {
            verdict.wrong.append("\(damage), \(what): another place: \(error)")
            return
        }
        if path == damage.files.first, let offset = damage.offset, let found = error.offset,
            found > UInt64(damage.isCut ? max(offset + 7, 1024) : offset)
        {
            verdict.wrong.append("\(damage), \(what): offset \(found) is behind it: \(error)")
        }
    }

    // MARK: Writing

    private func judgeWriting(_ disk: SimulatedDisk, _ damage: Damage, _ verdict: inout Verdict) async {
        let before = contents(disk)
        let journal: Journal
        do {
            journal = try await Journal.open(at: directory, options: DamageSubject.options(disk, seed: 9))
        } catch {
            check(error, damage, "for writing", &verdict)
            // After a kill the end may have been recovered before the damage was met: that adds a segment.
            let after = contents(disk)
            let isUnchanged = before.allSatisfy { after[$0.key] == $0.value }
            if !isUnchanged || (subject.life != .killed && after.count != before.count) {
                verdict.wrong.append("\(damage): a refused opening changed something")
            }
            return
        }
        let reading = await subject.read(journal)
        judge(reading, damage, "for writing", &verdict)
        do {
            try await goOn(journal, from: reading, disk, damage, &verdict)
        } catch {
            check(error, damage, "going on", &verdict)
            // What closes badly after damage was met is told by that error.
            try? await journal.close()
        }
    }

    /// A retry gets the first receipt, and what is added is there after another opening, with all that was there.
    private func goOn(
        _ journal: Journal, from reading: JournalReading, _ disk: SimulatedDisk, _ damage: Damage,
        _ verdict: inout Verdict
    ) async throws {
        let last = journal.lastSequence
        let retried = try await journal.conversation("a").add(contentsOf: [DamageSubject.keyed])[0]
        if retried != subject.receipt { verdict.wrong.append("\(damage): a retry gave \(retried)") }
        let added = try await journal.conversation("語").add("more")
        if added.sequence != last + 1 {
            verdict.wrong.append("\(damage): added as \(added.sequence), not \(last + 1)")
        }
        try await journal.close()
        guard let right = reading.export else { return }
        let again = try await Journal.open(at: directory, options: DamageSubject.options(disk, .readOnly))
        let bytes = try again.view().exported()
        if !bytes.starts(with: right) || bytes[right.count...].count(where: { $0 == 0x0A }) != 1 {
            verdict.wrong.append("\(damage): another state after going on")
        }
        try await again.close()
    }

    /// What a refused opening must leave as it is: all but the lock, which may have been missing.
    private func contents(_ disk: SimulatedDisk) -> [FilePath: [UInt8]] {
        var contents: [FilePath: [UInt8]] = [:]
        for path in disk.paths where path.lastComponent?.string != "lock" {
            contents[path] = try? disk.contents(of: path)
        }
        return contents
    }
}
