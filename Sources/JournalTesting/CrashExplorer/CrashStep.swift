/// One step of a workload that is crashed.
package enum CrashStep: Character, Sendable, CaseIterable {
    /// One memory, with a key.
    case add = "a"
    /// Three memories of two conversations.
    case batch = "b"
    /// A flush with a label.
    case flush = "f"
    /// Forgets the oldest memory that is there.
    case forget = "o"
    /// Clears a conversation.
    case clear = "c"
    /// Ends the segment.
    case rotate = "r"
    case snapshot = "s"
    /// Compacts and keeps all history.
    case compact = "p"
    /// Compacts and lets history go.
    case drop = "d"
    /// Compacts and erases what is forgotten.
    case erase = "z"
    /// Compacts, lets history go and erases what is forgotten.
    case dropAndErase = "D"
    /// Compacts and keeps what was recorded lately, which is nothing.
    case dropByAge = "m"
    /// Compacts, keeps what was recorded lately, and erases what is forgotten.
    case dropByAgeAndErase = "M"
    /// Closes cleanly and opens again.
    case close = "x"
    /// The process is killed, and another opens.
    case kill = "k"
    /// Forgets the newest memory and adds another in its place.
    case replace = "e"
    /// One memory so long that it is compressed by the caller, or ends the segment.
    case large = "l"
    /// Adds once more, with its key, what was last added with one.
    case retry = "t"

    /// What the journal does to itself, with each of its options.
    package static let maintenance: [CrashStep] = [
        .rotate, .snapshot, .compact, .drop, .erase, .dropAndErase, .dropByAge, .dropByAgeAndErase, .close,
    ]

    /// Those of which every workload up to a length is tried.
    package static let exhaustive: [CrashStep] = [
        .add, .batch, .flush, .forget, .clear, .rotate, .snapshot, .compact, .drop, .erase, .close,
    ]
}

/// Steps, one after the other, on a new journal.
package struct CrashWorkload: Hashable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    package var steps: [CrashStep]

    package init(_ steps: [CrashStep]) { self.steps = steps }

    /// A letter for each step; nil when one of them means nothing.
    package init?(_ text: String) {
        let steps = text.compactMap { CrashStep(rawValue: $0) }
        guard steps.count == text.count else { return nil }
        self.steps = steps
    }

    package var description: String { String(steps.map(\.rawValue)) }

    /// Whether each step has something to do: a workload with one that has not is the same as a shorter one.
    package var isWorthwhile: Bool {
        var live = 0
        var inFirst = 0
        var hasForgotten = false
        for step in steps {
            switch step {
            case .add, .large:
                live += 1
                inFirst += 1
            case .batch:
                live += 3
                inFirst += 2
            case .forget, .replace:
                if live == 0 { return false }
                hasForgotten = true
                // Which conversation it is of does not matter here: a clear of an emptied one is a step all the same.
                if step == .forget { live -= 1 }
            case .clear:
                live -= min(live, inFirst)
                inFirst = 0
                hasForgotten = true
            case .erase, .dropAndErase, .dropByAgeAndErase:
                // With nothing to erase it is a compaction.
                if !hasForgotten { return false }
                hasForgotten = false
            case .flush, .rotate, .snapshot, .compact, .drop, .dropByAge, .close, .kill, .retry: break
            }
        }
        return true
    }

    /// All workloads of a length, in order; of more than three steps those in which an erasure, if there is one, is the last.
    package static func all(ofLength length: Int) -> [CrashWorkload] {
        var workloads: [[CrashStep]] = [[]]
        for number in 1..<(length + 1) {
            let steps = CrashStep.exhaustive.filter { $0 != .erase || length < 4 || number == length }
            workloads = workloads.flatMap { before in steps.map { before + [$0] } }
        }
        return workloads.map { CrashWorkload($0) }.filter(\.isWorthwhile)
    }

    /// Each maintenance on journals that have several files of each kind, or none: with memories forgotten, snapshots behind and
    /// before them, history let go, something erased before, a commit that no snapshot covers.
    package static let maintenance: [CrashWorkload] = {
        let before = [
            "", "a", "bo", "bos", "bosa", "bsoc", "brosrb", "bosdbo", "brosdbrosa", "bozsbo", "bokb",
        ]
        return before.flatMap { before in
            CrashStep.maintenance.compactMap { CrashWorkload(before + String($0.rawValue)) }
        }.filter(\.isWorthwhile)
    }()

    /// One of any steps, by seed.
    package static func random(length: Int, seed: UInt64) -> CrashWorkload {
        var random = SplitMix64(seed)
        while true {
            // Appends more often than the rest, so that there is something to lose.
            let all = CrashStep.allCases + [.add, .add, .add, .batch, .batch, .forget]
            let workload = CrashWorkload((0..<length).map { _ in all.randomElement(using: &random)! })
            if workload.isWorthwhile { return workload }
        }
    }
}
