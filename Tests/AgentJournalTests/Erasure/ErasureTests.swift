import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import AgentJournal
@testable import SegmentLog

@Suite("Erasing what is forgotten")
struct ErasureTests {
    private static let words = [
        "canary-content", "canary-metadata", "canary-key", "canary-role", "canary/mime", "canary-name",
        "canary-replaced", "canary-torn",
    ]

    private static let secret = NewMemory(
        .text("a canary-content, that nobody must find again"), role: Role("canary-role"),
        mimeType: "canary/mime", metadata: ["about": "canary-metadata"], idempotencyKey: "canary-key")

    private func open(_ disk: SimulatedDisk) throws -> Journal {
        var options = options(disk, segmentBytes: 4096)
        options.lockTimeout = .milliseconds(200)
        return try Journal.openNow(at: directory, options: options)
    }

    /// A journal with the words in segments of every kind, in two snapshots, in what a torn write left, and in files half made.
    ///
    /// - Returns: the disk, for the process that comes next.
    private func fill(_ disk: SimulatedDisk = SimulatedDisk(pid: 1)) async throws -> SimulatedDisk {
        let journal = try open(disk)
        for number in 0..<40 {
            try await journal.conversation("old").add("old \(number), which takes some room in a segment")
        }
        try await journal.compact(keepingHistory: .none)
        let living = journal.conversation("living")
        try await living.add("stays", idempotencyKey: "stays")
        try await living.add(contentsOf: [Self.secret])
        let replaced = try await living.add("canary-replaced")
        for number in 0..<60 { try await living.add("number \(number), which takes some room in a segment") }
        try await journal.conversation("canary-name").add("in a conversation that is emptied")
        try await journal.snapshot()
        try await journal.compact()
        try await living.replace(replaced.sequence, with: "in its place")
        for memory in try await living.memories() where memory.idempotencyKey == "canary-key" {
            try await living.forget(memory.sequence)
        }
        // One that the older snapshot has still.
        try await journal.conversation("old").forget(5)
        try await journal.conversation("canary-name").add("another, not packed")
        try await journal.conversation("canary-name").clear()
        disk.kill()
        // It was killed, so it cannot close cleanly.
        try? await journal.close()
        let disk = disk.asProcess(pid: 2)
        // What an unclean end leaves behind the last frame, and what was half made.
        let path = disk.paths.filter { $0.string.hasSuffix(".segment") }.max { $0.string < $1.string }!
        var bytes = try disk.contents(of: path)
        let end = (bytes.lastIndex { $0 != 0 }! + 16) & ~7
        bytes.replaceSubrange(end..<(end + 11), with: Array("canary-torn".utf8))
        try disk.replaceContents(of: path, with: bytes)
        try disk.replaceContents(
            of: "/srv/memory/log/00000000000000000999-00000099.segment.new",
            with: Array("canary-content".utf8))
        try disk.replaceContents(
            of: "/srv/memory/snapshots/00000000000000000999.snapshot.new", with: Array("canary-key".utf8))
        return disk
    }

    @Test("no byte of it is in any file afterwards, raw or inflated from any offset on")
    func canary() async throws {
        let disk = try await fill()
        let before = try Canary.find(Self.words, on: disk)
        for word in Self.words { #expect(before.contains { $0.hasSuffix(word) }, "\(word) was never there") }
        let journal = try open(disk)
        #expect(disk.paths.filter { $0.string.hasSuffix(".snapshot") }.count == 2)
        let digest = try journal.view().digest()
        let report = try await journal.compact(erasingForgotten: true)
        #expect(try Canary.find(Self.words, on: disk) == [])
        #expect(disk.paths.filter { $0.string.hasSuffix(".snapshot") }.count == 2)
        #expect(try journal.view().digest() == digest)
        #expect(try await journal.verify().problems == [])
        #expect(report.erasure?.memories == 5)
        #expect(report.erasure?.conversations == 1)
        // Numbers and retries hold.
        let receipts = try await journal.conversation("living").add(contentsOf: [Self.secret])
        #expect(receipts.map(\.isReplayed) == [true] && receipts.map(\.isErased) == [true])
        #expect(report.erasure?.events.contains { $0.sequence == receipts[0].sequence } == true)
        try await journal.close()
        // And so it is from the log alone, and from the older of two snapshots.
        for path in disk.paths.filter({ $0.string.hasSuffix(".snapshot") }).sorted(by: {
            $0.string < $1.string
        }).suffix(1) {
            try disk.corrupt(path, at: 100, xor: 1)
        }
        let again = try open(disk)
        #expect(try again.view().digest() == digest)
        #expect(try again.view().count == 101)
        #expect(try again.view().count(of: "old") == 39)
        let second = try await again.conversation("living").add(contentsOf: [Self.secret])
        #expect(second == receipts)
        try await again.close()
    }

    @Test("the leaf is the HMAC of the event under its salt, which goes with it, and the others' salts stay")
    func leaves() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        let conversation = journal.conversation("a")
        for number in 0..<9 { try await conversation.add(.text("number \(number)")) }
        try await conversation.forget(4)
        try await conversation.forget(7)
        let log = try journal.segmentLog
        let salts = EventSalts(secret: log.entries[0].header.secret)
        var expected: [UInt64: [UInt8]] = [:]
        var cursor = EventCursor(log, after: 0)
        var walk = SaltWalk(salts)
        while let event = try cursor.nextFields(upTo: 9) {
            expected[event.sequence] = walk.leaf(
                of: UInt32(event.sequence - 1), event.bytes, recordedMicroseconds: event.recordedMicroseconds)
        }
        let report = try #require(try await journal.compact(erasingForgotten: true).erasure)
        #expect(report.events.map(\.sequence) == [4, 7])
        for event in report.events { #expect(event.leaf == expected[event.sequence]) }
        let header = log.entries[0].header
        #expect(header.isErased && header.secret == [0, 0, 0, 0])
        let file = try disk.openFile(log.entries[0].path, .readOnly)
        let footer = try #require(try PackedFooter.read(file, header))
        var left = SaltWalk(try #require(footer.salts))
        var before = SaltWalk(salts)
        for number: UInt32 in 0..<11 {
            let isErased = number == 3 || number == 6
            #expect(left.salt(of: number) == (isErased ? nil : before.salt(of: number)))
        }
        #expect(left.salt(of: 64) == nil)
        try await journal.close()
    }

    @Test("erasing again, and packing an erased segment anew, keeps what is left")
    func again() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        let conversation = journal.conversation("a")
        for number in 0..<12 {
            try await conversation.add(.text("number \(number)"), idempotencyKey: "\(number)")
        }
        try await conversation.forget(2)
        let first = try await journal.compact(erasingForgotten: true).erasure
        #expect(first?.events.map(\.sequence) == [2])
        let nothing = try await journal.compact(erasingForgotten: true).erasure
        #expect(nothing?.sequence == nil && nothing?.files == [])
        let log = try journal.segmentLog
        #expect(try log.pack(log.entries[0].header.name) != nil)
        #expect(log.entries[0].header.isErased)
        try await conversation.forget(5)
        let second = try await journal.compact(erasingForgotten: true).erasure
        #expect(second?.events.map(\.sequence) == [5])
        try await conversation.clear()
        let third = try await journal.compact(erasingForgotten: true).erasure
        // The name goes from the tombstones that had kept it.
        #expect(third?.conversations == 1)
        #expect(try Canary.find(["number"], on: disk) == [])
        for number in 0..<12 {
            let receipt = try await conversation.add(.text("number \(number)"), idempotencyKey: "\(number)")
            #expect(receipt.sequence == UInt64(number + 1) && receipt.isErased)
        }
        #expect(try await journal.verify().problems == [])
        try await journal.close()
    }

    @Test("only the files that hold it are touched")
    func touched() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        for number in 0..<400 {
            try await journal.conversation("a").add(.text("memory \(number) of some length"))
        }
        try await journal.compact()
        try await journal.conversation("a").forget(200)
        let before = Set(disk.paths)
        let report = try #require(try await journal.compact(erasingForgotten: true).erasure)
        let segments = report.files.filter { $0.file.hasPrefix("log/") }
        #expect(segments.count == 1)
        let gone = before.subtracting(disk.paths).filter { $0.string.hasSuffix(".segment") }
        // The one that holds it, and the active one, which is sealed and packed.
        #expect(gone.count <= 2 && before.filter { $0.string.hasSuffix(".segment") }.count > 4)
        try await journal.close()
    }

    @Test("a crash after any call leaves the same memories, and the next erasure finishes it")
    func crashes() async throws {
        let disk = try await fill()
        let journal = try open(disk)
        let digest = try journal.view().digest()
        disk.resetCalls()
        disk.keepsHistory = true
        let whole = try #require(try await journal.compact(erasingForgotten: true).erasure)
        let count = disk.calls.count
        try await journal.close()
        #expect(count > 60)
        for call in stride(from: 0, to: count, by: Thoroughness.isExhaustive ? 5 : 37) {
            for kept in [SimulatedDisk.Kept.everything, .nothingUnsynced] {
                let crashed = disk.crash(afterCall: call, keeping: kept)
                #expect(
                    try Journal.verify(at: directory, fileSystem: crashed).problems == [],
                    "after call \(call)")
                let again = try open(crashed)
                #expect(try again.view().digest() == digest, "after call \(call)")
                let report = try #require(try await again.compact(erasingForgotten: true).erasure)
                #expect(try again.view().digest() == digest, "after call \(call)")
                let left = try Canary.find(Self.words, on: crashed)
                #expect(left == [], "after call \(call)")
                // What the interrupted one had come to is in the receipt, unless it had come to its end.
                if report.sequence != nil {
                    #expect(
                        report.events.map(\.sequence) == whole.events.map(\.sequence), "after call \(call)")
                }
                let receipt = try await again.conversation("living").add(contentsOf: [Self.secret])
                #expect(receipt[0].isErased, "after call \(call)")
                try await again.close()
            }
        }
    }

    @Test("bytes behind a segment's end, which nobody reads and which may hold anything, go too")
    func behindTheEnd() async throws {
        let disk = SimulatedDisk()
        var journal = try open(disk)
        try await journal.conversation("a").add("stays")
        let path = try #require(try journal.segmentLog.entries.last?.path)
        try await journal.close()
        let left = Array("canary-behind".utf8)
        try disk.replaceContents(of: path, with: try disk.contents(of: path) + left)
        journal = try open(disk)
        try await journal.conversation("a").add("in another segment")
        #expect(try Canary.find(["canary-behind"], on: disk) != [])
        // Nothing in it is known to be forgotten.
        let log = try journal.segmentLog
        let name = try #require(log.entries.first?.header.name)
        let erased = try log.erase(name, level: 6, isAffected: false) { (_, _) throws(LogError) in nil }
        #expect(erased != nil)
        #expect(try Canary.find(["canary-behind"], on: disk) == [])
        #expect(try await journal.conversation("a").memories().count == 2)
        #expect(try await journal.verify().problems == [])
        try await journal.close()
    }

    @Test("another process goes on, and lets go of what it had")
    func besideAnother() async throws {
        let disk = SimulatedDisk(pid: 1)
        let first = try open(disk)
        for number in 0..<50 {
            _ = try first.addNow([("a", NewMemory(.text("number \(number)"), idempotencyKey: "\(number)"))])
        }
        _ = try first.addNow([("canary-name", Self.secret)])
        _ = try first.snapshotNow()
        let second = try open(disk.asProcess(pid: 2))
        let third = try open(disk.asProcess(pid: 3))
        #expect(try second.view().count == 51)
        #expect(try third.view().count == 51)
        _ = try second.forgetNow([7, 51])
        let view = try second.view()
        _ = try first.compactNow(keepingHistory: .all, erasingForgotten: true)
        #expect(try Canary.find(["canary"], on: disk) == [])
        // One that has not looked since.
        _ = try third.snapshotNow()
        #expect(try Canary.find(["canary"], on: disk) == [])
        try third.closeNow()
        // A view that was made before goes on with what it has open.
        #expect(try view.memories(in: "a").count == 49)
        let receipt = try second.addNow([("a", NewMemory(.text("number 6"), idempotencyKey: "6"))])[0]
        #expect(receipt.isErased && receipt.sequence == 7)
        #expect(try second.view().count == 49)
        // It writes nothing of it again.
        _ = try second.addNow([("a", NewMemory("more"))])
        _ = try second.snapshotNow()
        #expect(try Canary.find(["canary"], on: disk) == [])
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [])
        try second.closeNow()
        try first.closeNow()
    }

    @Test("a full disk is told, nothing is lost, and it goes on when there is room")
    func fullDisk() async throws {
        let disk = try await fill()
        var journal = try open(disk)
        let digest = try journal.view().digest()
        var refused = 0
        for calls in stride(from: 0, to: 200, by: 7) {
            disk.fail(nil, afterCalls: calls, with: .noSpace)
            do {
                _ = try await journal.compact(erasingForgotten: true)
            } catch {
                refused += 1
                #expect([.diskFull, .system, .notWritten, .outcomeUnknown].contains(error.code), "\(error)")
            }
            disk.cancelFaults()
            #expect(try journal.view().digest() == digest)
            // A call that no full disk refuses was refused, and what the events are that were being recorded is not known.
            guard try journal.engine.log.isPoisoned else { continue }
            try? await journal.close()
            journal = try open(disk)
        }
        #expect(refused > 0)
        try? await journal.close()
        let again = try open(disk)
        try await again.compact(erasingForgotten: true)
        #expect(try again.view().digest() == digest)
        #expect(try Canary.find(Self.words, on: disk) == [])
        try await again.close()
    }

    @Test(
        "a replay that needs more memory than it may take leaves the same, from the log alone and upon an older snapshot"
    )
    func spilled() async throws {
        let disk = SimulatedDisk()
        var options = options(disk, segmentBytes: 64 << 10)
        options.replayBytes = 64 << 10
        options.snapshotEvents = .max
        let journal = try Journal.openNow(at: directory, options: options)
        let conversation = journal.conversation("c")
        try await conversation.add("forgotten")
        try await conversation.add("stays")
        let filler = String(repeating: "x", count: 2000)
        for _ in 0..<200 { try await journal.conversation("big").add(.text(filler)) }
        try await conversation.forget(1)
        try await journal.compact(erasingForgotten: true)
        let digest = try journal.view().digest()
        try await journal.close()
        for path in disk.paths where path.string.hasSuffix(".snapshot") { try disk.remove(path) }
        let again = try Journal.openNow(at: directory, options: options)
        #expect(try again.view().count(of: "c") == 1)
        #expect(try again.view().digest() == digest)
        try await again.snapshot()
        #expect(try await again.verify().problems == [])
        let report = try await again.compact(erasingForgotten: true).erasure
        #expect(report?.events == [] && report?.conversations == 0)
        #expect(try await again.conversation("c").memories().map(\.sequence) == [2])
        try await again.close()
    }

    @Test("a repeated replace gets its first receipt, whatever is erased")
    func replaced() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        let conversation = journal.conversation("c")
        let first = try await conversation.add("one")
        let new = NewMemory("two", idempotencyKey: "replaced")
        let second = try await conversation.replace(first.sequence, with: new)
        try await conversation.clear()
        try await journal.compact(erasingForgotten: true)
        let again = try await conversation.replace(first.sequence, with: new)
        #expect(again.sequence == second.sequence && again.isReplayed && again.isErased)
        #expect(await code { try await conversation.replace(first.sequence, with: "other") } == .noSuchMemory)
        try await journal.close()
    }

    @Test("where a repair lost the salts, the rest can be erased still")
    func withoutSalts() async throws {
        let disk = SimulatedDisk()
        let journal = try open(disk)
        for number in 0..<4 { try await journal.conversation("a").add(.text("canary \(number)")) }
        try await journal.conversation("a").forget(1)
        try await journal.compact(erasingForgotten: true)
        let path = try #require(try journal.segmentLog.entries.first?.path)
        try await journal.close()
        try disk.corrupt(path, at: try disk.contents(of: path).count - 70, xor: 1)
        let repaired = try Journal.repair(
            at: directory, options: options(disk, segmentBytes: 4096), dryRun: false)
        #expect(repaired.losses == [] && repaired.after?.problems == [])
        let again = try open(disk)
        try await again.conversation("a").forget(2)
        let report = try await again.compact(erasingForgotten: true).erasure
        #expect(report?.events.map(\.sequence) == [2])
        #expect(try Canary.find(["canary 1"], on: disk) == [])
        try await again.close()
    }

    @Test(
        "a receipt that cannot be handed over leaves the erasure to be gone on with, and the next receipt has all of it"
    )
    func refusedReceipt() async throws {
        struct Full: Error {}
        let disk = try await fill()
        let journal = try open(disk)
        let digest = try journal.view().digest()
        await #expect(throws: JournalError.self) {
            try await journal.compact(erasingForgotten: true, receipt: { _ in throw Full() })
        }
        #expect(try journal.view().digest() == digest)
        let received = Monitor<ErasureReport?>(nil)
        let report = try await journal.compact(
            erasingForgotten: true, receipt: { report in received.withLock { $0 = report } }
        ).erasure
        let receipt = try #require(received.withLock { $0 })
        #expect(receipt.events.count > 3 && receipt == report)
        // It can be had again.
        let again = try #require(try await journal.erasureReceipt())
        #expect(again.isFromLog && again.sequence == receipt.sequence && again.through == receipt.through)
        #expect(again.events.map(\.sequence) == receipt.events.map(\.sequence))
        #expect(again.events.map(\.leaf) == receipt.events.map(\.leaf))
        try await journal.close()
    }
}
