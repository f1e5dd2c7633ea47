import AgentJournal
import SystemPackage

extension CrashExplorer {
    /// Does the workload again with each call of its last step failing, and nothing else.
    package func fail(_ workload: CrashWorkload, _ settings: Settings) -> CrashReport {
        var report = CrashReport()
        report.workloads = 1
        fail(workload, settings, &report)
        return report
    }

    /// Does the workload again with each call of its last step failing.
    func fail(_ workload: CrashWorkload, _ settings: Settings, _ report: inout CrashReport) {
        guard let calls = callsOfLastStep(workload) else { return }
        for (index, call) in calls.enumerated() {
            for fault in settings.everyError
                ? CrashExplorer.everyFault(for: call) : CrashExplorer.faults(for: call)
            {
                let script = "\(workload)!\(index) \(call.operation.rawValue) \(fault.name)"
                guard report.failures.count < CrashExplorer.mostFailures, settings.includes(script) else {
                    continue
                }
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
            // A word is written or not.
            (call.length ?? 0) < 16
                ? [.inputOutputError, .noSpace]
                : [.inputOutputError, .noSpace, .shortWrite(bytes: Int(call.length ?? 0) / 2 & ~7)]
        case .openFile, .createDirectory, .rename, .allocate, .truncate: [.inputOutputError, .noSpace]
        default: [.inputOutputError]
        }
    }

    /// Every error that a call of the kind can end with, on Linux.
    private static func everyFault(for call: SimulatedDisk.Call) -> [SimulatedDisk.Fault] {
        var errors: [Errno] = [.ioError, .noMemory, .interrupted]
        switch call.operation {
        case .openFile: errors += [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noSpace, .permissionDenied]
        case .listDirectory, .syncDirectory, .mapPage: errors += [.tooManyOpenFiles]
        case .createDirectory, .rename: errors += [.noSpace, .permissionDenied]
        case .write, .allocate: errors += [.noSpace, .diskQuotaExceeded]
        case .truncate: errors += [.noSpace]
        case .status, .removeFile: errors += [.permissionDenied]
        case .lock, .testLock: errors += [.noLocks]
        case .volume, .read, .length, .syncData, .sync, .unlock, .reservePage, .identity, .linkCount: break
        }
        let parts = call.operation == .write ? faults(for: call).filter { $0.bytesWritten > 0 } : []
        return errors.map { SimulatedDisk.Fault($0) } + parts
    }

    private func fail(
        _ workload: CrashWorkload, _ index: Int, _ fault: SimulatedDisk.Fault, _ settings: Settings,
        _ report: inout CrashReport
    ) throws {
        let run = CrashRun()
        defer { try? run.journal?.closeNow() }
        var failure: (any Error)?
        var hasFailed = false
        func attempt(_ body: () throws -> Void) {
            run.disk.fail(nil, afterCalls: index, with: fault)
            do { try body() } catch { failure = error }
            hasFailed = run.disk.hasNoFaultsPlanned
            run.disk.cancelFaults()
        }
        if workload.steps.isEmpty {
            attempt { try run.begin() }
        } else {
            try run.begin()
            for step in workload.steps.dropLast() { try run.perform(step) }
            attempt { try run.perform(workload.steps.last!) }
        }
        // Fewer calls than without the fault: then there is nothing to see here.
        guard hasFailed else { return }
        report.faults += 1
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
        if report.faults % settings.cutAfterFaultOneOf == 0 {
            try cutPower(run.disk.present, killed, settings, &report)
        }
    }

    /// The power goes after a failure.
    private func cutPower(
        _ disk: Disk, _ killed: Examination, _ settings: Settings, _ report: inout CrashReport
    ) throws {
        let moment = Moment(script: "", history: killed.history, bounds: killed.bounds)
        try CrashChoices.few.forEach(of: disk.unsynced, seed: 0) { fates in
            let image = disk.afterPowerCut(fates)
            guard !claim(image.fingerprint, moment, .full, settings, &report).isEmpty else { return }
            report.openings += 3
            do {
                var examination = killed
                try examination.examine(SimulatedDisk(booting: image))
            } catch {
                throw Examination.Broken("then a power cut, \(fates.script): \(error)")
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
        try examination.checkPast(journal)
        let added = ExpectedHistory.Added(
            conversation: CrashRun.names[1], text: "after the failure", key: "after the failure")
        do {
            let receipt = try journal.addNow([(added.conversation, added.newMemory)])[0]
            history.cut(to: receipt.sequence - 1)
            history.append([.added(added)])
            return receipt.sequence
        } catch let error as JournalError where error.code == .notWritten {
            guard (try? journal.addNow([(added.conversation, added.newMemory)])) == nil else {
                throw Examination.Broken("refused an add after a failure, and took the next")
            }
            return nil
        }
    }
}
