import Foundation
import Testing

@Suite("A journal is what a simple model says") struct ModelTests {
    /// Another beginning, to look further than every run does, or the one seed to run again.
    private static let firstSeed = ProcessInfo.processInfo.environment["AGENT_JOURNAL_MODEL_SEED"].flatMap(
        UInt64.init)
    private static let runs = Thoroughness.isExhaustive ? 256 : firstSeed == nil ? 6 : 1
    private static let steps = Thoroughness.isExhaustive ? 250 : 120

    @Test(
        "random runs of the public interface, with restarts, snapshots and compactions in between",
        .timeLimit(.minutes(10)))
    func runs() async throws {
        let first = Self.firstSeed ?? 1
        let processors = UInt64(ProcessInfo.processInfo.activeProcessorCount)
        let events = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for share in 0..<processors {
                group.addTask {
                    var events: UInt64 = 0
                    for seed in stride(
                        from: first + share, to: first + UInt64(Self.runs), by: Int(processors))
                    {
                        do {
                            var run = try await ModelRun(seed: seed)
                            try await run.run(Self.steps)
                            events += run.model.lastSequence
                        } catch {
                            Issue.record("seed \(seed): \(error)")
                        }
                    }
                    return events
                }
            }
            return try await group.reduce(0, +)
        }
        print("model: \(Self.runs) runs of \(Self.steps) steps, \(events) events; no difference")
        #expect(events > UInt64(Self.runs * Self.steps) / 2)
    }

    @Test("a mistake in the model is found, whichever", arguments: Model.Mistake.allCases)
    func mistakes(mistake: Model.Mistake) async throws {
        await #expect(throws: ModelRun.Difference.self) {
            // A single run may not come by it.
            for seed in 1...20 as ClosedRange<UInt64> {
                var run = try await ModelRun(seed: seed, mistake: mistake)
                try await run.run(120)
            }
        }
    }
}
