import Foundation
import JournalFileSystem
import JournalTesting
import SegmentLog
import SystemPackage
import Testing

@testable import AgentJournal

@Suite("Snapshots") struct SnapshotTests {
    private func options(_ disk: SimulatedDisk, events: UInt64 = .max) -> Journal.Options {
        var options = AgentJournalTests.options(disk, segmentBytes: 8192)
        options.snapshotEvents = events
        return options
    }

    private func open(_ disk: SimulatedDisk, events: UInt64 = .max) async throws -> Journal {
        try await Journal.open(at: directory, options: options(disk, events: events))
    }

    private func snapshots(_ disk: SimulatedDisk) -> [FilePath] {
        disk.paths.filter { $0.string.hasSuffix(".snapshot") }.sorted { $0.string < $1.string }
    }

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
            if FormatReaderTests.isExhaustive || step % 8 == 0 {
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

    @Test("damaged, cut or removed it costs nothing but time while the log reaches back")
    func damage() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<300 { try await journal.conversation("c\(number % 7)").add("text \(number)") }
        try await journal.snapshot()
        try await journal.conversation("a").add("later")
        let digest = try journal.view().digest()
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let bytes = try disk.contents(of: path)
        for offset in [0, 12, 30, 70, bytes.count / 2, bytes.count - 70, bytes.count - 30, bytes.count - 1] {
            var flipped = bytes
            flipped[offset] ^= 4
            try disk.replaceContents(of: path, with: flipped)
            let report = try Journal.verify(at: directory, fileSystem: disk)
            #expect(report.problems.map(\.kind) == ["snapshot"], "offset \(offset)")
            let again = try await open(disk)
            #expect(try again.view().digest() == digest, "offset \(offset)")
            #expect(try await again.texts("c3").count == 43)
            try await again.close()
        }
        for length in [0, 63, 100, bytes.count - 1] {
            try disk.replaceContents(of: path, with: Array(bytes[..<length]))
            let again = try await open(disk)
            #expect(try again.view().digest() == digest)
            try await again.close()
        }
        for path in snapshots(disk) { try disk.remove(path) }
        // Nor does something else of that name, or a disk that cannot read it.
        let copy = disk.crash(keeping: .everything)
        try copy.createDirectory("/srv/memory/snapshots/00000000000000000009.snapshot")
        let beside = try await open(copy)
        #expect(try beside.view().digest() == digest)
        try await beside.close()
        #expect(try Journal.verify(at: directory, fileSystem: copy).problems.map(\.kind) == ["snapshot"])
        try disk.replaceContents(of: path, with: bytes)
        disk.failNext(.read, at: path, with: .inputOutputError)
        let unread = try await open(disk)
        #expect(try unread.view().digest() == digest)
        try await unread.close()
        for path in snapshots(disk) { try disk.remove(path) }
        let again = try await open(disk)
        #expect(try !again.view().liesUponSnapshot)
        #expect(try again.view().digest() == digest)
        // The next one is whole again.
        try await again.snapshot()
        try await again.close()
        #expect(try Journal.verify(at: directory, fileSystem: disk).isHealthy)
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

    @Test("whatever part of it is damaged, each way of looking gives what it gave")
    func damagedParts() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<30 {
            try await journal.conversation("c\(number % 3)").add(
                "text \(number)", idempotencyKey: "\(number)")
        }
        try await journal.flush(label: "here")
        try await journal.snapshot()
        try await journal.conversation("c1").clear()
        try await journal.flush(label: "there")
        let digest = try journal.view().digest()
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let bytes = try disk.contents(of: path)
        for offset in stride(from: 1, to: bytes.count, by: FormatReaderTests.isExhaustive ? 1 : 23) {
            let disk = disk.crash(keeping: .everything)
            var flipped = bytes
            flipped[offset] ^= 1
            try disk.replaceContents(of: path, with: flipped)
            for look in 0..<6 {
                var options = options(disk)
                options.access = look % 2 == 0 ? .readOnly : .readWrite
                let again = try await Journal.open(at: directory, options: options)
                switch look {
                case 0: #expect(try again.view().digest() == digest, "offset \(offset)")
                case 1:
                    #expect(try await again.conversation("c0").lastSequence() == 28)
                    try disk.replaceContents(of: path, with: flipped)
                case 2: #expect(try await again.view(at: .label("here")).count == 30)
                case 3: try await again.conversation("c0").replace(1, with: "text 0")
                case 4: #expect(try await again.texts("c2").count == 10)
                default:
                    let count = try again.view().count
                    #expect(count == 20, "offset \(offset)")
                }
                try await again.close()
            }
        }
    }

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

    @Test("a damaged snapshot is no second one, and one of another journal is none")
    func second() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<20 { try await journal.conversation("a").add("\(number)") }
        try await journal.compact(keepingHistory: .none)
        try await journal.conversation("a").add("more")
        try await journal.snapshot()
        try await journal.close()
        let two = snapshots(disk)
        #expect(two.count == 2)
        let whole = try disk.contents(of: two[1])
        var foreign = whole
        foreign[16] ^= 1
        let crc = foreign.withUnsafeBytes { Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: $0[..<60])) }
        foreign.replaceSubrange(60..<64, with: withUnsafeBytes(of: crc.littleEndian) { Array($0) })
        for bytes in [foreign, Array(whole.dropLast())] {
            try disk.replaceContents(of: two[1], with: bytes)
            #expect(try Journal.verify(at: directory, fileSystem: disk).problems.map(\.kind) == ["snapshot"])
            var readOnly = options(disk)
            readOnly.access = .readOnly
            let again = try await Journal.open(at: directory, options: readOnly)
            #expect(try again.view().liesUponSnapshot)
            #expect(try await again.texts("a").last == "more")
            try await again.close()
        }
        // Names that are none are passed over.
        for name in ["+0000000000000000099", "18446744073709551615"] {
            try disk.openFile(directory.appending("snapshots/\(name).snapshot"), .createNew).close()
        }
        let again = try await open(disk)
        try await again.conversation("a").add("yet more")
        #expect(try await again.snapshot() == 23)
        #expect(snapshots(disk).filter { two.contains($0) } == [two[0]])
        #expect(try await again.view(at: .sequence(22)).count == 21)
        #expect(try await again.texts("a").count == 22)
        try await again.close()
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

    @Test("a snapshot beyond the log's end is damage")
    func beyond() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("a").add("one")
        try await journal.close()
        let short = disk.crash(keeping: .everything)
        let more = try await open(disk)
        try await more.conversation("a").add("two")
        try await more.snapshot()
        try await more.close()
        let path = try #require(snapshots(disk).first)
        try short.replaceContents(of: path, with: try disk.contents(of: path))
        #expect(await code { _ = try await open(short) } == .damaged)
        #expect(try !Journal.verify(at: directory, fileSystem: short).isHealthy)
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
        for call in stride(from: 0, to: count, by: FormatReaderTests.isExhaustive ? 1 : 5) {
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
            spills.insert(reader.engine.box.withLock { $0.below.tables.count })
            #expect(try reader.view().count == count)
            #expect(try reader.view().conversations().map(\.count).reduce(0, +) == count)
            try await reader.close()
        }
        #expect(spills.isSuperset(of: [0, 1, 2]))
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
        #expect(journal.engine.box.withLock { $0.below.tables.count } > 3)
        #expect(try journal.view().digest() == digest)
        #expect(try await journal.statistics().memories == journal.view().count)
        try await journal.snapshot()
        #expect(try journal.view().digest() == digest)
        #expect(journal.engine.box.withLock { $0.below.tables.count } == 1)
        try await journal.close()
    }

    @Test("what is salvaged of a journal without its history is what the snapshot and the log have")
    func salvaging() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<20 { try await journal.conversation("a").add("\(number)") }
        try await journal.compact(keepingHistory: .none)
        let before = try journal.view().digest()
        try await journal.conversation("a").forget(1)
        try await journal.conversation("a").add("later")
        let digest = try journal.view().digest()
        try await journal.close()
        let whole = try Journal.salvagedView(at: directory, fileSystem: disk)
        #expect(try whole.view.digest() == digest)
        #expect(whole.report.problems == [])
        #expect(try Journal.salvage(at: directory, fileSystem: disk) { _ in }.problems == [])
        let past = try Journal.salvagedView(at: directory, point: .sequence(21), fileSystem: disk)
        #expect(try past.view.digest() == before)
        // The log behind the snapshot is damaged from its first frame on.
        let segment = try #require(disk.paths.last { $0.string.hasSuffix(".segment") })
        try disk.corrupt(segment, at: 1024, xor: 1)
        let rest = try Journal.salvagedView(at: directory, fileSystem: disk)
        #expect(try rest.view.count >= 20)
        #expect(rest.report.problems.map(\.kind) == ["frame"])
        for path in snapshots(disk) { try disk.remove(path) }
        let none = try Journal.salvagedView(at: directory, fileSystem: disk)
        #expect(none.report.problems.map(\.kind) == ["missing_segment", "frame"])
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
        #expect(reader.engine.box.withLock { $0.lastSequence } == 0)
        #expect(try reader.pastView(at: .label("end")).count == 50)
        #expect(try await reader.texts("a").count == 50)
        #expect(reader.engine.box.withLock { $0.below.tables.count } > 0)
        try await reader.close()
    }

    @Test("of a damaged snapshot that nothing else can replace, the sound blocks are salvaged")
    func salvagingBlocks() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        // Text that does not shrink, for several blocks.
        var random = Random(7)
        for number in 0..<40 {
            let bytes = (0..<8000).map { _ in UInt8.random(in: 33...126, using: &random) }
            try await journal.conversation("c\(number % 4)").add(
                .text(String(decoding: bytes, as: UTF8.self)))
        }
        try await journal.compact(keepingHistory: .none)
        try await journal.conversation("c0").forget(1)
        try await journal.conversation("c3").add("later")
        let all = try await journal.conversation("c0").memories().map(\.sequence)
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let length = try #require(try disk.status(of: path)).length
        // Any one place: the ends, the index, a block. All but the memories of one block are there.
        for offset in [0, 20, length / 3, length / 2, 2 * length / 3, length - 100, length - 30, length - 1] {
            let copy = disk.copy()
            try copy.corrupt(path, at: Int(offset), xor: 0x10)
            let (view, report) = try Journal.salvagedView(at: directory, fileSystem: copy)
            #expect(report.problems.contains { $0.kind == "snapshot" }, "\(offset)")
            let count = try view.count
            #expect((28...40).contains(count), "\(offset): \(count)")
            #expect(try view.memories(in: "c3").last?.content.text == "later")
            let rest = try view.memories(in: "c0").map(\.sequence)
            #expect(Set(rest).isSubset(of: all) && !rest.contains(1))
            let past = try Journal.salvagedView(at: directory, point: .sequence(20), fileSystem: copy).view
            #expect(try past.count > 0)
            let early = try past.conversations().flatMap { try past.memories(in: $0.name) }
            #expect(early.allSatisfy { $0.sequence <= 20 })
        }
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
        while last < 61 {
            var options = options(disk)
            options.access = .readOnly
            let reader = try await Journal.open(at: directory, options: options)
            let count = try reader.view().count
            #expect(count >= last)
            last = count
            try await reader.close()
        }
        try await writer.value
        try await journal.close()
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
