import AgentJournal
import Synchronization

/// Does workloads on a simulated disk, cuts the power at each call, opens every disk that could be left, and checks the
/// promises.
///
/// After ALICE (Pillai et al., OSDI 2014), which enumerates what a crash may leave of the writes that were not synced, and
/// CrashMonkey (Mohan et al., OSDI 2018), which found that all short workloads find most faults.
package final class CrashExplorer: Sendable {
    /// What was examined already: shared by those who explore beside one another.
    private let examined = Mutex(ExaminedDisks())

    package init() {}

    /// A moment of a workload, and what must be found when it is crashed there.
    struct Moment {
        var script: String
        var history: ExpectedHistory
        var bounds: CrashRun.Bounds

        /// The same where the same is expected.
        var fingerprint: UInt64 {
            Disk.mix(Disk.mix(bounds.acknowledged, bounds.appended), history.fingerprint)
        }
    }

    static let mostFailures = 20

    /// Counts a disk, by its fingerprint, and says what of the depth is to be done with it.
    func claim(
        _ disk: UInt64, _ moment: Moment, _ depth: ExaminedDisks.Depth, _ settings: Settings,
        _ report: inout CrashReport
    ) -> ExaminedDisks.Depth {
        let claim = examined.withLock { $0.claim(disk, expecting: moment.fingerprint, depth) }
        if claim.isNewDisk { report.disks += 1 }
        if claim.isNewCase { report.cases += 1 }
        // A script is done again whatever was done before.
        return settings.only == nil ? claim.missing : depth
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
        for number in (settings.onlyLastStep ? run.steps.count - 1 : 0)..<run.steps.count {
            crash(workload, run, number, settings, &report)
        }
        try? run.journal?.closeNow()
        if settings.faults { fail(workload, settings, &report) }
        return report
    }

    /// Crashes a step at each of its calls, and when it has returned.
    private func crash(
        _ workload: CrashWorkload, _ run: CrashRun, _ number: Int, _ settings: Settings,
        _ report: inout CrashReport
    ) {
        let (calls, disks) = run.disk.recorded
        let step = run.steps[number]
        var moments = step.calls.filter { calls[$0].operation.changesDisk }.map { index in
            (Moment(script: "\(workload)@\(index)", history: run.history, bounds: step.during), disks[index])
        }
        let end = number == run.steps.count - 1 ? "end" : "end\(number)"
        moments.append(
            (Moment(script: "\(workload)@\(end)", history: run.history, bounds: step.after), step.disk))
        for (moment, disk) in moments {
            cutPower(disk, moment, settings, &report)
            if settings.kills { kill(disk, moment, settings, &report) }
        }
    }

    /// The power goes.
    private func cutPower(
        _ disk: Disk, _ moment: Moment, _ settings: Settings, _ report: inout CrashReport
    ) {
        // Other mixes at each call and in each workload.
        let seed = Disk.mix(moment.bounds.appended, moment.script)
        settings.choices.forEach(of: disk.unsynced, seed: seed) { fates in
            guard report.failures.count < CrashExplorer.mostFailures else { return }
            let image = disk.afterPowerCut(fates)
            var moment = moment
            moment.script += ":" + fates.script
            guard settings.includes(moment.script) else { return }
            let fingerprint = image.fingerprint
            let depth = claim(fingerprint, moment, settings.depth(ofDisk: fingerprint), settings, &report)
            if depth.contains(.full) || depth.contains(.glance) {
                examine(SimulatedDisk(booting: image), moment, depth.contains(.full), &report)
            }
            if depth.contains(.recovery) {
                cutRecovery(of: SimulatedDisk(booting: image), moment, settings, &report)
            }
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
        cutRecovery(of: SimulatedDisk(runningOn: disk), moment, settings, &report)
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
    private func cutRecovery(
        of disk: SimulatedDisk, _ moment: Moment, _ settings: Settings, _ report: inout CrashReport
    ) {
        disk.keepsHistory = true
        // That it opens is examined beside this.
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
                var again = moment
                again.script += ", then its recovery@\(index):\(fates.script)"
                guard settings.includes(again.script) else { return }
                let before = report.cases
                guard !claim(image.fingerprint, again, .glance, settings, &report).isEmpty else { return }
                report.secondCrashes += report.cases - before
                examine(SimulatedDisk(booting: image), again, false, &report)
            }
        }
    }
}
