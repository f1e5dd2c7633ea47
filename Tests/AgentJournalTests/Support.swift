import AgentJournal
import JournalTesting
import Logging
import Synchronization
import SystemPackage
import Testing

/// A clock that stands where the test puts it.
final class TestClock: Sendable {
    private let time: Mutex<Timestamp>

    init(_ start: String = "2026-01-02T03:04:05Z") { time = Mutex(Timestamp(start)!) }

    var now: Timestamp {
        get { time.withLock { $0 } }
        set { time.withLock { $0 = newValue } }
    }
}

/// Random numbers for a journal's options, that are the same each time.
final class SeededRandom: Sendable {
    private let random: Mutex<Random>

    init(_ seed: UInt64) { random = Mutex(Random(seed)) }

    func next() -> UInt64 { random.withLock { $0.next() } }
}

/// Options on a simulated disk, with a clock that stands still and no log lines.
func options(_ disk: SimulatedDisk, clock: TestClock? = nil, segmentBytes: Int = 64 << 20)
    -> Journal.Options
{
    var options = Journal.Options()
    options.fileSystem = disk
    options.segmentBytes = segmentBytes
    options.logger.logLevel = .critical
    if let clock { options.clock = { clock.now } }
    return options
}

let directory: FilePath = "/srv/memory"

extension Journal {
    static func open(
        _ disk: SimulatedDisk, create: Creation = .ifMissing, clock: TestClock? = nil,
        segmentBytes: Int = 64 << 20
    ) async throws -> Journal {
        try await open(
            at: AgentJournalTests.directory, create: create,
            options: AgentJournalTests.options(disk, clock: clock, segmentBytes: segmentBytes))
    }
}

extension Journal {
    /// The texts of a conversation.
    func texts(_ name: String) async throws -> [String] {
        try await conversation(name).memories().compactMap(\.content.text)
    }
}

/// Runs `body` and returns the code of the journal's error that it throws.
func code(_ body: () async throws -> Void) async -> JournalError.Code? {
    do {
        try await body()
        return nil
    } catch let error as JournalError {
        return error.code
    } catch {
        return nil
    }
}
