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
        /// Recovery itself is cut for one image in so many; 0 for none.
        package var secondCrashOneOf = 16
        /// Whether each call of what is crashed fails in turn.
        package var faults = true
        package init() {}
    }

    /// The disks that were checked already, with what was expected of them: shared by those who explore beside one another.
    private let seen = Mutex<Set<UInt64>>([])

    package init() {}

    private func isNew(_ disk: Disk, _ history: ExpectedHistory, _ bounds: CrashRun.Bounds) -> Bool {
        let key = Disk.mix(
            Disk.mix(disk.fingerprint, bounds.acknowledged), Disk.mix(bounds.appended, history.fingerprint))
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
        let first = settings.onlyLastStep ? run.steps.count - 1 : 0
        let history = run.history
        let calls = run.disk.calls
        for step in run.steps[first...] {
            var last: Disk?
            for index in step.calls where calls[index].operation.changesDisk {
                let disk = run.disk.machine.withLock { $0.calls.history[index] }
                last = disk
                crash(disk, workload, "@\(index)", history, step.during, settings, &report)
            }
            if let last { crash(last, workload, "@end", history, step.after, settings, &report) }
        }
        try? run.journal?.closeNow()
        if settings.faults { fail(workload, settings, &report) }
        return report
    }

    private func crash(
        _ disk: Disk, _ workload: CrashWorkload, _ place: String, _ history: ExpectedHistory,
        _ bounds: CrashRun.Bounds, _ settings: Settings, _ report: inout CrashReport
    ) {
        settings.choices.forEach(of: disk.unsynced, seed: UInt64(place.utf8.count)) { fates in
            guard report.failures.count < CrashExplorer.mostFailures else { return }
            let image = disk.afterPowerCut(fates)
            guard isNew(image, history, bounds) else { return }
            let script = "\(workload)\(place):\(fates.map(\.letter).joined(separator: "."))"
            let isCut = settings.secondCrashOneOf > 0 && report.images % settings.secondCrashOneOf == 0
            report.images += 1
            report.openings += 3
            do {
                var examination = Examination(history, bounds)
                let found = try examination.examine(SimulatedDisk(found: image))
                if isCut { crashAgain(image, script, history, bounds, found, &report) }
            } catch {
                report.failures.append(.init(script: script, what: "\(error)"))
            }
        }
    }

    /// Cuts the recovery of an image at each of its calls.
    private func crashAgain(
        _ image: Disk, _ script: String, _ history: ExpectedHistory, _ bounds: CrashRun.Bounds,
        _ shown: UInt64,
        _ report: inout CrashReport
    ) {
        let disk = SimulatedDisk(found: image)
        disk.keepsHistory = true
        let journal = try? Journal.openNow(at: CrashRun.directory, options: .forCrashes(disk, seed: 7))
        let calls = disk.calls
        for index in calls.indices where calls[index].operation.changesDisk {
            let left = disk.machine.withLock { $0.calls.history[index] }
            // What it shows once it is open is as good as acknowledged.
            let bounds =
                index < calls.indices.last! ? bounds : .init(acknowledged: shown, appended: bounds.appended)
            CrashChoices.few.forEach(of: left.unsynced, seed: 0) { fates in
                guard report.failures.count < CrashExplorer.mostFailures else { return }
                let second = left.afterPowerCut(fates)
                guard isNew(second, history, bounds) else { return }
                report.images += 1
                report.secondCrashes += 1
                report.openings += 1
                do {
                    var examination = Examination(history, bounds)
                    try examination.glance(SimulatedDisk(found: second))
                } catch {
                    let letters = fates.map(\.letter).joined(separator: ".")
                    report.failures.append(
                        .init(script: "\(script), then its recovery@\(index):\(letters)", what: "\(error)"))
                }
            }
        }
        try? journal?.closeNow()
    }

    static let mostFailures = 20

    // MARK: Faults

    /// Does the workload again with each call of its last step failing.
    private func fail(_ workload: CrashWorkload, _ settings: Settings, _ report: inout CrashReport) {
        guard let calls = callsOfLastStep(workload) else { return }
        for (index, call) in calls.enumerated() {
            for fault in CrashExplorer.faults(for: call) {
                guard report.failures.count < CrashExplorer.mostFailures else { return }
                report.faults += 1
                do {
                    try fail(workload, index, fault, settings, &report)
                } catch {
                    report.failures.append(
                        .init(
                            script: "\(workload)!\(index) \(call.operation.rawValue) \(fault.name)",
                            what: "\(error)"))
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
        if let journal = run.journal, !journal.isClosedNow {
            try readAndGoOn(journal, run, &history, &examination)
        }
        report.openings += 1
        var killed = Examination(
            history, CrashRun.Bounds(acknowledged: bounds.acknowledged, appended: history.lastSequence))
        try killed.examine(run.disk.copy())
        let disk = run.disk.machine.withLock { $0.disk }
        try CrashChoices.few.forEach(of: disk.unsynced, seed: 0) { fates in
            let image = disk.afterPowerCut(fates)
            guard isNew(image, history, killed.bounds) else { return }
            report.images += 1
            report.openings += 3
            do {
                var examination = killed
                try examination.examine(SimulatedDisk(found: image))
            } catch {
                throw Examination.Broken(
                    "then a power cut, \(fates.map(\.letter).joined(separator: ".")): \(error)")
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

    /// After a failure reads go on; and either adds do too, or all of them are refused.
    private func readAndGoOn(
        _ journal: Journal, _ run: CrashRun, _ history: inout ExpectedHistory,
        _ examination: inout Examination
    ) throws {
        try examination.check(journal, examination.bounds)
        let memory = NewMemory(.text("after the failure"), role: .user, idempotencyKey: "after the failure")
        do {
            let receipt = try journal.addNow([(CrashRun.names[1], memory)])[0]
            history.cut(to: receipt.sequence - 1)
            history.append([
                .added(conversation: CrashRun.names[1], text: "after the failure", key: "after the failure")
            ])
        } catch let error as JournalError where error.code == .notWritten {
            guard (try? journal.addNow([(CrashRun.names[1], memory)])) == nil else {
                throw Examination.Broken("refused an add after a failure, and took the next")
            }
        }
    }
}

extension SimulatedDisk.Fault {
    var name: String { bytesWritten > 0 ? "after \(bytesWritten) bytes \(error)" : "\(error)" }
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
