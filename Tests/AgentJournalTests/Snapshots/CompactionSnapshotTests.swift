import JournalTesting
import Testing

@testable import AgentJournal

@Suite("Compaction") struct CompactionSnapshotTests: OnSnapshots {
    @Test("what is in the log can be looked back to, however many snapshots are taken since")
    func lookingBack() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("c").add("before")
        try await journal.compact(keepingHistory: .none)
        let first = try await journal.conversation("c").add("first").sequence
        for number in 0..<4 {
            try await journal.conversation("c").add("text \(number)")
            try await journal.snapshot()
            #expect(snapshots(disk).count == 2)
        }
        let view = try await journal.view(at: .sequence(first))
        #expect(try view.memories(in: "c").compactMap(\.content.text) == ["before", "first"])
        try await journal.close()
    }

    @Test("history that is let go is gone, and nothing else")
    func lettingGo() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<200 {
            try await journal.conversation("c\(number % 7)").add(
                "text \(number)", idempotencyKey: "key \(number)")
        }
        try await journal.flush(label: "then")
        let digest = try journal.view().digest()
        let planned = try await journal.compact(keepingHistory: .none, dryRun: true)
        #expect(planned.isDryRun && planned.floor == 201 && planned.removed.count > 1)
        let before = disk.paths.filter { $0.string.contains("/log/") }
        #expect(try journal.replayedView().digest() == digest)
        let done = try await journal.compact(keepingHistory: .none)
        #expect(done.removed == planned.removed)
        #expect(done.floor == 202 && done.firstSequence == 203 && done.snapshotSequence == 202)
        #expect(!disk.paths.contains { before.contains($0) })
        #expect(try journal.view().digest() == digest)
        #expect(await code { _ = try await journal.view(at: .sequence(100)) } == .noSuchPoint)
        #expect(await code { _ = try await journal.view(at: .label("then")) } == .noSuchPoint)
        #expect(await code { for try await _ in journal.events() {} } == .noSuchPoint)
        #expect(try await journal.conversation("c1").add("text 1", idempotencyKey: "key 1").isReplayed)
        try await journal.conversation("c1").add("later")
        let later = try journal.view().digest()
        try await journal.close()
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [])
        let again = try await open(disk)
        #expect(try again.view().digest() == later)
        #expect(try await again.view(at: .sequence(202)).digest() == digest)
        // From now on two snapshots are kept.
        try await again.snapshot()
        #expect(snapshots(disk).count == 2)
        try await again.close()
        // Of the newer one damaged, the older and the log give the same.
        let newest = try #require(snapshots(disk).last)
        try disk.replaceContents(of: newest, with: [1, 2, 3])
        let third = try await open(disk)
        #expect(try third.view().digest() == later)
        try await third.close()
        // With none there is no memory, and that is never shown as an empty one.
        for path in snapshots(disk) { try disk.remove(path) }
        #expect(await code { _ = try await open(disk) } == .damaged)
        #expect(try !Journal.verify(at: directory, fileSystem: disk).isHealthy)
    }

    @Test("history that was let go is not missed, though the snapshot that says so is damaged")
    func floorInTheLog() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        var options = options(disk)
        options.clock = { clock.now }
        let journal = try await Journal.open(at: directory, options: options)
        func fill() async throws {
            for _ in 0..<100 {
                clock.now = clock.now.advanced(by: .seconds(3600))
                try await journal.conversation("a").add("one more, and another one, and so on")
            }
        }
        try await fill()
        try await journal.compact()
        try await fill()
        let report = try await journal.compact(keepingHistory: .duration(.seconds(90 * 3600)))
        let digest = try journal.view().digest()
        try await journal.close()
        // Two are kept from the first drop on.
        let two = snapshots(disk)
        try #require(two.count == 2 && report.firstSequence > 1)
        #expect(report.removed.allSatisfy { $0.sequences != nil })
        try disk.replaceContents(of: two[1], with: [1, 2, 3])
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems.map(\.kind) == ["snapshot"])
        let again = try await open(disk)
        #expect(try again.view().digest() == digest)
        try await again.close()
        // With no snapshot that covers it, it is missed.
        try disk.remove(two[0])
        let kinds = try Journal.verify(at: directory, fileSystem: disk).problems.map(\.kind)
        #expect(kinds == ["missing_segment", "snapshot"])
    }

    @Test("retentions of any number of days make sense")
    func manyDays() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("a").add("1")
        for days in [Int.min, -1, 0, 1 << 20, 1 << 40, Int.max] {
            try await journal.compact(keepingHistory: .days(days))
        }
        #expect(try await journal.texts("a") == ["1"])
        try await journal.close()
    }

    @Test("retention by time needs a clock that can be believed")
    func clocks() async throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        clock.now = Timestamp("2026-01-01T00:00:00Z")!
        var options = options(disk)
        options.clock = { clock.now }
        let journal = try await Journal.open(at: directory, options: options)
        for day in 1...20 {
            clock.now = Timestamp("2026-01-\(day < 10 ? "0" : "")\(day)T00:00:00Z")!
            for number in 0..<40 { try await journal.conversation("a").add("day \(day) number \(number)") }
        }
        let digest = try journal.view().digest()
        for wrong in ["2036-01-01T00:00:00Z", "2025-01-01T00:00:00Z"] {
            clock.now = Timestamp(wrong)!
            #expect(await code { try await journal.compact(keepingHistory: .days(5)) } == .clockUncertain)
            #expect(try journal.replayedView().digest() == digest)
        }
        clock.now = Timestamp("2026-01-21T00:00:00Z")!
        let report = try await journal.compact(keepingHistory: .days(5))
        #expect(report.floor > 200 && report.floor < 640)
        #expect(try journal.view().digest() == digest)
        for try await event in journal.events(after: report.floor) {
            #expect(event.recorded >= Timestamp("2026-01-10T00:00:00Z")!)
            break
        }
        try await journal.close()
    }

    @Test("what is compacted right after opening is packed", arguments: [true, false])
    func compactingAtOnce(isClosed: Bool) async throws {
        var disk = SimulatedDisk()
        disk.keepsHistory = true
        var journal = try await open(disk)
        for number in 0..<60 { try await journal.conversation("c\(number % 3)").add("text \(number)") }
        let digest = try journal.view().digest()
        let killed = disk.crash(afterCall: disk.calls.count - 1, keeping: .everything)
        try await journal.close()
        if !isClosed { disk = killed }
        journal = try await open(disk)
        // After a crash there are two: what was not vouched for was written again.
        let planned = try await journal.compact(dryRun: true).packedSegments
        #expect(planned == (isClosed ? 1 : 2))
        // One of a single event is kept as it is: packed it would be larger.
        #expect(try await journal.compact().packedSegments == 1)
        #expect(try await journal.compact().packedSegments == 0)
        #expect(try journal.replayedView().digest() == digest)
        try await journal.close()
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [])
        journal = try await open(disk)
        #expect(try journal.view().digest() == digest)
        try await journal.close()
    }

    @Test(
        "a crash after any call of a compaction leaves the same memories", arguments: [Retention.all, .none])
    func crashes(retention: Retention) async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<60 {
            try await journal.conversation("c\(number % 3)").add(
                "text \(number)", idempotencyKey: "\(number)")
        }
        try await journal.conversation("c1").forget(2)
        let digest = try journal.view().digest()
        disk.resetCalls()
        disk.keepsHistory = true
        try await journal.compact(keepingHistory: retention)
        let count = disk.calls.count
        try await journal.close()
        #expect(count > 40)
        for call in stride(from: 0, to: count, by: Thoroughness.isExhaustive ? 1 : 5) {
            for kept in [SimulatedDisk.Kept.everything, .nothingUnsynced] {
                let crashed = disk.crash(afterCall: call, keeping: kept)
                let report = try Journal.verify(at: directory, fileSystem: crashed)
                #expect(report.problems == [], "after call \(call)")
                let again = try await open(crashed)
                #expect(try again.view().digest() == digest, "after call \(call)")
                try await again.compact(keepingHistory: retention)
                #expect(try again.view().digest() == digest, "after call \(call)")
                try await again.close()
                #expect(crashed.paths.allSatisfy { !$0.string.hasSuffix(".new") })
            }
        }
    }
}
