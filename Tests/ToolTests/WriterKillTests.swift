import AgentJournal
import Foundation
import Logging
import Testing

@testable import crash_writer

/// `crash-writer` (several adders, batches, flushes, snapshots, compactions), killed with SIGKILL at random moments and
/// started again on the same journal.
struct WriterKillTests {
    @Test func everyReceiptOfEveryAdderIsBackAfterEveryKill() async throws {
        try await withTemporaryDirectory { directory in
            var random = SplitMix(state: KillSettings.seed)
            var record = WriterRecord()
            var journal = directory
            var receipts = 0
            for round in 0..<KillSettings.rounds {
                // Now and then anew: killed while it is being made, and reading what is there stays short.
                if round % 10 == 0 {
                    receipts += record.acknowledgedCount
                    journal = directory.appending("\(round)")
                    record = WriterRecord()
                }
                // Half of the moments lie in the start of the process and the opening.
                let latest = Bool.random(using: &random) ? 30 : 120
                let delay = Duration.milliseconds(Int.random(in: 0...latest, using: &random))
                let what = "round \(round), killed after \(delay), seed \(KillSettings.seed)"
                record.note(
                    try await ChildProcess.lines(of: "crash-writer", [journal.string], killedAfter: delay),
                    what)
                try await check(journal, &record, what, using: &random)
            }
            receipts += record.acknowledgedCount
            #expect(
                receipts > KillSettings.rounds, "kills that come before anything is acknowledged show nothing"
            )
            print("\(KillSettings.rounds) kills, \(receipts) events acknowledged before them")
        }
    }

    @Test func aWriterThatIsToldToEndClosesItsJournal() async throws {
        try await withTemporaryDirectory { directory in
            let journal = directory.appending("journal")
            let lines = try await ChildProcess.lines(
                of: "crash-writer", [journal.string, "--until", "/dev/null"])
            #expect(lines == ["open", "closed"])
        }
    }

    /// That the comparison would notice: a receipt whose event is not there, the first part of a batch alone, a step left
    /// out, a part that no step has.
    @Test(arguments: [
        [], [(0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 3, 0)], [(0, 0, 0), (0, 2, 0)], [(0, 0, 0), (0, 0, 7)],
    ])
    func whatIsWrongIsNoticed(_ added: [(adder: Int, step: Int, part: Int)]) async throws {
        try await withTemporaryDirectory { directory in
            let journal = try await Journal.open(at: directory.appending("journal"))
            for (adder, step, part) in added {
                let memory = Script.memory(of: adder, step: step, part: part)
                try await journal.conversation(Script.conversation(of: adder, part: 0)).add(
                    contentsOf: [memory])
            }
            var events: [Event] = []
            for try await event in journal.events() { events.append(event) }
            try await journal.close()
            var record = WriterRecord()
            record.note(["add 0 0 1"], "as it should be")
            withKnownIssue { record.compare(with: events, "wrong on purpose") }
        }
    }

    private func check(
        _ path: FilePath, _ record: inout WriterRecord, _ what: String, using random: inout SplitMix
    ) async throws {
        if record.acknowledgedCount > 0 {
            #expect(try await Journal.verify(at: path).problems.isEmpty, "before recovery, \(what)")
        }
        var options = Journal.Options()
        options.logger.logLevel = .critical
        let journal = try await Journal.open(at: path, options: options)
        var events: [Event] = []
        for try await event in journal.events() { events.append(event) }
        record.compare(with: events, what)

        // A retry gives the first receipt.
        if let (step, receipts) = record.acknowledged.randomElement(using: &random) {
            let memory = Script.memory(of: step.adder, step: step.number, part: 0)
            let receipt = try await journal.conversation(Script.conversation(of: step.adder, part: 0)).add(
                memory.content, role: memory.role, metadata: memory.metadata,
                idempotencyKey: memory.idempotencyKey)
            #expect(receipt.isReplayed && receipt.sequence == receipts[0], "\(step), \(what)")
        }
        try await journal.close()
        #expect(try await Journal.verify(at: path).problems.isEmpty, "after recovery, \(what)")
    }
}
