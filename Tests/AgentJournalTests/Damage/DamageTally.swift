import Foundation
import JournalTesting
import SystemPackage

/// How many damages of a file were tried, and how they were taken.
struct DamageTally: Sendable {
    var count = 0
    /// Everything could be read all the same.
    var whole = 0
    /// A memory could be added.
    var wentOn = 0
    var problems = 0
    var notes = 0
    /// What `verify` did not notice.
    var unnoticed = 0
    /// What of it should have been.
    var missed: [String] = []
    var wrong: [String] = []

    mutating func add(_ damage: Damage, _ verdict: DamageJudge.Verdict, mayGoUnnoticed: Bool) {
        count += 1
        if verdict.isWhole { whole += 1 }
        if verdict.wentOn { wentOn += 1 }
        switch verdict.notice {
        case .problem: problems += 1
        case .note: notes += 1
        case .nothing:
            unnoticed += 1
            if !mayGoUnnoticed { missed.append("\(damage)") }
        }
        wrong += verdict.wrong
    }

    mutating func add(_ other: DamageTally) {
        count += other.count
        whole += other.whole
        wentOn += other.wentOn
        problems += other.problems
        notes += other.notes
        unnoticed += other.unnoticed
        missed += other.missed
        wrong += other.wrong
    }

    /// One line, for the log of a run.
    func line(_ what: String) -> String {
        "damage: \(what): \(count) tried; verify: \(problems) damage, \(notes) noted, \(unnoticed) unnoticed, "
            + "\(missed.count) missed; \(whole) read in full, \(count - whole) refused; \(wentOn) went on; "
            + "\(wrong.count) wrong"
    }
}

extension DamageJudge {
    /// Judges the cases on threads that may block, and adds up what came of them.
    func tallied<Case: Sendable>(
        _ cases: [Case], _ damaged: @escaping @Sendable (Case) throws -> (Damage, SimulatedDisk)
    ) async throws -> DamageTally {
        let threads = ThreadExecutor(threads: 2 * ProcessInfo.processInfo.activeProcessorCount)
        defer { threads.stop() }
        // More shares than threads, because some cases take longer than others.
        let size = max(1, cases.count / 64)
        return try await withThrowingTaskGroup(of: DamageTally.self) { group in
            for start in stride(from: 0, to: cases.count, by: size) {
                group.addTask(executorPreference: threads) {
                    var tally = DamageTally()
                    for item in cases[start..<min(start + size, cases.count)] {
                        let (damage, disk) = try damaged(item)
                        let verdict = await judge(disk, damage)
                        tally.add(
                            damage, verdict, mayGoUnnoticed: subject.mayGoUnnoticed(damage, disk))
                    }
                    return tally
                }
            }
            var all = DamageTally()
            for try await tally in group { all.add(tally) }
            return all
        }
    }
}
