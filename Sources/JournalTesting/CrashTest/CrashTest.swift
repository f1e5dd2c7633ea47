public import AgentJournal

/// Crash-tests an agent: what it told its users that it remembers must be there after a power cut at any moment.
///
/// The agent runs once, on a ``SimulatedDisk``. Then the power is cut at many moments of that run, and each time a disk is
/// made as a real one could be found: of what was not synced some is there, some is lost, some is torn, some is zeros. The
/// journal on it is opened, and the check is asked whether everything is there that had been promised by then.
///
/// ```swift
/// let report = try await CrashTest.run { trial in
///     let journal = try await trial.openJournal()
///     try await journal.conversation("user").add("prefers email")
///     trial.promise("prefers email")
/// } check: { journal, promises in
///     let texts = try await journal.conversation("user").memories().compactMap(\.content.text)
///     return promises.first { !texts.contains($0) }
/// }
/// #expect(report.failures.isEmpty)
/// ```
///
/// See <doc:CrashTestYourAgent>.
public enum CrashTest {
    /// What came of a crash test.
    public struct Report: Sendable {
        /// How often the power was cut.
        public var powerCuts = 0
        /// How many different disks that left.
        public var differentDisks = 0
        /// How often something that was promised had to be there, over all cuts.
        public var promisesChecked = 0
        /// What was missing, and when; at most 20.
        public var failures: [Failure] = []
    }

    /// A power cut after which something was not as it was promised.
    public struct Failure: Sendable, CustomStringConvertible {
        /// Which cut it was: with the same seed and the same run it comes again.
        public var cut: Int
        /// What happened before it: the last call to the disk.
        public var lastCall: String
        /// What the check said.
        public var problem: String

        /// One line for a person.
        public var description: String { "power cut \(cut), after \(lastCall): \(problem)" }
    }

    /// Runs an agent on a simulated disk, then cuts the power.
    ///
    /// - Parameters:
    ///   - powerCuts: How often. Each costs an opening and the check, some tenths of a millisecond and up.
    ///   - seed: Repeats moments and losses, for the same run.
    ///   - options: How the journal is opened after a cut.
    ///   - agent: What is tested. It opens its journal with the trial, and says what it promises.
    ///   - check: Is given the journal as it is after a cut, and what had been promised by then. It returns what is wrong, or
    ///     nil. What it throws counts as wrong too.
    /// - Throws: what `agent` throws.
    public static func run(
        powerCuts: Int = 1000, seed: UInt64 = 1, options: Journal.Options = Journal.Options(),
        agent: (CrashTrial) async throws -> Void,
        check: (_ journal: Journal, _ promises: [String]) async throws -> String?
    ) async throws -> Report {
        let trial = CrashTrial()
        try await agent(trial)
        let moments = Moments(trial)
        var random = SplitMix64(seed)
        var report = Report()
        var seen: Set<UInt64> = []
        for cut in 0..<powerCuts {
            guard report.failures.count < 20, let moment = moments.choose(&random) else { break }
            let image = moments.image(moment, &random)
            report.powerCuts += 1
            if seen.insert(image.fingerprint).inserted { report.differentDisks += 1 }
            let promises = moments.promises(before: moment)
            report.promisesChecked += promises.count
            if let problem = await examine(image, promises, options, check) {
                report.failures.append(
                    Failure(cut: cut, lastCall: moments.describe(moment), problem: problem))
            }
        }
        if report.powerCuts == 0 {
            report.failures.append(
                Failure(cut: 0, lastCall: "nothing", problem: "the agent did nothing on the trial's disk"))
        }
        return report
    }

    private static func examine(
        _ image: Disk, _ promises: [String], _ options: Journal.Options,
        _ check: (Journal, [String]) async throws -> String?
    ) async -> String? {
        do {
            let journal = try await Journal.open(
                at: CrashTrial.directory, options: options.on(SimulatedDisk(booting: image)))
            let problem = try await check(journal, promises)
            try await journal.close()
            return problem
        } catch {
            return "\(error)"
        }
    }
}

/// The moments of a recorded run at which the power can be cut.
private struct Moments {
    private let calls: [SimulatedDisk.Call]
    private let disks: [Disk]
    private let promises: [CrashTrial.Note]
    /// The calls that changed the disk, and those before a promise: right after it is when most is at stake.
    private let changes: [Int]
    private let stakes: [Int]

    init(_ trial: CrashTrial) {
        let (calls, disks) = trial.disk.recorded
        self.calls = calls
        self.disks = disks
        promises = trial.promises
        changes = calls.indices.filter { calls[$0].operation.changesDisk }
        stakes = promises.map { $0.calls - 1 }.filter { disks.indices.contains($0) }
    }

    /// The index of a call: half of them right before a promise, because until then it may be lost.
    func choose(_ random: inout SplitMix64) -> Int? {
        if !stakes.isEmpty, Bool.random(using: &random) { return stakes.randomElement(using: &random) }
        return changes.randomElement(using: &random)
    }

    func image(_ moment: Int, _ random: inout SplitMix64) -> Disk {
        let disk = disks[moment]
        // Everything lost and everything kept are the likeliest, and not likely in a mix.
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return disk.afterPowerCut(keepingEverything: false)
        case 1: return disk.afterPowerCut(keepingEverything: true)
        default: return disk.afterPowerCut(CrashChoices.mix(of: disk.unsynced, &random))
        }
    }

    func promises(before moment: Int) -> [String] {
        promises.filter { $0.calls <= moment + 1 }.map(\.promise)
    }

    func describe(_ moment: Int) -> String {
        "\(calls[moment].operation.rawValue) of \(calls[moment].path) (call \(moment) of \(calls.count))"
    }
}
