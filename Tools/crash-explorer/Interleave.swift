import ArgumentParser
import JournalTesting

/// Crashes what several processes do at the same time.
struct Interleave: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interleave",
        abstract:
            "Has two or three processes do a step each at the same time, overtaking one another at every access, and cuts the power.",
        discussion: """
            Each process but the last is stopped after each of its calls, and of its loads and stores of the shared page, while the
            next one does its step; then it goes on, or is killed. The power is cut at each call from there on. Steps are those of
            "crash-explorer explore --help", and t: adds again, with its key, what the first process adds.

              crash-explorer interleave
              crash-explorer interleave --workload 'ab(a|d)'
            """)

    @Option(help: "How many threads explore.")
    var threads = 4

    @Option(help: "One disk in so many is examined in full, and the others opened and read.")
    var fullyOneOf = 16

    @Option(
        help:
            "Where it is not two processes that append: one in so many of the places to stop them; 1 takes hours."
    )
    var stopOneOf = 61

    @Option(help: "At least so many different ways to interleave must have been tried; else it is an error.")
    var atLeast = 0

    @Option(help: "Only this workload.")
    var workload: String?

    @Option(
        help: """
            Only what this script says, as a failure was reported. From where a process goes on again, the order of its calls and those \
            of the others may differ.
            """)
    var replay: String?

    mutating func run() throws {
        let start = ContinuousClock.now
        let explorer = CrashExplorer()
        var settings = CrashExplorer.Settings()
        settings.choices = .few
        settings.fullyOneOf = fullyOneOf
        settings.secondCrashOneOf = 0
        settings.stopOneOf = replay == nil ? stopOneOf : 1
        settings.only = replay
        var workloads =
            InterleavedWorkload.pairs + InterleavedWorkload.erasures + InterleavedWorkload.triples
        if let text = workload ?? replay.map({ String($0.prefix { !"@#".contains($0) }) }) {
            guard let workload = InterleavedWorkload(text) else {
                throw ValidationError("A workload is written like ab(a|d); see --help")
            }
            workloads = [workload]
        }
        let report = try inParallel(threads: threads) { [settings, workloads] index, _ in
            guard index < workloads.count else { return nil }
            var settings = settings
            if workloads[index].isShort { settings.stopOneOf = 1 }
            return explorer.explore(workloads[index], settings)
        }
        for failure in report.failures { print("BROKEN  \(failure)") }
        if let script = report.failures.first?.script {
            print("Again: crash-explorer interleave --replay '\(script)'")
        }
        print(
            "\(report.workloads) workloads of two or three processes, interleaved in \(report.schedules) ways, left \(report.disks) "
                + "different disks, or \(report.cases) with what was expected of each; \(report.openings) openings, "
                + "\(report.failures.count) broken promises, after \(ContinuousClock.now - start)")
        if report.schedules < atLeast {
            print("That is less than the \(atLeast) ways that were to be tried")
            throw ExitCode(2)
        }
        if !report.failures.isEmpty { throw ExitCode(1) }
    }
}
