/// What repairing a log did, or would do.
package struct RepairResult: Sendable, Hashable {
    /// Events that are lost, in order.
    package var losses: [ClosedRange<UInt64>] = []
    /// Memories that were taken from a snapshot, where the log had lost them.
    package var restored: UInt64 = 0
    /// Segments that are written anew, without what is damaged; of a missing one, the one that takes its place.
    package var rewritten: [String] = []
    /// The first event that the log holds then.
    package var firstSequence: UInt64 = 1
    /// Files that are moved to the directory `damaged`.
    package var setAside: [String] = []

    package mutating func lose(_ range: ClosedRange<UInt64>) {
        if let last = losses.last, last.upperBound &+ 1 == range.lowerBound {
            losses[losses.count - 1] = last.lowerBound...range.upperBound
        } else {
            losses.append(range)
        }
    }
}

/// A memory that something else than the log still has.
package struct RepairSurvivor: Sendable {
    package var sequence: UInt64
    package var recordedMicroseconds: Int64
    /// As it was in the log.
    package var event: [UInt8]

    package init(sequence: UInt64, recordedMicroseconds: Int64, event: [UInt8]) {
        self.sequence = sequence
        self.recordedMicroseconds = recordedMicroseconds
        self.event = event
    }
}
