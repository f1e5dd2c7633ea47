import Foundation
import Synchronization
import SystemPackage

/// How many damages of a file were tried, and how they were taken.
struct DamageTally: Sendable {
    var count = 0
    /// Everything could be read all the same.
    var whole = 0
    var problems = 0
    var notes = 0
    /// What `verify` did not notice.
    var unnoticed: [Damage] = []
    var wrong: [String] = []

    mutating func add(_ damage: Damage, _ verdict: DamageJudge.Verdict) {
        count += 1
        if verdict.isWhole { whole += 1 }
        switch verdict.notice {
        case .problem: problems += 1
        case .note: notes += 1
        case .nothing: unnoticed.append(damage)
        }
        wrong += verdict.wrong
    }

    mutating func add(_ other: DamageTally) {
        count += other.count
        whole += other.whole
        problems += other.problems
        notes += other.notes
        unnoticed += other.unnoticed
        wrong += other.wrong
    }

    /// One line, for the log of a run.
    func line(_ what: String) -> String {
        "damage: \(what): \(count) tried; verify: \(problems) damage, \(notes) noted, \(unnoticed.count) unnoticed; "
            + "\(whole) read in full, \(count - whole) refused; \(wrong.count) wrong"
    }
}

/// Does the cases on all processors, each processor its share, and adds up what came of them.
func tallied<Case: Sendable>(
    _ cases: [Case], _ body: @escaping @Sendable (ArraySlice<Case>) async throws -> DamageTally
) async throws -> DamageTally {
    let shares = ProcessInfo.processInfo.activeProcessorCount
    let size = max(1, (cases.count + shares - 1) / shares)
    return try await withThrowingTaskGroup(of: DamageTally.self) { group in
        for start in stride(from: 0, to: cases.count, by: size) {
            group.addTask { try await body(cases[start..<min(start + size, cases.count)]) }
        }
        var all = DamageTally()
        for try await tally in group { all.add(tally) }
        return all
    }
}
