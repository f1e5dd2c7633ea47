/// What one process does alone, and then a step of each of several processes at the same time, on one journal.
package struct InterleavedWorkload: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    package var before: CrashWorkload
    /// The first is that of the process that did what was before.
    package var steps: [CrashStep]

    package init(before: CrashWorkload, steps: [CrashStep]) {
        self.before = before
        self.steps = steps
    }

    /// A letter for each step: "ab(a|d)"; nil when that is not what it looks like.
    package init?(_ text: String) {
        guard text.hasSuffix(")") else { return nil }
        let parts = text.dropLast().split(separator: "(", omittingEmptySubsequences: false)
        guard parts.count == 2, let before = CrashWorkload(String(parts[0])) else { return nil }
        let letters = parts[1].split(separator: "|", omittingEmptySubsequences: false)
        let steps = letters.compactMap { $0.count == 1 ? CrashStep(rawValue: $0.first!) : nil }
        guard steps.count == letters.count, steps.count > 1,
            InterleavedWorkload.possible.isSuperset(of: steps)
        else { return nil }
        self.init(before: before, steps: steps)
    }

    package var description: String {
        "\(before)(\(steps.map { String($0.rawValue) }.joined(separator: "|")))"
    }

    /// What a process can do beside others. Of a replacement one receipt does not tell which events are whose.
    private static let possible = Set(CrashStep.exhaustive + [.large, .retry])

    /// Each step beside each other one, after what makes them differ: nothing, memories, or segments and a snapshot.
    package static let pairs: [InterleavedWorkload] = ["", "ab", "arsab"].flatMap { before in
        (CrashStep.exhaustive + [.large]).flatMap { first in
            (CrashStep.exhaustive + [.large, .retry]).map { second in
                InterleavedWorkload(before: CrashWorkload(before)!, steps: [first, second])
            }
        }
    }.filter(\.isWorthwhile)

    /// An erasure beside each other step, when there are forgotten memories in a snapshot, and in two segments.
    package static let erasures: [InterleavedWorkload] = ["arsabo", "abrco"].flatMap { before in
        CrashStep.exhaustive.flatMap { step in
            [[CrashStep.erase, step], [step, .erase]].map { steps in
                InterleavedWorkload(before: CrashWorkload(before)!, steps: steps)
            }
        }
    }.filter(\.isWorthwhile)

    /// Three processes that append, or rotate, or let history go.
    package static let triples: [InterleavedWorkload] = ["", "ab"].flatMap { before in
        [CrashStep.add, .batch, .rotate, .drop].flatMap { first in
            [CrashStep.add, .rotate, .retry].flatMap { second in
                [CrashStep.add, .snapshot].map { third in
                    InterleavedWorkload(before: CrashWorkload(before)!, steps: [first, second, third])
                }
            }
        }
    }.filter(\.isWorthwhile)

    /// Whether two processes append, and nothing else.
    package var isShort: Bool {
        steps.count == 2
            && Set([CrashStep.add, .batch, .flush, .forget, .clear, .retry]).isSuperset(of: steps)
    }

    private var isWorthwhile: Bool {
        // Each has something to do, whatever the others did; and a key is repeated that there is.
        steps.allSatisfy { step in
            step == .retry
                ? steps[0] == .add || steps[0] == .large : CrashWorkload(before.steps + [step]).isWorthwhile
        }
    }
}
