import AgentJournal

/// Opens a journal as a crash left it and checks the promises. What it holds is looked at in `Examination+Contents`.
struct Examination {
    var history: ExpectedHistory
    let bounds: CrashRun.Bounds

    init(_ history: ExpectedHistory, _ bounds: CrashRun.Bounds) {
        self.history = history
        self.bounds = bounds
    }

    /// What is wrong.
    struct Broken: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    /// Opens the disk as found and checks what is there; what is shown must still be there after another power cut, and
    /// appending and repeating a key must go on from it.
    ///
    /// - Returns: how many events there are.
    @discardableResult
    mutating func examine(_ disk: SimulatedDisk) throws -> UInt64 {
        try verify(disk)
        let journal = try open(disk, "the first opening")
        let found = try check(journal, bounds)
        try checkPast(journal)
        let again = disk.crash(keeping: .nothingUnsynced)
        let reopened = try open(again, "the second opening")
        let second = try check(reopened, bounds)
        guard second == found else {
            throw Broken("\(found) events at the first opening, \(second) after another power cut")
        }
        try reopened.closeNow()
        try verify(again)
        try goOn(journal, disk, from: found)
        return found
    }

    /// The same without going on: for images of which there are many of a kind.
    @discardableResult
    mutating func glance(_ disk: SimulatedDisk) throws -> UInt64 {
        try check(try open(disk, "the opening"), bounds)
    }

    private func open(_ disk: SimulatedDisk, _ which: String) throws -> Journal {
        do {
            return try Journal.openNow(
                at: CrashRun.directory, options: .forCrashes(disk, seed: 1000 + disk.pid))
        } catch {
            throw Broken("\(which) fails: \(error.code), \(error)")
        }
    }

    /// A crash is no damage, and a torn tail none either.
    private func verify(_ disk: SimulatedDisk) throws {
        let report: VerifyReport
        do {
            report = try Journal.verify(at: CrashRun.directory, fileSystem: disk)
        } catch {
            // It may be half made, as long as nothing is acknowledged.
            guard error.code == .noJournal, bounds.acknowledged == 0 else {
                throw Broken("verifying fails: \(error.code), \(error)")
            }
            return
        }
        guard report.isHealthy else { throw Broken("verify takes it for damaged: \(report.problems[0])") }
    }

    // MARK: Going on

    /// A repeated key gets its first receipt, a new memory the next sequence, and both are there after a power cut.
    private mutating func goOn(_ journal: Journal, _ disk: SimulatedDisk, from last: UInt64) throws {
        if let first = history.lastKeyed(at: last) {
            let receipt = try journal.addNow([(first.added.conversation, first.added.newMemory)])[0]
            guard receipt.isReplayed, receipt.sequence == first.sequence else {
                throw Broken(
                    "a key that sequence \(first.sequence) has, repeated, got \(receipt.sequence)"
                        + (receipt.isReplayed ? "" : ", as if it were new"))
            }
        }
        var history = history
        history.cut(to: last)
        // What was not acknowledged is tried again, as its caller would.
        let lost =
            last < self.history.lastSequence ? self.history.lastKeyed(at: self.history.lastSequence) : nil
        let added =
            lost.flatMap { $0.sequence > last ? $0.added : nil }
            ?? .init(conversation: CrashRun.names[1], text: "after the crash", key: "after the crash")
        let receipt = try journal.addNow([(added.conversation, added.newMemory)])[0]
        guard !receipt.isReplayed, receipt.sequence == last + 1 else {
            throw Broken("a new memory after the crash got sequence \(receipt.sequence), not \(last + 1)")
        }
        history.append([.added(added)])
        var after = Examination(
            history, CrashRun.Bounds(acknowledged: last + 1, appended: last + 1))
        let cut = disk.crash(keeping: .nothingUnsynced)
        try verify(cut)
        let reopened = try open(cut, "the opening after a memory was added")
        try after.check(reopened, after.bounds)
        try after.checkPast(reopened)
    }
}
