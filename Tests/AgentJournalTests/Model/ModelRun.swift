import JournalTesting
import SystemPackage

@testable import AgentJournal

/// A long random use of one journal, compared with the model after every step.
///
/// The same seed gives the same steps, and the same bytes. Only the order of adds that are concurrent is the scheduler's, which
/// the model takes from the receipts, and when a snapshot comes that no step asked for.
struct ModelRun {
    /// The journal is not what the model says.
    struct Difference: Error, CustomStringConvertible {
        var description: String
    }

    static let maximumContentBytes = 3000

    let seed: UInt64
    var model: Model
    var random: Random
    var disk = SimulatedDisk()
    var journal: Journal
    /// Another handle of the same directory in the same process.
    var second: Journal?
    /// Another process that has it open for reading, over several steps.
    var reader: Journal?
    var follower: EventSequence.Iterator
    /// The last event that was followed.
    var followed: UInt64 = 0
    let clock = TestClock()
    /// What the journal takes its salts and identities from.
    let salts: SeededRandom
    /// The clock may be set back; times of recording never are, but are no later than it ever was.
    var latestClock: Timestamp
    /// What was done, newest last.
    var steps: [String] = []
    var pid: Int32 = 1
    let segmentBytes: Int
    let snapshotEvents: UInt64

    init(seed: UInt64, mistake: Model.Mistake? = nil) async throws {
        self.seed = seed
        random = Random(seed)
        salts = SeededRandom(~seed)
        model = Model(maximumContentBytes: ModelRun.maximumContentBytes, mistake: mistake)
        segmentBytes = random.pick([4096, 4096, 8192, 1 << 20])
        snapshotEvents = random.pick([.max, .max, 17])
        latestClock = clock.now
        disk = SimulatedDisk()
        journal = try await Journal.open(
            at: directory,
            options: ModelRun.options(
                disk, clock, salts, segmentBytes: segmentBytes, snapshotEvents: snapshotEvents))
        follower = journal.follow().makeAsyncIterator()
    }

    /// Whether snapshots are taken only when the run asks for them, so that the model knows of each.
    var knowsSnapshots: Bool { snapshotEvents == .max }

    static func options(
        _ disk: SimulatedDisk, _ clock: TestClock, _ salts: SeededRandom, segmentBytes: Int,
        snapshotEvents: UInt64 = .max, access: Journal.Access = .readWrite
    ) -> Journal.Options {
        var options = AgentJournalTests.options(disk, clock: clock, segmentBytes: segmentBytes)
        options.maximumContentBytes = maximumContentBytes
        options.snapshotEvents = snapshotEvents
        options.access = access
        options.random = { salts.next() }
        return options
    }

    func options(_ access: Journal.Access = .readWrite) -> Journal.Options {
        ModelRun.options(
            access == .readWrite ? disk : disk.asProcess(pid: 900), clock, salts, segmentBytes: segmentBytes,
            snapshotEvents: snapshotEvents, access: access)
    }

    /// Runs so many steps, and ends with a clean close.
    mutating func run(_ count: Int) async throws {
        for _ in 0..<count {
            moveClock()
            try await step()
            try await compare()
        }
        try await close()
    }

    func difference(_ what: String) -> Difference {
        Difference(
            description: "seed \(seed), step \(steps.count): \(what)\nThe last steps:\n  "
                + steps.suffix(12).joined(separator: "\n  "))
    }

    func require(_ isSo: Bool, _ what: @autoclosure () -> String) throws {
        if !isSo { throw difference(what()) }
    }

    private mutating func moveClock() {
        let seconds: Int64 = random.next() % 16 == 0 ? -30 : Int64(random.next() % 7200)
        clock.now = clock.now.advanced(by: .microseconds(seconds * 1_000_000 + Int64(random.next() % 1000)))
        latestClock = max(latestClock, clock.now)
    }

    // MARK: Appending

    /// Appends, and expects what the model says: receipts, or a refusal.
    mutating func append(
        _ what: String, _ expected: Result<Model.Change, Model.Failure>,
        _ body: (Journal) async throws -> [Receipt]
    ) async throws {
        steps.append(what)
        let receipts: [Receipt]
        do {
            // Two handles of one directory are one journal.
            receipts = try await body(random.next() % 4 == 0 ? second ?? journal : journal)
        } catch {
            guard let error = error as? JournalError, case .failure(let failure) = expected,
                error.code == failure.code
            else { throw difference("\(error), expected \(expected)") }
            return
        }
        guard case .success(let change) = expected else {
            throw difference("\(receipts), expected \(expected)")
        }
        try await take(receipts, change)
    }

    /// Compares receipts, and records in the model what was appended.
    mutating func take(_ receipts: [Receipt], _ change: Model.Change) async throws {
        try require(
            receipts.map(\.sequence) == change.receipts.map(\.sequence)
                && receipts.map(\.isReplayed) == change.receipts.map(\.isReplayed)
                && receipts.allSatisfy { $0.isErased == change.erased.contains($0.sequence) },
            "\(receipts), expected \(change.receipts)")
        var recorded: Timestamp?
        for receipt in receipts where !receipt.isReplayed {
            try require(
                recorded ?? receipt.recorded == receipt.recorded, "two times in one batch: \(receipts)")
            recorded = receipt.recorded
        }
        if !change.kinds.isEmpty {
            guard let recorded else { throw difference("nothing was recorded: \(receipts)") }
            try checkTime(recorded)
            model.apply(change, at: recorded)
        }
        for receipt in receipts {
            try require(
                model.events[Int(receipt.sequence) - 1].recorded == receipt.recorded,
                "recorded \(receipt.recorded) of sequence \(receipt.sequence)")
        }
    }

    /// The present time, but not before what was recorded last.
    func checkTime(_ recorded: Timestamp) throws {
        let earliest = max(clock.now, model.events.last?.recorded ?? .earliest)
        try require(
            recorded >= earliest && recorded <= max(latestClock, earliest),
            "recorded \(recorded), and the clock says \(clock.now)")
    }
}
