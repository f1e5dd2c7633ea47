import AgentJournal
import JournalFileSystem
import Synchronization

/// An interleaved workload being done: each process but the last is stopped somewhere in its step, until those after it have
/// done theirs or wait for it.
///
/// After CHESS (Musuvathi and Qadeer, PLDI 2007), which found that few preemptions, placed anywhere, find most races.
final class InterleavedRun {
    /// Where the processes are overtaken.
    struct Schedule: Hashable, CustomStringConvertible {
        /// After how many accesses of its step each process is stopped, but the last.
        var stops: [Int]
        /// Whether the first process is killed where it is stopped, rather than going on when the others are through.
        var kills = false

        var description: String {
            "#" + stops.map { "\($0)" }.joined(separator: ",") + (kills ? "k" : "")
        }
    }

    /// What came of a process's step.
    private struct Outcome: Sendable {
        var journal: Journal
        var receipts: [Receipt] = []
        /// After it returned: what was shown, and how many calls had been made.
        var shown: UInt64 = 0
        var callCount = 0
        var error: (any Error)?
    }

    /// A process with its step.
    private final class Process: Sendable {
        let disk: SimulatedDisk
        let step: CrashStep
        let work: CrashWork
        let outcome: Mutex<Outcome>

        init(_ disk: SimulatedDisk, _ journal: Journal, _ step: CrashStep, _ work: CrashWork) {
            self.disk = disk
            self.step = step
            self.work = work
            outcome = Mutex(Outcome(journal: journal))
        }

        func perform() {
            var result = outcome.withLock { $0 }
            do {
                if step == .close {
                    try result.journal.closeNow()
                    result.journal = try Journal.openNow(
                        at: CrashRun.directory, options: .forCrashes(disk, seed: disk.pid))
                } else {
                    result.receipts = try work.perform(result.journal)
                }
                result.shown = result.journal.lastSequence
                result.callCount = disk.calls.count
            } catch {
                result.error = error
            }
            outcome.withLock { $0 = result }
            disk.noteFinished()
        }
    }

    private let base = CrashRun()
    private let workload: InterleavedWorkload
    private let schedule: Schedule
    private var processes: [Process] = []
    /// How many calls had been made when the first process was stopped.
    private(set) var firstCall = 0
    /// How many accesses each step made, where it was not stopped.
    private(set) var accessCounts: [Int] = []

    init(_ workload: InterleavedWorkload, _ schedule: Schedule) {
        self.workload = workload
        self.schedule = schedule
    }

    /// Does it, and returns when all processes are through.
    func perform() throws {
        try base.begin()
        for step in workload.before.steps { try base.perform(step) }
        for (index, step) in workload.steps.enumerated() {
            let disk = index == 0 ? base.disk : base.disk.asProcess(pid: 10 + Int32(index))
            let journal =
                try index == 0
                ? base.journal!
                : Journal.openNow(at: CrashRun.directory, options: .forCrashes(disk, seed: disk.pid))
            processes.append(Process(disk, journal, step, work(step, index)))
        }
        var threads: [JoinableThread] = []
        for (index, process) in processes.enumerated() {
            process.disk.stop(afterAccesses: index < schedule.stops.count ? schedule.stops[index] : nil)
            threads.append(
                try spawnThread(name: "process", stackBytes: 1 << 20) { process.perform() })
            process.disk.waitUntilAtRest()
            if index == 0 { firstCall = process.disk.calls.count }
        }
        for process in processes.dropFirst().reversed() {
            process.disk.goOn()
            process.disk.waitUntilAtRest()
        }
        if schedule.kills { processes[0].disk.kill() } else { processes[0].disk.goOn() }
        for thread in threads { thread.join() }
        accessCounts = processes.map(\.disk.accessCount)
    }

    func close() {
        for process in processes {
            // Of a killed process nothing can be closed properly.
            try? process.outcome.withLock { $0.journal }.closeNow()
        }
        if processes.isEmpty { try? base.journal?.closeNow() }
    }

    private func work(_ step: CrashStep, _ index: Int) -> CrashWork {
        if step == .retry, let first = processes.first { return first.work }
        if step == .drop {
            return CrashWork(events: [.letGoBeside]) {
                _ = try $0.compactNow(keepingHistory: .none)
                return []
            }
        }
        if step == .erase {
            return CrashWork(events: [.erasure]) {
                try CrashRun.erase($0)
                return []
            }
        }
        return base.work(step, isBeside: index > 0) ?? .keeping { _ in }
    }

    // MARK: What must be there

    /// A history that the processes may have led to, and what they know of it.
    struct Possible {
        var history: ExpectedHistory
        /// What a process was told, and when: how many calls had been made.
        var told: [(callCount: Int, sequence: UInt64)]

        /// When so many calls had been made.
        func bounds(_ callCount: Int) -> CrashRun.Bounds {
            let acknowledged = told.filter { $0.callCount <= callCount }.map(\.sequence).max() ?? 0
            return CrashRun.Bounds(acknowledged: acknowledged, appended: history.lastSequence)
        }
    }

    /// All histories that agree with the receipts: which of them it is only the disk can say, when a process was killed.
    ///
    /// - Throws: `Examination.Broken` when no history does, or a step failed for no reason.
    func possible() throws -> [Possible] {
        let outcomes = processes.map { $0.outcome.withLock { $0 } }
        let live = schedule.kills && !isFirstThrough(outcomes[0]) ? 1..<processes.count : 0..<processes.count
        for index in live { try checkError(outcomes[index].error, processes[index].step) }
        let last = outcomes[live].map(\.journal.lastSequence).max()!
        var told = [(callCount: 0, sequence: base.acknowledged)]
        told += outcomes[live].filter { $0.error == nil }.map { ($0.callCount, $0.shown) }

        let groups = try groups(of: live, outcomes)
        let killed = live.contains(0) ? [] : processes[0].work.events
        let isDropping = processes.contains { $0.step == .drop }
        let isErasing = processes.contains { $0.step == .erase }
        var histories: [ExpectedHistory] = []
        func extend(_ history: ExpectedHistory, _ killed: [ExpectedHistory.Event]) {
            let next = history.lastSequence + 1
            if next > last {
                histories.append(history)
                if !killed.isEmpty { histories.append(history.with(killed)) }
                return
            }
            if let group = groups[next] { return extend(history.with(group), killed) }
            if !killed.isEmpty { extend(history.with(killed), []) }
            if isDropping { extend(history.with([.letGoBeside]), killed) }
            if isErasing { extend(history.with([.erasure]), killed) }
        }
        extend(base.history, killed)
        guard !histories.isEmpty else {
            throw Examination.Broken(
                "of \(last) events, \(base.history.lastSequence) were there before, and the receipts are for "
                    + "\(groups.keys.sorted())")
        }
        var possible = histories.map { Possible(history: $0, told: told) }
        // What the killed process wrote may have been there first, and given up since.
        if !killed.isEmpty {
            possible.append(Possible(history: base.history.with(killed), told: told))
        }
        return possible
    }

    private func isFirstThrough(_ outcome: Outcome) -> Bool { outcome.error == nil && outcome.callCount > 0 }

    /// What the receipts say was appended, by the first sequence of each batch.
    private func groups(
        of live: Range<Int>, _ outcomes: [Outcome]
    ) throws -> [UInt64: [ExpectedHistory.Event]] {
        var groups: [UInt64: [ExpectedHistory.Event]] = [:]
        for index in live where ![.drop, .erase].contains(processes[index].step) {
            let fresh = outcomes[index].receipts.filter { !$0.isReplayed }
            guard let first = fresh.first else { continue }
            let events = processes[index].work.events
            guard fresh.map(\.sequence) == Array(first.sequence..<first.sequence + UInt64(events.count)),
                groups.updateValue(events, forKey: first.sequence) == nil
            else { throw Examination.Broken("receipts \(fresh) for \(events)") }
        }
        for index in live {
            for receipt in outcomes[index].receipts where receipt.isReplayed {
                let given = processes[index].work.events
                guard groups[receipt.sequence] == given || schedule.kills else {
                    throw Examination.Broken("a key's first receipt is said to be \(receipt), for \(given)")
                }
            }
        }
        return groups
    }

    private func checkError(_ error: (any Error)?, _ step: CrashStep) throws {
        guard let error else { return }
        switch (error as? JournalError)?.code {
        // One process at a time does these.
        case .busy where [.snapshot, .compact, .drop, .erase].contains(step): return
        // Another process forgot it first.
        case .noSuchMemory where step == .forget: return
        default: throw Examination.Broken("\(step) beside another process: \(error)")
        }
    }

    /// Each process that lives shows the same, and all that any was told.
    func checkProcesses(_ possible: [Possible]) throws {
        let outcomes = processes.map { $0.outcome.withLock { $0 } }
        for (index, outcome) in outcomes.enumerated() where index > 0 || !schedule.kills {
            try Examination.oneHolds(possible, .max) { examination in
                var bounds = examination.bounds
                // They read one after the other: nobody may see less than was shown to another.
                bounds.acknowledged = outcomes.map(\.shown).max() ?? 0
                try examination.check(outcome.journal, bounds)
                try examination.checkPast(outcome.journal)
            }
        }
    }

    /// The calls so far, and the disk as each left it.
    var recorded: (calls: [SimulatedDisk.Call], disks: [Disk]) { base.disk.recorded }
    var present: Disk { base.disk.present }
}

extension Examination {
    /// Throws what is wrong with the first of them, when something is wrong with each.
    static func oneHolds(
        _ possible: [InterleavedRun.Possible], _ callCount: Int, _ body: (inout Examination) throws -> Void
    ) throws {
        var first: (any Error)?
        for one in possible {
            var examination = Examination(one.history, one.bounds(callCount))
            do { return try body(&examination) } catch { first = first ?? error }
        }
        if let first { throw first }
    }
}

extension ExpectedHistory {
    func with(_ batch: [Event]) -> ExpectedHistory {
        var history = self
        if !batch.isEmpty { history.append(batch) }
        return history
    }
}
