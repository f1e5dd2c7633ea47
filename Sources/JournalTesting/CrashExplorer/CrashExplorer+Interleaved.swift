import AgentJournal

extension CrashExplorer {
    /// Explores the schedules of an interleaved workload: any access of its first step is the last before the others do theirs; of
    /// three processes the second is stopped too.
    ///
    package func explore(_ workload: InterleavedWorkload, _ settings: Settings) -> CrashReport {
        var report = CrashReport()
        report.workloads = 1
        // How many accesses there are, with nobody stopped, and so one step after the other.
        let counts = perform(workload, .init(stops: []), settings, &report)
        guard counts.count == workload.steps.count else { return report }
        var stops = (1...max(1, counts[0])).map { [$0] }
        for count in counts.dropFirst().dropLast() {
            stops = stops.flatMap { stop in (1...max(1, count)).map { stop + [$0] } }
        }
        for (number, stop) in stops.enumerated() where number.isMultiple(of: settings.stopOneOf) {
            for kills in settings.kills ? [false, true] : [false] {
                _ = perform(workload, .init(stops: stop, kills: kills), settings, &report)
            }
        }
        return report
    }

    /// - Returns: how many accesses each step made.
    private func perform(
        _ workload: InterleavedWorkload, _ schedule: InterleavedRun.Schedule, _ settings: Settings,
        _ report: inout CrashReport
    ) -> [Int] {
        let script = schedule.stops.isEmpty ? "\(workload)" : "\(workload)\(schedule)"
        guard report.failures.count < CrashExplorer.mostFailures,
            schedule.stops.isEmpty || settings.only.map({ $0.prefix { $0 != "@" } == script }) ?? true
        else { return [] }
        report.schedules += 1
        let run = InterleavedRun(workload, schedule)
        defer { run.close() }
        do {
            try run.perform()
            let (calls, disks) = run.recorded
            let end = run.present
            let possible = try run.possible()
            try run.checkProcesses(possible)
            for index in run.firstCall..<calls.count where calls[index].operation.changesDisk {
                cutPower(disks[index], possible, index + 1, "\(script)@\(index)", settings, &report)
            }
            cutPower(end, possible, .max, "\(script)@end", settings, &report)
        } catch {
            report.failures.append(.init(script: script, what: "\(error)"))
        }
        return run.accessCounts
    }

    /// The power goes, when so many calls were made.
    private func cutPower(
        _ disk: Disk, _ possible: [InterleavedRun.Possible], _ callCount: Int, _ script: String,
        _ settings: Settings, _ report: inout CrashReport
    ) {
        let moments = possible.map {
            Moment(script: script, history: $0.history, bounds: $0.bounds(callCount))
        }
        settings.choices.forEach(of: disk.unsynced, seed: Disk.mix(0, script)) { fates in
            let script = script + ":" + fates.script
            guard report.failures.count < CrashExplorer.mostFailures, settings.includes(script) else {
                return
            }
            let image = disk.afterPowerCut(fates)
            let fingerprint = image.fingerprint
            var depth = ExaminedDisks.Depth()
            for moment in moments {
                depth.formUnion(
                    claim(fingerprint, moment, settings.depth(ofDisk: fingerprint), settings, &report))
            }
            guard !depth.isEmpty else { return }
            do {
                try Examination.oneHolds(possible, callCount) { examination in
                    let booted = SimulatedDisk(booting: image)
                    report.openings += depth.contains(.full) ? 3 : 1
                    if depth.contains(.full) {
                        try examination.examine(booted)
                    } else {
                        try examination.glance(booted)
                    }
                }
            } catch {
                report.failures.append(.init(script: script, what: "\(error)"))
            }
        }
    }
}
