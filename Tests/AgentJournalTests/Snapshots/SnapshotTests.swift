import JournalTesting
import SystemPackage
import Testing

@testable import AgentJournal

@Suite("Snapshots") struct SnapshotTests: OnSnapshots {
    @Test("what is in it is there again, and what came after it")
    func opening() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        let a = journal.conversation("a")
        let first = try await a.add("one", idempotencyKey: "k")
        try await a.add(contentsOf: ["two", "three"])
        try await journal.conversation("b").add("other", role: .user, metadata: ["x": 1])
        try await journal.flush(label: "here")
        try await a.forget(2)
        #expect(try await journal.snapshot() == 6)
        try await a.add("four")
        try await journal.close()
        #expect(snapshots(disk).count == 1)
        disk.resetCalls()
        let again = try await open(disk)
        #expect(try again.view().liesUponSnapshot)
        #expect(try await again.texts("a") == ["one", "three", "four"])
        #expect(try await again.conversation("a").memories(last: 2).map(\.sequence) == [3, 7])
        #expect(try await again.conversation("a").memories(last: 2, before: 3).map(\.sequence) == [1])
        #expect(try await again.conversations() == ["a", "b"])
        #expect(try await again.conversation("b").memories()[0].metadata["x"]?.intValue == 1)
        // Keys, labels and expected sequences are in it.
        let repeated = try await again.conversation("a").add("one", idempotencyKey: "k")
        #expect(
            repeated.isReplayed && repeated.sequence == first.sequence && repeated.recorded == first.recorded)
        #expect(
            await code { _ = try await again.conversation("a").add("uno", idempotencyKey: "k") }
                == .keyConflict)
        #expect(try await again.view(at: .label("here")).sequence == 5)
        #expect(try await again.conversation("b").lastSequence() == 4)
        #expect(
            await code { _ = try await again.conversation("b").add("x", expecting: 3) } == .unexpectedSequence
        )
        try await again.conversation("b").add("x", expecting: 4)
        // What lies below can be forgotten, replaced and cleared.
        try await again.conversation("a").replace(3, with: "drei")
        #expect(try await again.texts("a") == ["one", "four", "drei"])
        #expect(await code { _ = try await again.conversation("a").forget(3) } == .noSuchMemory)
        #expect(await code { _ = try await again.conversation("a").forget(2) } == .noSuchMemory)
        try await again.conversation("b").clear()
        #expect(try await again.conversations() == ["a"])
        let digest = try again.view().digest()
        #expect(try again.replayedView().digest() == digest)
        try await again.snapshot()
        #expect(try again.view().digest() == digest)
        #expect(try again.view().count == 3)
        try await again.close()
        let third = try await open(disk)
        #expect(try third.view().digest() == digest)
        #expect(try third.view().count == 3)
        #expect(snapshots(disk).count == 1)
        try await third.close()
    }

    @Test(
        "a digest is the same from scratch, from a snapshot, after compaction, and at points",
        arguments: 1...6)
    func digests(seed: UInt64) async throws {
        let disk = SimulatedDisk()
        var random = Random(seed)
        var shapes = try await Shapes(
            seed: seed, directory: directory, options: options(disk, events: seed % 2 == 0 ? 37 : .max))
        var points: [(UInt64, String)] = []
        for step in 0..<170 {
            try await shapes.step()
            switch random.next() % 40 {
            case 0: try await shapes.journalForTesting.snapshot()
            case 1: try await shapes.journalForTesting.compact()
            case 2: try await shapes.reopen()
            default: break
            }
            if Thoroughness.isExhaustive || step % 8 == 0 {
                let view = try shapes.journalForTesting.view()
                points.append((view.sequence, try view.digest()))
            }
        }
        let journal = shapes.journalForTesting
        let digest = try journal.view().digest()
        try await journal.snapshot()
        for _ in 0..<2 {
            #expect(try journal.view().digest() == digest)
            #expect(try journal.replayedView().digest() == digest)
            for (sequence, digest) in points {
                #expect(try await journal.view(at: .sequence(sequence)).digest() == digest, "at \(sequence)")
            }
            #expect(try await journal.verify().isHealthy)
            try await journal.compact()
        }
        try await shapes.reopen()
        #expect(try shapes.journalForTesting.view().digest() == digest)
        #expect(
            try await shapes.journalForTesting.statistics().memories == shapes.journalForTesting.view().count)
        try await shapes.close()
    }

    @Test("a view does not change while a snapshot takes the place of the state")
    func viewsStay() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("a").add(contentsOf: ["1", "2", "3"])
        let before = try journal.view()
        let digest = try before.digest()
        try await journal.conversation("a").forget(2)
        try await journal.snapshot()
        try await journal.conversation("a").add("4")
        try await journal.conversation("a").clear()
        #expect(try before.digest() == digest)
        #expect(try before.memories(in: "a").count == 3)
        try await journal.snapshot()
        #expect(try before.digest() == digest)
        #expect(try journal.view().count == 0)
        try await journal.close()
    }

    @Test("what came after a snapshot that failed is in the next one, whatever asked for it")
    func leftOver() async throws {
        for retention in [nil, Retention.all, Retention.none] {
            let disk = SimulatedDisk()
            let journal = try await open(disk)
            for number in 0..<50 { try await journal.conversation("a").add("text \(number)") }
            disk.failNext(.syncDirectory, at: "/srv/memory/snapshots", with: .inputOutputError)
            #expect(await code { try await journal.snapshot() } == .system)
            for number in 50..<100 { try await journal.conversation("a").add("text \(number)") }
            try await journal.conversation("a").forget(7)
            let digest = try journal.view().digest()
            if let retention {
                let report = try await journal.compact(keepingHistory: retention)
                #expect(report.snapshotSequence >= 101)
            } else {
                #expect(try await journal.snapshot() == 101)
            }
            #expect(try journal.view().digest() == digest)
            #expect(try journal.view().count == 99)
            try await journal.close()
            #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [])
            let again = try await open(disk)
            #expect(try again.view().digest() == digest)
            try await again.close()
        }
    }

    @Test("after a failure it is tried again, when as many events came again")
    func retries() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk, events: 20)
        var number = 0
        // The failure comes in the background, some adds after it is due, and the next try as many events later.
        while try number < 200 || !journal.view().liesUponSnapshot {
            number += 1
            if number == 10 {
                disk.failNext(.syncDirectory, at: "/srv/memory/snapshots", with: .inputOutputError)
            }
            try await journal.conversation("a").add("text \(number)")
            try #require(number < 1_000_000, "it was not tried again")
        }
        #expect(try await journal.texts("a").count == number)
        try await journal.close()
    }

    @Test("a disk that fills, or fails, leaves things as they were", arguments: [Errno.noSpace, .ioError])
    func faults(error: Errno) async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<60 { try await journal.conversation("a").add("text \(number)") }
        let digest = try journal.view().digest()
        let snapshotsDirectory = "/srv/memory/snapshots/"
        for operation in [SimulatedDisk.Operation.write, .sync, .rename, .openFile] {
            disk.failNext(
                operation, at: FilePath(snapshotsDirectory + "00000000000000000060.snapshot.new"),
                with: SimulatedDisk.Fault(error))
            let found = await code { try await journal.snapshot() }
            #expect(found == (error == .noSpace ? .diskFull : .system), "\(operation)")
            #expect(snapshots(disk).isEmpty)
            #expect(try journal.view().digest() == digest)
        }
        try await journal.conversation("a").add("more")
        try await journal.snapshot()
        try await journal.snapshot()
        let more = try journal.view().digest()
        try await journal.close()
        let again = try await open(disk)
        #expect(try again.view().liesUponSnapshot)
        #expect(try again.view().digest() == more)
        try await again.close()
    }

    @Test("adds go on while snapshots are taken in the background")
    func background() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk, events: 50)
        try await withThrowingTaskGroup { group in
            for adder in 0..<4 {
                group.addTask {
                    for number in 0..<200 {
                        try await journal.conversation("c\(adder)").add(
                            "\(number)", idempotencyKey: "\(number)")
                    }
                }
            }
            try await group.waitForAll()
        }
        for adder in 0..<4 { #expect(try await journal.texts("c\(adder)") == (0..<200).map { "\($0)" }) }
        let digest = try journal.view().digest()
        #expect(try journal.replayedView().digest() == digest)
        try await journal.close()
        let again = try await open(disk)
        #expect(try again.view().liesUponSnapshot)
        #expect(try again.view().digest() == digest)
        try await again.close()
    }
}
