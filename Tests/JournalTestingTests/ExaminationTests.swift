import AgentJournal
import Testing

@testable import JournalTesting

/// What the explorer asks of a journal, asked of one that is whole, by somebody who expects something else.
@Suite("An examination notices")
struct ExaminationTests {
    /// Adds, a label that is given again, forgetting, and history that is let go where `drops`.
    private func run(drops: Bool = false) throws -> CrashRun {
        let run = CrashRun()
        try run.begin()
        for step in [CrashStep.add, .flush, .add, .flush, .forget, .flush] + (drops ? [.drop, .add] : []) {
            try run.perform(step)
        }
        return run
    }

    /// What is wrong with a run's journal, when one of its events is thought to be another.
    private func problem(
        _ run: CrashRun, at index: Int? = nil, _ change: (inout ExpectedHistory.Event) -> Void = { _ in }
    ) throws -> String? {
        var history = ExpectedHistory()
        for (place, event) in run.history.events.enumerated() {
            var event = event
            if place == index { change(&event) }
            history.append([event])
        }
        let bounds = CrashRun.Bounds(acknowledged: run.acknowledged, appended: history.lastSequence)
        var examination = Examination(history, bounds)
        do {
            try examination.check(try #require(run.journal), bounds)
            try examination.checkPast(try #require(run.journal))
            return nil
        } catch let error as Examination.Broken {
            return error.description
        }
    }

    @Test("nothing where all is right", arguments: [false, true])
    func right(drops: Bool) throws {
        #expect(try problem(run(drops: drops)) == nil)
    }

    @Test("another role, metadata, text or key of a memory that is there")
    func contents() throws {
        let run = try run()
        for change in [
            { $0.role = .tool }, { $0.role = .user }, { $0.metadata = ["other": true] },
            { $0.text = "other" },
            { $0.key = nil }, { $0.conversation = CrashRun.names[1] },
        ] as [(inout ExpectedHistory.Added) -> Void] {
            let found = try problem(run, at: 2) { event in
                guard case .added(var added) = event else { return }
                change(&added)
                event = .added(added)
            }
            #expect(found?.hasPrefix("after 6 events: ") == true)
        }
    }

    @Test("another event in the log, also where the state is the same")
    func events() throws {
        let run = try run()
        let forgotten = try problem(run, at: 0) { $0 = .cleared(CrashRun.names[1]) }
        #expect(forgotten?.hasPrefix("in the log, ") == true)
        for label in ["flush 0", nil] as [String?] {
            let found = try problem(run, at: 1) { $0 = .flushed(label: label) }
            #expect(found?.hasPrefix("in the log, ") == true)
        }
        let other = try problem(run, at: 4) { event in
            event = .forgotten(1, conversation: CrashRun.names[1])
        }
        #expect(other?.hasPrefix("in the log, ") == true)
    }

    @Test("history that is gone and was not let go")
    func gone() throws {
        let found = try problem(run(drops: true), at: 6) { $0 = .flushed(label: nil) }
        #expect(found == "the log begins with 8, and that was not let go")
    }

    @Test("a label that leads elsewhere")
    func label() throws {
        let run = try run()
        var history = ExpectedHistory()
        for event in run.history.events.dropLast() { history.append([event]) }
        history.append([.flushed(label: "other")])
        var examination = Examination(history, .init(acknowledged: 6, appended: 6))
        let found = #expect(throws: Examination.Broken.self) {
            try examination.checkPast(try #require(run.journal))
        }
        #expect(found?.description.contains("label") == true)
    }
}
