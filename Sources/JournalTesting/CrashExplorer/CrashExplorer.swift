import AgentJournal
import JournalFileSystem
import Synchronization

/// Does workloads on a simulated disk, cuts the power at each call, opens every disk that could be left, and checks the
/// promises.
///
/// After ALICE (Pillai et al., OSDI 2014), which enumerates what a crash may leave of the writes that were not synced, and
/// CrashMonkey (Mohan et al., OSDI 2018), which found that all short workloads find most faults.
package final class CrashExplorer: Sendable {
    package struct Settings: Sendable {
        package var choices = CrashChoices.all
        /// Whether only the last step of a workload is crashed: the steps before are the last ones of shorter workloads.
        package var onlyLastStep = true
        /// One disk in so many is examined in full: verified, opened again after another power cut, appended to. The others are
        /// opened and read.
        package var fullyOneOf = 1
        /// Recovery itself is cut for one image in so many; 0 for none.
        package var secondCrashOneOf = 16
        /// Whether the process is also killed at each call, another recovers from what the page cache has, and then the power
        /// goes.
        package var kills = true
        /// Whether each call of what is crashed fails in turn.
        package var faults = true
        /// Only what this script of an earlier failure says.
        package var only: String?
        package init() {}
    }

    /// The disks that were checked already, with what was expected of them: shared by those who explore beside one another.
    private let seen = Mutex<Set<UInt64>>([])

    package init() {}

    /// A moment of a workload, and what must be found when it is crashed there.
    private struct Moment {
        var script: String
        var history: ExpectedHistory
        var bounds: CrashRun.Bounds
    }

    /// Whether this disk was not checked yet against the same expectation.
    private func isNew(_ disk: Disk, _ moment: Moment, _ settings: Settings) -> Bool {
        if settings.only != nil { return true }
        let bounds = Disk.mix(moment.bounds.acknowledged, moment.bounds.appended)
        let key = Disk.mix(Disk.mix(disk.fingerprint, bounds), moment.history.fingerprint)
        return seen.withLock { $0.insert(key).inserted }
    }

    // MARK: A workload

    /// Explores one workload.
    package func explore(_ workload: CrashWorkload, _ settings: Settings) -> CrashReport {
        var report = CrashReport()
        report.workloads = 1
        let run = CrashRun()
        do {
            try run.begin()
            for step in workload.steps { try run.perform(step) }
        } catch {
            report.failures.append(.init(script: "\(workload)", what: "without a crash: \(error)"))
            return report
        }
        let (calls, disks) = run.disk.recorded
        for step in run.steps[(settings.onlyLastStep ? run.steps.count - 1 : 0)...] {
            var last: Disk?
            for index in step.calls where calls[index].operation.changesDisk {
                let moment = Moment(script: "\(workload)@\(index)", history: run.history, bounds: step.during)
                crash(disks[index], moment, settings, &report)
                if settings.kills { kill(disks[index], moment, settings, &report) }
                last = disks[index]
            }
            guard let last else { continue }
            let end = Moment(script: "\(workload)@end", history: run.history, bounds: step.after)
            crash(last, end, settings, &report)
        }
        try? run.journal?.closeNow()
        if settings.faults { fail(workload, settings, &report) }
        return report
    }

    /// The power goes.
    private func crash(_ disk: Disk, _ moment: Moment, _ settings: Settings, _ report: inout CrashReport) {
        settings.choices.forEach(of: disk.unsynced, seed: moment.bounds.appended) { fates in
            guard report.failures.count < CrashExplorer.mostFailures else { return }
            let image = disk.afterPowerCut(fates)
            var moment = moment
            moment.script += ":" + fates.script
            guard settings.includes(moment.script), isNew(image, moment, settings) else { return }
            let oneOf = settings.only == nil ? settings.secondCrashOneOf : 1
            let isCut = oneOf > 0 && image.fingerprint % UInt64(oneOf) == 0
            let isFull = settings.only != nil || image.fingerprint >> 32 % UInt64(settings.fullyOneOf) == 0
            report.images += 1
            examine(SimulatedDisk(booting: image), moment, isFull, &report)
            if isCut { crashRecovery(of: SimulatedDisk(booting: image), moment, settings, &report) }
        }
    }

    /// The process is killed and the machine goes on: another opens what the page cache has, which is not on the disk yet.
    /// Then the power goes.
    private func kill(_ disk: Disk, _ moment: Moment, _ settings: Settings, _ report: inout CrashReport) {
        var moment = moment
        moment.script += ":killed"
        guard report.failures.count < CrashExplorer.mostFailures, settings.includes(moment.script) else {
            return
        }
        examine(SimulatedDisk(runningOn: disk), moment, true, &report)
        crashRecovery(of: SimulatedDisk(runningOn: disk), moment, settings, &report)
    }

    private func examine(
        _ disk: SimulatedDisk, _ moment: Moment, _ isFull: Bool, _ report: inout CrashReport
    ) {
        report.openings += isFull ? 3 : 1
        do {
            var examination = Examination(moment.history, moment.bounds)
            if isFull { try examination.examine(disk) } else { try examination.glance(disk) }
        } catch {
            report.failures.append(.init(script: moment.script, what: "\(error)"))
        }
    }

    /// Cuts the opening of a journal at each of its calls.
    private func crashRecovery(
        of disk: SimulatedDisk, _ moment: Moment, _ settings: Settings, _ report: inout CrashReport
    ) {
        disk.keepsHistory = true
        guard let journal = try? Journal.openNow(at: CrashRun.directory, options: .forCrashes(disk, seed: 7))
        else { return }
        defer { try? journal.closeNow() }
        let (calls, disks) = disk.recorded
        let changes = calls.indices.filter { calls[$0].operation.changesDisk }
        // What it shows once it is open is as good as acknowledged.
        for (index, isOpen) in changes.map({ ($0, false) }) + changes.suffix(1).map({ ($0, true) }) {
            var moment = moment
            if isOpen { moment.bounds.acknowledged = journal.lastSequence }
            CrashChoices.few.forEach(of: disks[index].unsynced, seed: 0) { fates in
                guard report.failures.count < CrashExplorer.mostFailures else { return }
                let image = disks[index].afterPowerCut(fates)
                let script = "\(moment.script), then its recovery@\(index):\(fates.script)"
                guard settings.includes(script), isNew(image, moment, settings) else { return }
                report.images += 1
                report.secondCrashes += 1
                report.openings += 1
                do {
                    var examination = Examination(moment.history, moment.bounds)
                    try examination.glance(SimulatedDisk(booting: image))
                } catch {
                    report.failures.append(.init(script: script, what: "\(error)"))
                }
            }
        }
    }

    static let mostFailures = 20

    // MARK: Faults

    /// Does the workload again with each call of its last step failing.
    private func fail(_ workload: CrashWorkload, _ settings: Settings, _ report: inout CrashReport) {
        guard let calls = callsOfLastStep(workload) else { return }
        for (index, call) in calls.enumerated() {
            for fault in CrashExplorer.faults(for: call) {
                let script = "\(workload)!\(index) \(call.operation.rawValue) \(fault.name)"
                guard report.failures.count < CrashExplorer.mostFailures, settings.includes(script) else {
                    continue
                }
                report.faults += 1
                do {
                    try fail(workload, index, fault, settings, &report)
                } catch {
                    report.failures.append(.init(script: script, what: "\(error)"))
                }
            }
        }
    }

    private func callsOfLastStep(_ workload: CrashWorkload) -> [SimulatedDisk.Call]? {
        let run = CrashRun()
        defer { try? run.journal?.closeNow() }
        do {
            try run.begin()
            for step in workload.steps { try run.perform(step) }
            return Array(run.disk.calls[run.steps.last!.calls])
        } catch {
            // Said already, without a fault.
            return nil
        }
    }

    private static func faults(for call: SimulatedDisk.Call) -> [SimulatedDisk.Fault] {
        switch call.operation {
        case .write:
            [.inputOutputError, .noSpace, .shortWrite(bytes: Int(call.length ?? 0) / 2 & ~7)]
        case .openFile, .createDirectory, .rename, .allocate, .truncate: [.inputOutputError, .noSpace]
        default: [.inputOutputError]
        }
    }

    private func fail(
        _ workload: CrashWorkload, _ index: Int, _ fault: SimulatedDisk.Fault, _ settings: Settings,
        _ report: inout CrashReport
    ) throws {
        let run = CrashRun()
        defer { try? run.journal?.closeNow() }
        var failure: (any Error)?
        func attempt(_ body: () throws -> Void) {
            run.disk.fail(nil, afterCalls: index, with: fault)
            do { try body() } catch { failure = error }
            run.disk.cancelFaults()
        }
        if workload.steps.isEmpty {
            attempt { try run.begin() }
        } else {
            try run.begin()
            for step in workload.steps.dropLast() { try run.perform(step) }
            attempt { try run.perform(workload.steps.last!) }
        }
        var history = run.history
        let bounds = run.steps.last!.after
        if let failure { try checkKind(failure) }
        var examination = Examination(history, bounds)
        var acknowledged = bounds.acknowledged
        if let journal = run.journal, !journal.isClosedNow {
            acknowledged = try readAndGoOn(journal, run, &history, &examination) ?? acknowledged
        }
        report.openings += 1
        var killed = Examination(
            history, CrashRun.Bounds(acknowledged: acknowledged, appended: history.lastSequence))
        try killed.examine(run.disk.copy())
        let disk = run.disk.machine.withLock { $0.disk }
        try CrashChoices.few.forEach(of: disk.unsynced, seed: 0) { fates in
            let image = disk.afterPowerCut(fates)
            let moment = Moment(script: "", history: history, bounds: killed.bounds)
            guard isNew(image, moment, settings) else { return }
            report.images += 1
            report.openings += 3
            do {
                var examination = killed
                try examination.examine(SimulatedDisk(booting: image))
            } catch {
                throw Examination.Broken(
                    "then a power cut, \(fates.script): \(error)")
            }
        }
    }

    /// An error is one of the journal's, and none that speaks of damage: nothing was damaged.
    private func checkKind(_ failure: any Error) throws {
        guard let error = failure as? JournalError else {
            throw Examination.Broken("an error that is none of the journal's: \(failure)")
        }
        guard error.code != .damaged || error.errno != nil else {
            throw Examination.Broken("a call that fails is taken for damage: \(error)")
        }
    }

    /// After a failure reads go on; and either adds do too, or all of them are refused. Returns what was acknowledged then.
    private func readAndGoOn(
        _ journal: Journal, _ run: CrashRun, _ history: inout ExpectedHistory,
        _ examination: inout Examination
    ) throws -> UInt64? {
        // What is not known to be durable is not shown.
        guard journal.lastSequence == run.acknowledged else {
            throw Examination.Broken(
                "\(run.acknowledged) events were acknowledged, and after the failure \(journal.lastSequence) are shown"
            )
        }
        try examination.check(journal, examination.bounds)
        let memory = NewMemory(.text("after the failure"), role: .user, idempotencyKey: "after the failure")
        do {
            let receipt = try journal.addNow([(CrashRun.names[1], memory)])[0]
            history.cut(to: receipt.sequence - 1)
            history.append([
                .added(conversation: CrashRun.names[1], text: "after the failure", key: "after the failure")
            ])
            return receipt.sequence
        } catch let error as JournalError where error.code == .notWritten {
            guard (try? journal.addNow([(CrashRun.names[1], memory)])) == nil else {
                throw Examination.Broken("refused an add after a failure, and took the next")
            }
            return nil
        }
    }
}

extension CrashExplorer.Settings {
    /// Whether a moment, or one within it, is what `only` asks for.
    fileprivate func includes(_ script: String) -> Bool {
        guard let only else { return true }
        return only.hasPrefix(script)
    }
}

extension CrashExplorer {
    /// The same failure by fewer steps: leaves out one step after the other, as long as something still breaks.
    package func shrink(_ workload: CrashWorkload, _ settings: Settings) -> CrashReport.Failure? {
        var settings = settings
        settings.onlyLastStep = false
        for index in workload.steps.indices {
            var shorter = workload
            shorter.steps.remove(at: index)
            guard shorter.isWorthwhile else { continue }
            // What was seen says nothing of a shorter workload that breaks.
            if let failure = CrashExplorer().explore(shorter, settings).failures.first {
                return shrink(shorter, settings) ?? failure
            }
        }
        return nil
    }
}

extension SimulatedDisk.Fault {
    var name: String { bytesWritten > 0 ? "after \(bytesWritten) bytes \(error)" : "\(error)" }
}

extension [SimulatedDisk.Fate] {
    /// How a script says them.
    var script: String { map(\.letter).joined(separator: ".") }
}

extension SimulatedDisk.Fate {
    /// How a script says it.
    var letter: String {
        switch self {
        case .kept: "k"
        case .lost: "l"
        case .front(let count): "f\(count)"
        case .back(let count): "b\(count)"
        case .zeros: "z"
        case .garbage(let seed): "g\(seed)"
        }
    }
}
