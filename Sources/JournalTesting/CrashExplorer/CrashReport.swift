/// What an exploration did and found.
package struct CrashReport: Sendable {
    /// A promise that was not kept, and how to see it again.
    package struct Failure: Sendable, CustomStringConvertible {
        package var script: String
        package var what: String

        package var description: String { "\(script): \(what)" }
    }

    /// Workloads that were done.
    package var workloads = 0
    /// How often processes were interleaved, each time in another way.
    package var schedules = 0
    /// Different disks, as a power cut could leave them, that were opened and checked.
    package var disks = 0
    /// The same, where a disk counts for each thing that was expected of it.
    package var cases = 0
    /// Those of the cases that a crash of the recovery left.
    package var secondCrashes = 0
    /// Calls that failed because they were made to.
    package var faults = 0
    /// How often a journal was opened.
    package var openings = 0
    package var failures: [Failure] = []

    package init() {}

    package mutating func add(_ other: CrashReport) {
        workloads += other.workloads
        schedules += other.schedules
        disks += other.disks
        cases += other.cases
        secondCrashes += other.secondCrashes
        faults += other.faults
        openings += other.openings
        failures += other.failures
    }
}
