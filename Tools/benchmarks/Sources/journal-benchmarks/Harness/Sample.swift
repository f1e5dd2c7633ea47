import Glibc

/// One measured run: how much was done, and what it took.
struct Sample: Sendable {
    var count: Int
    var seconds: Double
    /// User and system time of the whole process.
    var cpuSeconds: Double

    var perSecond: Double { Double(count) / seconds }
    var cpuMicrosecondsEach: Double { cpuSeconds / Double(count) * 1e6 }

    /// Times `body`, which does `count` things.
    static func measure(_ count: Int, _ body: () async throws -> Void) async rethrows -> Sample {
        let cpu = processSeconds()
        let start = ContinuousClock.now
        try await body()
        let duration = ContinuousClock.now - start
        return Sample(count: count, seconds: duration.inSeconds, cpuSeconds: processSeconds() - cpu)
    }

    static func processSeconds() -> Double {
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_utime.inSeconds + usage.ru_stime.inSeconds
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

extension timeval {
    var inSeconds: Double { Double(tv_sec) + Double(tv_usec) * 1e-6 }
}
