import ArgumentParser
import JournalTesting

/// Crashes workloads of every kind.
struct Explore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explore",
        abstract:
            "Cuts the power at every call of many workloads, opens every disk that could be left, and checks the promises.",
        discussion: """
            Every workload up to --length steps is tried, and then longer ones by seed, until --seconds have passed. The steps:
            a add, b batch, f flush, o forget, c clear, r rotate, s snapshot, p compact, d drop history, z erase, x close and open;
            in the longer ones also k kill and open, e replace, l large add, t repeated add, and, of compactions, D drop history and erase, \
            m drop by age, M drop by age and erase.

              crash-explorer                          some minutes
              crash-explorer --length 4 --seconds 36000
              crash-explorer --workload absd          one workload, crashed at each of its steps
            """)

    @Option(help: "Every workload of up to so many steps is tried.")
    var length = 3

    @Option(help: "Processes are killed and calls fail in every workload of up to so many steps.")
    var faultLength = 2

    @Option(
        help:
            "After so many seconds no other workload is begun, if --at-least is reached. Those up to --length are done all the same."
    )
    var seconds = 60

    @Option(help: "How many steps the longer workloads have.")
    var longSteps = 12

    @Option(help: "The seed of the first of the longer workloads.")
    var seed: UInt64 = 1

    @Option(
        help:
            "How many threads explore. Two for each processor do most, because an engine's own threads wait for one another."
    )
    var threads = 2

    @Option(
        help:
            "At least so many disks must have been checked, where one counts for each thing that was expected of it; else it is an error."
    )
    var atLeast = 0

    @Option(help: "Only this workload.")
    var workload: String?

    @Option(help: "Only what this script says, as a failure was reported.")
    var replay: String?

    @Option(
        help:
            "Of the workloads of more than three steps, one disk in so many is examined in full, and the others opened and read."
    )
    var fullyOneOf = 4

    @Option(help: "The recovery is cut too for one disk in so many; 0 for none.")
    var secondCrashOneOf = 16

    mutating func run() throws {
        let explorer = CrashExplorer()
        var report: CrashReport
        if let workload = workload ?? replay.map({ String($0.prefix { !"@!".contains($0) }) }) {
            guard let workload = CrashWorkload(workload) else {
                throw ValidationError("A workload is made of the letters of its steps; see --help")
            }
            var settings = CrashExplorer.Settings()
            settings.onlyLastStep = replay?.contains("!") ?? false
            settings.only = replay
            settings.secondCrashOneOf = secondCrashOneOf
            settings.everyError = true
            report = explorer.explore(workload, settings)
        } else {
            report = try exploreAll(explorer)
        }
        for failure in report.failures { print("BROKEN  \(failure)") }
        if replay == nil, let first = report.failures.first,
            let long = CrashWorkload(String(first.script.prefix { !"@!".contains($0) })),
            long.steps.count > 1,
            let shorter = CrashExplorer.shrink(long, CrashExplorer.Settings())
        {
            print("SHORTER \(shorter)")
        }
        if let script = report.failures.first?.script { print("Again: crash-explorer --replay '\(script)'") }
        print(
            "\(report.workloads) workloads, \(report.disks) different disks, or \(report.cases) with what was expected of each "
                + "(\(report.secondCrashes) left by a crash of the recovery), \(report.faults) failing calls, "
                + "\(report.openings) openings, \(report.failures.count) broken promises"
        )
        if replay != nil, report.cases + report.faults + report.openings == 0 {
            print("Nothing in this version is what the script says")
            throw ExitCode(2)
        }
        if report.cases < atLeast {
            print("That is less than the \(atLeast) that were to be checked")
            throw ExitCode(2)
        }
        if !report.failures.isEmpty { throw ExitCode(1) }
    }

    private func exploreAll(_ explorer: CrashExplorer) throws -> CrashReport {
        let start = ContinuousClock.now
        let limit = Duration.seconds(seconds)
        let work = (0...length).flatMap { length in
            var settings = CrashExplorer.Settings()
            settings.faults = length <= faultLength
            settings.kills = length <= faultLength
            // The longest are by far the most.
            if length > 3 { settings.fullyOneOf = fullyOneOf }
            settings.secondCrashOneOf = length <= faultLength ? secondCrashOneOf : 16 * secondCrashOneOf
            return CrashWorkload.all(ofLength: length).map { ($0, settings) }
        }
        var report = try inParallel(threads: threads) { index, _ in
            index < work.count ? explorer.explore(work[index].0, work[index].1) : nil
        }
        print(
            "every workload of up to \(length) steps: \(report.cases) disks after \(ContinuousClock.now - start)"
        )
        let (first, steps, fully, recoveries) = (seed, longSteps, fullyOneOf, secondCrashOneOf)
        let missing = atLeast - report.cases
        let longer = try inParallel(threads: threads) { index, cases in
            guard ContinuousClock.now - start < limit || cases < missing else { return nil }
            var settings = CrashExplorer.Settings()
            settings.onlyLastStep = false
            settings.fullyOneOf = fully
            settings.secondCrashOneOf = recoveries
            return explorer.explore(.random(length: steps, seed: first &+ UInt64(index)), settings)
        }
        report.add(longer)
        return report
    }
}
