/// What one contender did, one value a round.
struct Series {
    var name: String
    var unit: String
    var values: [Double] = []
    /// For rates, what they were computed from.
    var samples: [Sample] = []

    init(name: String, unit: String, values: [Double] = []) {
        self.name = name
        self.unit = unit
        self.values = values
    }

    var median: Double { values.median }

    /// How many times as fast the fastest round was as the slowest.
    var spread: Double { values.max()! / values.min()! }

    /// Of a rate: the rounds differ by more than the usual drift of a disk.
    var isUnsteady: Bool { !samples.isEmpty && spread > 3 }

    /// The median of the ratios of the same rounds, not the ratio of the medians: a slow moment of the disk falls out.
    func ratio(to other: Series) -> Double {
        zip(values, other.values).map { $0 / $1 }.median
    }
}

extension [Double] {
    var median: Double {
        precondition(!isEmpty)
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}

/// A figure that is promised, and what was measured.
struct Figure {
    enum Target {
        case atLeast(Double)
        case atMost(Double)
    }

    var what: String
    var value: Double
    var target: Target
    var digits = 2
    var unit = ""

    var isMet: Bool {
        switch target {
        case .atLeast(let bound): value >= bound
        case .atMost(let bound): value <= bound
        }
    }
}

/// What came out of one workload.
struct Outcome {
    var workload: String
    /// One line: what was done, on what.
    var method: String
    var series: [Series]
    var figures: [Figure]
}
