import AgentJournal

/// How this process was started.
struct Settings: Sendable {
    let directory: FilePath
    let history: FilePath
    /// The number of this process among all of a run: no two add the same content without a key.
    let run: Int
    let seed: UInt64
    let threads: Int
    /// Opens the journal for reading alone.
    let isReader: Bool
    let endsWhenThere: FilePath?

    init(_ arguments: [String]) {
        func option(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard arguments.count > 1, let history = option("--history") else {
            fatalError(
                "usage: crash-worker DIR --history FILE [--run N] [--seed N] [--threads N] [--reader] [--until PATH]"
            )
        }
        directory = FilePath(arguments[1])
        self.history = FilePath(history)
        run = option("--run").flatMap { Int($0) } ?? 0
        seed = option("--seed").flatMap { UInt64($0) } ?? 1
        threads = option("--threads").flatMap { Int($0) } ?? 3
        isReader = arguments.contains("--reader")
        endsWhenThere = option("--until").map { FilePath($0) }
    }

    var isToEnd: Bool {
        guard let endsWhenThere, let file = try? FileDescriptor.open(endsWhenThere, .readOnly) else {
            return false
        }
        // It was opened for reading alone, so closing has nothing to lose.
        try? file.close()
        return true
    }
}

/// Random numbers that a seed repeats (SplitMix64, Steele, Lea and Flood 2014).
struct SplitMix: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
