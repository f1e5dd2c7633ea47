import AgentJournal
import Logging
import Synchronization

extension Journal.Options {
    /// Options of small segments that do the same each time: clock and random numbers begin anew with each.
    ///
    /// - Parameter seed: Of the random numbers: two processes of one machine must not choose the same salts.
    static func forCrashes(_ disk: SimulatedDisk, seed: Int32) -> Journal.Options {
        var options = small
        options.fileSystem = disk
        let random = Mutex(SplitMix64(UInt64(truncatingIfNeeded: seed)))
        options.random = { random.withLock { $0.next() } }
        let clock = Atomic<Int64>(1_700_000_000_000_000)
        options.clock = {
            Timestamp(
                clampingMicrosecondsSince1970: clock.wrappingAdd(1000, ordering: .relaxed).newValue)
        }
        return options
    }

    private static let small: Journal.Options = {
        var options = Journal.Options()
        options.logger = Logger(label: "crash") { _ in SwiftLogNoOpLogHandler() }
        options.segmentBytes = 64 << 10
        options.preallocationBytes = 4096
        options.packsAlways = true
        options.cacheBytes = 1 << 20
        return options
    }()
}
