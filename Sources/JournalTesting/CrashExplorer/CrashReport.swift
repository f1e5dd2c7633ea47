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
    /// Different disks, as a power cut could leave them, that were opened and checked.
    package var images = 0
    /// Those that a crash left of which the recovery was cut too.
    package var secondCrashes = 0
    /// Calls that were made to fail.
    package var faults = 0
    /// How often a journal was opened.
    package var openings = 0
    package var failures: [Failure] = []

    package init() {}

    package mutating func add(_ other: CrashReport) {
        workloads += other.workloads
        images += other.images
        secondCrashes += other.secondCrashes
        faults += other.faults
        openings += other.openings
        failures += other.failures
    }
}
