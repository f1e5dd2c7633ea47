import JournalTesting
import Testing

@testable import AgentJournal

@Suite("Readers beside compaction") struct ReadersOfSnapshotTests: OnSnapshots {
    @Test("one who has followed everything goes on when all of it is let go", arguments: [true, false])
    func followingBesideLettingGo(isBeside: Bool) async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        var reading = options(disk.asProcess(pid: 77))
        reading.access = .readOnly
        try await journal.conversation("a").add("1")
        let reader = isBeside ? try await Journal.open(at: directory, options: reading) : journal
        var events = reader.follow().makeAsyncIterator()
        #expect(try await events.next()?.sequence == 1)
        try await journal.compact(keepingHistory: .none)
        // Of what let it go the event may be gone itself.
        var next = try? await events.next()
        if next == nil { events = reader.follow(after: 2).makeAsyncIterator() }
        try await journal.conversation("a").add("3")
        next = try await events.next()
        #expect(next?.sequence == 3)
        try await journal.compact(keepingHistory: .none)
        try await journal.conversation("a").add("5")
        let found = await code { _ = try await events.next() }
        #expect(found == nil || found == .noSuchPoint)
        if isBeside { try await reader.close() }
        try await journal.close()
    }

    @Test("a reader that slept through a compaction goes on from the snapshot")
    func readerBesideACompaction() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("a").add(contentsOf: ["1", "2"])
        var reading = options(disk.asProcess(pid: 77))
        reading.access = .readOnly
        let reader = try await Journal.open(at: directory, options: reading)
        #expect(try await reader.texts("a") == ["1", "2"])
        let view = try reader.view()
        try await journal.conversation("a").add("3")
        try await journal.compact(keepingHistory: .none)
        try await journal.conversation("a").add("4")
        #expect(try await reader.texts("a") == ["1", "2", "3", "4"])
        #expect(try view.memories(in: "a").count == 2)
        try await journal.compact(keepingHistory: .none)
        let another = try await Journal.open(at: directory, options: reading)
        #expect(try await another.texts("a") == ["1", "2", "3", "4"])
        for journal in [another, reader, journal] { try await journal.close() }
    }

    @Test("a journal can be opened for reading while it is compacted")
    func openingBesideCompaction() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("a").add("first")
        let writer = Task {
            for number in 0..<60 {
                try await journal.conversation("a").add("\(number)")
                try await journal.compact(keepingHistory: .none)
            }
        }
        var last = 0
        // So many at most, for it would else only take the processor from the writer, where other tests do so too.
        for _ in 0..<300 where last < 61 {
            var options = options(disk)
            options.access = .readOnly
            let reader = try await Journal.open(at: directory, options: options)
            let count = try reader.view().count
            #expect(count >= last)
            last = count
            try await reader.close()
            // None of this need give up its thread, which the writer may be waiting for.
            await Task.yield()
        }
        try await writer.value
        #expect(try journal.view().count == 61)
        try await journal.close()
    }
}
