import AgentJournal
import Foundation
import Logging
import Testing

/// The example agent, killed with SIGKILL at random moments, and started again on the same journal.
///
/// The parent holds every receipt through a pipe. That tests recovery, not fsync: the page cache survives the process.
/// A tenth of the rounds of `WriterKillTests`, which looks closer: this one is about what users copy from.
struct KillTests {
    private let rounds = max(10, KillSettings.rounds / 10)
    private let seed = KillSettings.seed

    @Test func everyReceiptIsBackAfterEveryKill() async throws {
        try await withTemporaryDirectory { directory in
            var random = SplitMix(state: seed)
            var acknowledged: Set<UInt64> = []
            var journal = directory.appending("0")
            for round in 0..<rounds {
                // Now and then anew: killed while it is being made, and replaying what is there stays short.
                if round % 20 == 0 {
                    journal = directory.appending("\(round)")
                    acknowledged = []
                }
                // Half of the moments lie in the start of the process and the opening.
                let latest = Bool.random(using: &random) ? 40 : 160
                let delay = Duration.milliseconds(Int.random(in: 0...latest, using: &random))
                acknowledged.formUnion(try await receipts(of: journal, killedAfter: delay))
                try await check(journal, acknowledged, "round \(round), killed after \(delay), seed \(seed)")
            }
        }
    }

    @Test func anAgentThatEndsByItselfHasAllItsTurns() async throws {
        try await withTemporaryDirectory { directory in
            let journal = directory.appending("journal")
            #expect(try await receipts(of: journal, turns: 5) == Set(1...20))
            // Again: the last turn is repeated, and gives the receipts it gave before.
            #expect(try await receipts(of: journal, turns: 6) == Set(17...24))
            try await check(journal, Set(1...24), "no kill")
        }
    }

    /// That the tests would notice: as a trap does, it ends itself by a signal before it is killed.
    @Test func aCrashIsNotTakenForTheKill() async {
        await withKnownIssue {
            _ = try await ChildProcess.lines(
                of: URL(filePath: "/bin/sh"), ["-c", "kill -ILL $$"], killedAfter: .milliseconds(200))
        }
    }

    /// What was acknowledged is there; what is there is the script's beginning, each memory once.
    private func check(_ path: FilePath, _ acknowledged: Set<UInt64>, _ what: String) async throws {
        var options = Journal.Options()
        options.logger.logLevel = .critical
        let memories = try await Journal.withOpen(at: path, options: options) { journal in
            try await journal.conversation("support/user-42").memories()
        }
        #expect(memories.map(\.sequence) == Array(1..<UInt64(memories.count + 1)), "\(what)")
        let steps = ["user", "call", "result", "reply"]
        for (index, memory) in memories.enumerated() {
            let key = "turn-\(index / steps.count)-\(steps[index % steps.count])"
            #expect(memory.idempotencyKey == key, "sequence \(memory.sequence), \(what)")
        }
        #expect(acknowledged.max() ?? 0 <= memories.count, "\(what)")
    }

    /// Runs the agent, kills it if that is asked for, and returns the receipts that came through the pipe.
    private func receipts(
        of journal: FilePath, turns: Int = .max, killedAfter delay: Duration? = nil
    ) async throws -> Set<UInt64> {
        let lines = try await ChildProcess.lines(
            of: "example-agent", [journal.string, "--turns", "\(turns)"], killedAfter: delay)
        return Set(lines.compactMap { UInt64($0) })
    }
}
