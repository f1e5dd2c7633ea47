import ArgumentParser
import JournalTesting

/// Has each call of each maintenance fail.
struct Maintain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintain",
        abstract:
            "Has each call of every maintenance, with every option, fail with every error, and checks the promises.",
        discussion: """
            Each snapshot, compaction, erasure and closing is done on journals of several shapes, once for each call that it makes and \
            each error that such a call can have. Then the journal must read as before, go on or refuse all adds, and hold the same when \
            its process is killed; for a share of them the power goes too.

              crash-explorer maintain
              crash-explorer maintain --cut-one-of 1            every failing call, with every power cut behind it
              crash-explorer --replay 'bosD!91 open Too many open files'
            """)

    @Option(help: "How many threads explore.")
    var threads = 4

    @Option(help: "The power goes behind one failing call in so many.")
    var cutOneOf = 16

    @Option(help: "At least so many calls must have failed; else it is an error.")
    var atLeast = 0

    mutating func run() throws {
        let start = ContinuousClock.now
        let explorer = CrashExplorer()
        var settings = CrashExplorer.Settings()
        settings.everyError = true
        settings.cutAfterFaultOneOf = max(1, cutOneOf)
        let workloads = CrashWorkload.maintenance
        let report = try inParallel(threads: threads) { [settings, workloads] index, _ in
            index < workloads.count ? explorer.fail(workloads[index], settings) : nil
        }
        for failure in report.failures { print("BROKEN  \(failure)") }
        if let script = report.failures.first?.script { print("Again: crash-explorer --replay '\(script)'") }
        print(
            "\(report.workloads) kinds of maintenance, \(report.faults) failing calls, \(report.cases) disks behind a power cut, "
                + "\(report.openings) openings, \(report.failures.count) broken promises, after \(ContinuousClock.now - start)"
        )
        if report.faults < atLeast {
            print("That is less than the \(atLeast) calls that were to fail")
            throw ExitCode(2)
        }
        if !report.failures.isEmpty { throw ExitCode(1) }
    }
}
