import AgentJournal
import JournalTesting
import SystemPackage

/// Looks at a damaged journal in each way, and says what is wrong with what it gives.
struct DamageJudge: Sendable {
    let subject: DamageSubject

    /// How a damaged journal was taken.
    struct Verdict: Sendable {
        /// Neither the right state nor an error that names the place.
        var wrong: [String] = []
        /// Whether everything could be read as before.
        var isWhole = true
        /// Whether a memory was added to it.
        var wentOn = false
        var notice = Notice.nothing
    }

    /// What `verify` says.
    enum Notice: Sendable, Comparable {
        case nothing
        /// Something that is worth knowing, and no damage.
        case note
        case problem
    }

    /// Verifies it, opens it for reading and reads all of it; opens it for writing, goes on, and reads all of it again.
    func judge(_ disk: SimulatedDisk, _ damage: Damage) async -> Verdict {
        var verdict = Verdict()
        let right = subject.allowed(disk)
        verdict.notice = notice(disk, damage, "verify", &verdict)
        let reading = await read(disk, damage, right, "for reading", &verdict)
        verdict.isWhole = reading?.isWhole(as: subject.reading) ?? false
        if verdict.notice != .problem, !right.contains(where: { reading?.isWhole(as: $0) ?? false }) {
            verdict.wrong.append("\(damage): something is refused, and it verifies")
        }
        await judgeWriting(disk, damage, right, reading, &verdict)
        return verdict
    }

    func notice(
        _ disk: SimulatedDisk, _ damage: Damage, _ what: String, _ verdict: inout Verdict
    ) -> Notice {
        do {
            let report = try Journal.verify(at: directory, fileSystem: disk)
            if !report.isHealthy { return .problem }
            return report.notes.contains { !subject.isOfKill($0) } ? .note : .nothing
        } catch {
            check(error, damage, what, &verdict)
            return .problem
        }
    }

    /// Opens it for reading and reads all of it; nil where opening is refused.
    private func read(
        _ disk: SimulatedDisk, _ damage: Damage, _ right: [JournalReading], _ what: String,
        _ verdict: inout Verdict
    ) async -> JournalReading? {
        do {
            let journal = try await Journal.open(
                at: directory, options: DamageSubject.options(disk, .readOnly))
            let reading = await subject.read(journal)
            try await journal.close()
            judge(reading, damage, right, what, &verdict)
            return reading
        } catch {
            check(error, damage, what, &verdict)
            return nil
        }
    }

    /// One of the readings that are right must have given each part that was not refused.
    func judge(
        _ reading: JournalReading, _ damage: Damage, _ right: [JournalReading], _ what: String,
        _ verdict: inout Verdict
    ) {
        let differences = right.map { reading.differences(from: $0) }
        if !differences.contains([]) {
            verdict.wrong.append("\(damage), \(what): another state: \(differences[0])")
        }
        for (part, whole) in zip(reading.parts, subject.reading.parts) {
            guard case .failure(let error) = part.result, !part.isRefused(as: whole) else { continue }
            check(error, damage, "\(what), \(part.name)", &verdict)
        }
    }

    /// It is of damage, and names the place.
    func check(_ error: any Error, _ damage: Damage, _ what: String, _ verdict: inout Verdict) {
        guard let error = error as? JournalError, [.damaged, .unsupported].contains(error.code) else {
            verdict.wrong.append("\(damage), \(what): no error of damage: \(error)")
            return
        }
        guard let path = error.path, damage.files.contains(path) else {
            verdict.wrong.append("\(damage), \(what): another place: \(error)")
            return
        }
        if path == damage.files.first, let offset = damage.offset, let found = error.offset,
            Int(found) > (damage.isCut ? max(offset + 7, 1024) : offset)
        {
            verdict.wrong.append("\(damage), \(what): offset \(found) is behind it: \(error)")
        }
    }

    // MARK: Writing

    private func judgeWriting(
        _ damaged: SimulatedDisk, _ damage: Damage, _ right: [JournalReading], _ reading: JournalReading?,
        _ verdict: inout Verdict
    ) async {
        let disk = damaged.copy()
        let journal: Journal
        do {
            journal = try await Journal.open(at: directory, options: DamageSubject.options(disk, seed: 9))
        } catch {
            check(error, damage, "for writing", &verdict)
            if verdict.notice != .problem { verdict.wrong.append("\(damage): refused, and verified") }
            if !isUnchanged(disk, damaged) {
                verdict.wrong.append("\(damage): a refused opening changed something")
            }
            return
        }
        let added = await goOn(journal, damage, &verdict)
        verdict.wentOn = added != nil
        do { try await journal.close() } catch { check(error, damage, "closing", &verdict) }
        await judgeAfter(disk, damage, right, reading, added, &verdict)
    }

    /// A retry gets the first receipt, and a new memory the next sequence; nil where that is refused.
    private func goOn(_ journal: Journal, _ damage: Damage, _ verdict: inout Verdict) async -> Receipt? {
        do {
            let last = journal.lastSequence
            let retried = try await journal.conversation("a").add(contentsOf: [DamageSubject.keyed])[0]
            if retried != subject.receipt { verdict.wrong.append("\(damage): a retry gave \(retried)") }
            let added = try await journal.conversation(DamageSubject.newName).add("more")
            if added.sequence != last + 1 {
                verdict.wrong.append("\(damage): added as \(added.sequence), not \(last + 1)")
            }
            return added
        } catch {
            check(error, damage, "going on", &verdict)
            return nil
        }
    }

    /// What a refused opening must leave as it is: all but the lock, which may have been missing. After a kill the end may
    /// have been recovered before the damage was met: that adds a segment.
    private func isUnchanged(_ disk: SimulatedDisk, _ before: SimulatedDisk) -> Bool {
        func contents(_ disk: SimulatedDisk) -> [FilePath: [UInt8]] {
            var contents: [FilePath: [UInt8]] = [:]
            for path in disk.paths where path.lastComponent?.string != "lock" {
                contents[path] = try? disk.contents(of: path)
            }
            return contents
        }
        let (after, before) = (contents(disk), contents(before))
        return before.allSatisfy { after[$0.key] == $0.value }
            && (subject.life == .killed || after.count == before.count)
    }

    // MARK: Afterwards

    /// What could be read before is there after it went on, with what was acknowledged, and damage that is left is still noticed.
    private func judgeAfter(
        _ disk: SimulatedDisk, _ damage: Damage, _ right: [JournalReading], _ before: JournalReading?,
        _ added: Receipt?, _ verdict: inout Verdict
    ) async {
        let expected = added.map { added in right.map { $0.adding(added) } } ?? right
        let after = await read(disk, damage, expected, "after going on", &verdict)
        guard let after else {
            verdict.wrong.append("\(damage): it went on, and does not open any more")
            return
        }
        for (was, part) in zip(before?.parts ?? [], after.parts)
        where was.value != nil && part.value == nil {
            verdict.wrong.append("\(damage): \(part.name) was there before it went on")
        }
        // Of one that was not healthy before and gives everything now it is the same what `verify` says.
        let isWhole = expected.contains(where: after.isWhole)
        if verdict.notice != .problem || !isWhole {
            let notice = notice(disk, damage, "verify after going on", &verdict)
            if notice == .problem, verdict.notice != .problem {
                verdict.wrong.append("\(damage): verified, and not after it went on")
            }
            if notice != .problem, !isWhole {
                verdict.wrong.append("\(damage): refused after it went on, and verified")
            }
        }
        if let added, !after.has(added), !isSalvaged(added, disk) {
            verdict.wrong.append("\(damage): what was acknowledged is gone")
        }
    }

    private func isSalvaged(_ added: Receipt, _ disk: SimulatedDisk) -> Bool {
        var isThere = false
        // Where it fails, nothing is salvaged.
        _ = try? Journal.salvage(at: directory, fileSystem: disk) { event in
            if case .added(let memory) = event.kind, memory.sequence == added.sequence {
                isThere = isThere || memory.content == .text("more")
            }
        }
        return isThere
    }
}
