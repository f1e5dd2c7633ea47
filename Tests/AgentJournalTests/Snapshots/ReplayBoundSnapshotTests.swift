import JournalTesting
import Testing

@testable import AgentJournal

@Suite("Replay within a bound of memory") struct ReplayBoundSnapshotTests: OnSnapshots {
    @Test("memories are counted right after any number of spills")
    func countedSpills() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<200 { try await journal.conversation("c\(number % 9)").add("text \(number)") }
        try await journal.conversation("c1").clear()
        try await journal.conversation("c2").forget(3)
        let count = try journal.view().count
        try await journal.close()
        var spills: Set<Int> = []
        for share in stride(from: 2, through: 60, by: 2) {
            var bounded = options(disk)
            bounded.access = .readOnly
            bounded.replayBytes = share * 3000
            let reader = try await Journal.open(at: directory, options: bounded)
            spills.insert(try reader.engine.box.withLock { $0.below.tables.count })
            #expect(try reader.view().count == count)
            #expect(try reader.view().conversations().map(\.count).reduce(0, +) == count)
            try await reader.close()
        }
        #expect(spills.isSuperset(of: [0, 1, 2]))
    }

    @Test("an export of many conversations reads each block of many tables once")
    func manyConversations() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<600 { try await journal.conversation("c\(number * 7 % 600)").add("text \(number)") }
        for number in 0..<60 { try await journal.conversation("c\(number * 9)").clear() }
        let digest = try journal.view().digest()
        try await journal.close()
        var bounded = options(disk)
        bounded.access = .readOnly
        bounded.replayBytes = 40_000
        // Else what is read again would not be seen.
        bounded.cacheBytes = 0
        let reader = try await Journal.open(at: directory, options: bounded)
        let tables = try reader.engine.box.withLock { $0.below.tables.count }
        #expect(tables > 5)
        let view = try reader.view()
        let before = disk.calls.count
        #expect(try view.digest() == digest)
        // Each table is read from its conversations on and from its memories on, an index and a few blocks.
        #expect(disk.calls.count - before < tables * 20)
        try await reader.close()
    }

    @Test("a replay within a bound of memory gives the same state")
    func bounded() async throws {
        let disk = SimulatedDisk()
        var shapes = try await Shapes(seed: 9, directory: directory, options: options(disk))
        for _ in 0..<300 { try await shapes.step() }
        let digest = try shapes.journalForTesting.view().digest()
        try await shapes.close()
        var bounded = options(disk)
        bounded.replayBytes = 20_000
        let journal = try await Journal.open(at: directory, options: bounded)
        #expect(try journal.engine.box.withLock { $0.below.tables.count } > 3)
        #expect(try journal.view().digest() == digest)
        #expect(try await journal.statistics().memories == journal.view().count)
        try await journal.snapshot()
        #expect(try journal.view().digest() == digest)
        #expect(try journal.engine.box.withLock { $0.below.tables.count } == 1)
        try await journal.close()
    }

    @Test(
        "an opening that needs no state builds none, and what is asked for later is built within the bound of memory"
    )
    func skippedReplay() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<50 { try await journal.conversation("a").add("\(number)") }
        try await journal.flush(label: "end")
        try await journal.close()
        var options = options(disk, events: 10)
        options.access = .readOnly
        options.skipsReplay = true
        options.replayBytes = 1
        let reader = try await Journal.open(at: directory, create: .never, options: options)
        #expect(try reader.engine.box.withLock { $0.lastSequence } == 0)
        #expect(try reader.pastView(at: .label("end")).count == 50)
        #expect(try await reader.texts("a").count == 50)
        #expect(try reader.engine.box.withLock { $0.below.tables.count } > 0)
        try await reader.close()
    }
}
