import Foundation
import Testing

@Suite("A journal is what a simple model says") struct ModelTests {
    /// Each run is as long as every other, wherever it is run, so that its seed is all that it takes to repeat it.
    private static let steps = 120

    /// `AGENT_JOURNAL_MODEL_SEED`, to run that seed again, and `AGENT_JOURNAL_MODEL_RUNS`, for so many from it on.
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment["AGENT_JOURNAL_MODEL_\(name)"].flatMap(UInt64.init)
    }

    /// Otherwise some that are the same each time, or, exhaustively, many that nobody has seen yet.
    private static let seeds: Range<UInt64> = {
        let usual: UInt64 = Thoroughness.isExhaustive ? 200 : 6
        let first = number("SEED") ?? (Thoroughness.isExhaustive ? .random(in: 1...1 << 52) : 1)
        return first..<first + max(1, number("RUNS") ?? (number("SEED") == nil ? usual : 1))
    }()

    @Test(
        "random runs of the public interface, with restarts, snapshots and compactions in between",
        .timeLimit(.minutes(60)))
    func runs() async throws {
        let processors = UInt64(ProcessInfo.processInfo.activeProcessorCount)
        let (events, differences) = try await withThrowingTaskGroup(of: (UInt64, Int).self) { group in
            for share in 0..<processors {
                group.addTask {
                    var (events, differences): (UInt64, Int) = (0, 0)
                    for seed in Self.seeds where (seed - Self.seeds.lowerBound) % processors == share {
                        do {
                            var run = try await ModelRun(seed: seed)
                            try await run.run(Self.steps)
                            events += run.model.lastSequence
                        } catch {
                            differences += 1
                            Issue.record("\(Self.again(seed)): \(error)")
                        }
                    }
                    return (events, differences)
                }
            }
            return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
        print(
            "model: \(Self.seeds.count) runs of \(Self.steps) steps from seed \(Self.seeds.lowerBound) on, "
                + "\(events) events; \(differences) differences")
        #expect(events > UInt64(Self.seeds.count * Self.steps) / 2)
    }

    /// The command that repeats a run.
    private static func again(_ seed: UInt64) -> String {
        "AGENT_JOURNAL_MODEL_SEED=\(seed) swift test --filter ModelTests/runs"
    }

    @Test("a mistake in the model is found, whichever", arguments: Model.Mistake.allCases)
    func mistakes(mistake: Model.Mistake) async throws {
        await #expect(throws: ModelRun.Difference.self) {
            // A single run may not come by it.
            for seed in 1...20 as ClosedRange<UInt64> {
                var run = try await ModelRun(seed: seed, mistake: mistake)
                try await run.run(Self.steps)
            }
        }
    }
}
