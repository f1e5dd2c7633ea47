import JournalFileSystem
import JournalTesting
import SegmentLog
import SystemPackage
import Testing

@testable import AgentJournal

@Suite("Repair")
struct RepairTests {
    /// How a journal looks before it is damaged.
    enum Shape: CaseIterable {
        case segments, packed, withSnapshot, letGo, erased, repaired
    }

    private func options(_ disk: SimulatedDisk) -> Journal.Options {
        var options = AgentJournalTests.options(disk, segmentBytes: 4096)
        options.packsAlways = true
        options.preallocationBytes = 4096
        return options
    }

    private func open(_ disk: SimulatedDisk) throws -> Journal {
        try Journal.openNow(at: directory, create: .never, options: options(disk))
    }

    /// A journal of a shape, closed cleanly, and what it holds.
    private func make(_ shape: Shape) throws -> (disk: SimulatedDisk, memories: [UInt64: String]) {
        let disk = SimulatedDisk()
        let journal = try Journal.openNow(at: directory, options: options(disk))
        func add(_ count: Int) throws {
            for number in 0..<count {
                let text =
                    "memory \(journal.lastSequence + 1), which takes some room in its segment \(number)"
                _ = try journal.addNow([("c\(number % 2)", NewMemory(.text(text), idempotencyKey: text))])
            }
        }
        try add(30)
        switch shape {
        case .segments: try add(30)
        case .packed:
            _ = try journal.compactNow(keepingHistory: .all)
            try add(10)
        case .withSnapshot:
            _ = try journal.snapshotNow()
            try add(5)
        case .letGo:
            _ = try journal.compactNow(keepingHistory: .none)
            try add(10)
        case .erased:
            _ = try journal.forgetNow([3, 4])
            _ = try journal.compactNow(keepingHistory: .all, erasingForgotten: true)
            try add(5)
        case .repaired:
            try journal.closeNow()
            let path = try #require(disk.paths.first { $0.string.hasSuffix("00000001.segment") })
            try disk.corrupt(path, at: 1300, xor: 1)
            _ = try Journal.repair(at: directory, options: options(disk), dryRun: false)
            return (disk, try memories(disk))
        }
        try journal.closeNow()
        return (disk, try memories(disk))
    }

    private func memories(_ disk: SimulatedDisk) throws -> [UInt64: String] {
        let journal = try open(disk)
        defer { try? journal.closeNow() }
        let view = try journal.view()
        var found: [UInt64: String] = [:]
        for name in ["c0", "c1"] {
            for memory in try view.memories(in: name) { found[memory.sequence] = memory.content.text }
        }
        return found
    }

    /// Repairs, and checks that what is not said to be lost is there, and that the lost stays lost.
    private func check(
        _ disk: SimulatedDisk, _ before: [UInt64: String], _ what: String
    ) throws {
        let planned: RepairReport
        do {
            planned = try Journal.repair(at: directory, options: options(disk), dryRun: true)
        } catch {
            // A format of a newer version is not ours to repair; and without any readable segment there is nothing.
            #expect(
                error.code == .unsupported || error.code == .damaged || error.code == .noJournal,
                "\(what): \(error)")
            return
        }
        let report = try Journal.repair(at: directory, options: options(disk), dryRun: false)
        #expect(report.losses == planned.losses && report.problems == planned.problems, "\(what)")
        #expect(report.after?.problems == [], "\(what): \(String(describing: report.after?.problems))")
        let after = try memories(disk)
        for (sequence, text) in before where !report.losses.contains(where: { $0.contains(sequence) }) {
            #expect(after[sequence] == text, "\(what): \(sequence) is gone, lost are \(report.losses)")
        }
        for (sequence, text) in after {
            #expect(before[sequence] == text, "\(what): \(sequence) was not there")
        }
        let journal = try open(disk)
        let highest = report.losses.last?.upperBound ?? 0
        let receipt = try journal.addNow([("c0", "after the repair")])[0]
        #expect(receipt.sequence > max(highest, before.keys.max() ?? 0), "\(what)")
        try journal.closeNow()
        #expect(try Journal.verify(at: directory, fileSystem: disk).problems == [], "\(what)")
    }

    @Test(
        "after any flipped bit what is not said to be lost is there, and verify finds it healthy",
        arguments: Shape.allCases)
    func flips(shape: Shape) throws {
        let (disk, before) = try make(shape)
        let step = Thoroughness.isExhaustive ? 7 : 97
        for path in disk.paths where !path.string.contains("/damaged/") {
            let length = try disk.contents(of: path).count
            for offset in stride(from: shape.hashValue & 3, to: length, by: step) {
                let copy = disk.copy()
                try copy.corrupt(path, at: offset, xor: 1 << UInt8(offset % 8))
                try check(copy, before, "\(path.lastComponent!) at \(offset)")
            }
        }
    }

    @Test("after any file is gone, or cut", arguments: Shape.allCases)
    func gone(shape: Shape) throws {
        let (disk, before) = try make(shape)
        for path in disk.paths where !path.string.contains("/damaged/") {
            let without = disk.copy()
            try without.remove(path)
            try check(without, before, "without \(path.lastComponent!)")
            let length = try disk.contents(of: path).count
            for end in stride(from: 0, to: length, by: Thoroughness.isExhaustive ? 61 : 509) {
                let cut = disk.copy()
                try cut.truncate(path, to: end)
                try check(cut, before, "\(path.lastComponent!) cut to \(end)")
            }
        }
    }

    @Test("a crash after any call of a repair leaves what can be repaired again")
    func crashes() throws {
        let (disk, before) = try make(.packed)
        let path = try #require(disk.paths.first { $0.string.contains("/log/") })
        try disk.corrupt(path, at: 1200, xor: 1)
        let losses = try Journal.repair(at: directory, options: options(disk.copy()), dryRun: true).losses
        disk.resetCalls()
        disk.keepsHistory = true
        let whole = try Journal.repair(at: directory, options: options(disk), dryRun: false)
        #expect(whole.losses == losses)
        let count = disk.calls.count
        for call in stride(from: 0, to: count, by: Thoroughness.isExhaustive ? 1 : 5) {
            for kept in [SimulatedDisk.Kept.everything, .nothingUnsynced] {
                let crashed = disk.crash(afterCall: call, keeping: kept)
                _ = try Journal.repair(at: directory, options: options(crashed), dryRun: false)
                let report = try Journal.verify(at: directory, fileSystem: crashed)
                #expect(report.problems == [], "after call \(call)")
                #expect(report.losses == losses, "after call \(call)")
                for (sequence, text) in before where !losses.contains(where: { $0.contains(sequence) }) {
                    #expect(try memories(crashed)[sequence] == text, "after call \(call)")
                }
            }
        }
    }

    @Test(
        "whatever single call of a repair fails, it can be done again, and nothing else is lost",
        arguments: [Errno.ioError, .noSpace, .tooManyOpenFiles])
    func failingCalls(_ error: Errno) throws {
        let (disk, before) = try make(.withSnapshot)
        let paths = disk.paths.filter { $0.string.contains("/log/") || $0.string.contains("/journal.json") }
        for path in paths { try disk.corrupt(path, at: min(1200, disk.contents(of: path).count / 2), xor: 1) }
        let losses = try Journal.repair(at: directory, options: options(disk.copy()), dryRun: true).losses
        var (call, failed) = (0, 0)
        while true {
            let trial = disk.copy()
            trial.resetCalls()
            trial.fail(nil, afterCalls: call, with: .init(error))
            do {
                _ = try Journal.repair(at: directory, options: options(trial), dryRun: false)
            } catch {
                failed += 1
            }
            let isOver = trial.calls.count <= call
            trial.cancelFaults()
            if isOver { break }
            _ = try Journal.repair(at: directory, options: options(trial), dryRun: false)
            let report = try Journal.verify(at: directory, fileSystem: trial)
            #expect(report.problems == [], "call \(call)")
            let found = try memories(trial)
            for (sequence, text) in before where !losses.contains(where: { $0.contains(sequence) }) {
                #expect(found[sequence] == text, "call \(call): \(sequence)")
            }
            call += 1
        }
        #expect(call > 100 && failed > 50)
    }

    @Test("the loss is in the log, in its place and when it was recorded, and a lost key can be used anew")
    func recorded() async throws {
        let (disk, before) = try make(.segments)
        let path = try #require(disk.paths.first { $0.string.contains("/log/") })
        try disk.corrupt(path, at: 1100, xor: 1)
        #expect(
            await code { _ = try open(disk) } == .damaged
                || (try? Journal.verify(at: directory, fileSystem: disk))?.isHealthy == false)
        let report = try Journal.repair(at: directory, options: options(disk), dryRun: false)
        let loss = try #require(report.losses.first)
        let journal = try open(disk)
        let events = try journal.eventsNow()
        #expect(events.contains { $0.sequence == loss.lowerBound && $0.kind == .lost(loss) })
        #expect(events.last?.kind == .lost(loss) && events.last?.sequence == 61)
        let text = try #require(before[loss.lowerBound])
        let receipt = try journal.addNow([("c0", NewMemory(.text(text), idempotencyKey: text))])[0]
        #expect(receipt.sequence == 62 && !receipt.isReplayed)
        // A damaged file is kept aside until something is erased.
        #expect(disk.paths.contains { $0.string.contains("/damaged/") })
        _ = try journal.forgetNow([62])
        _ = try journal.compactNow(keepingHistory: .all, erasingForgotten: true)
        #expect(!disk.paths.contains { $0.string.contains("/damaged/") })
        #expect(try Journal.verify(at: directory, fileSystem: disk).losses == [loss])
        try await journal.close()
    }

    @Test("one that is open is not repaired, and a healthy one is left as it is")
    func refused() async throws {
        let disk = SimulatedDisk(pid: 1)
        let journal = try Journal.openNow(at: directory, options: options(disk))
        _ = try journal.addNow([("c0", "one")])
        let healthy = try Journal.repair(
            at: directory, options: options(disk.asProcess(pid: 2)), dryRun: false)
        #expect(healthy.problems == [] && healthy.rewritten == [])
        let path = try #require(disk.paths.first { $0.string.contains("/log/") })
        try disk.corrupt(path, at: 12, xor: 1)
        #expect(
            await code {
                _ = try Journal.repair(at: directory, options: options(disk.asProcess(pid: 2)), dryRun: false)
            } == .busy)
        try await journal.close()
        #expect(
            await code { _ = try Journal.repair(at: "/nowhere", options: options(disk), dryRun: false) }
                == .noJournal)
    }

    /// A journal in which memory 1 and conversation `c1` were forgotten by events that are damaged, and a snapshot knows.
    private func makeForgetful() throws -> (disk: SimulatedDisk, digest: String) {
        let disk = SimulatedDisk()
        let journal = try Journal.openNow(at: directory, options: options(disk))
        for number in 0..<4 { _ = try journal.addNow([("c0", NewMemory(.text("memory \(number)")))]) }
        _ = try journal.addNow([("c1", "cleared later")])
        _ = try journal.forgetNow([1])
        _ = try journal.clearNow("c1")
        _ = try journal.addNow([("c0", "behind")])
        _ = try journal.snapshotNow()
        _ = try journal.addNow([("c0", "last")])
        let digest = try journal.view().digest()
        let position = try position(of: 6, in: journal)
        try journal.closeNow()
        try disk.corrupt(position.path, at: Int(position.offset), xor: 1)
        return (disk, digest)
    }

    @Test(
        "what was forgotten by a lost event stays forgotten, where a snapshot knows; log and snapshot agree")
    func forgottenAgain() throws {
        let (disk, digest) = try makeForgetful()
        let report = try Journal.repair(at: directory, options: options(disk), dryRun: false)
        #expect(!report.losses.isEmpty && report.losses.allSatisfy { $0.lowerBound >= 6 })
        #expect(report.forgottenAgain == 2 && report.after?.problems == [])
        let again = try open(disk)
        let present = try again.view().digest()
        #expect(try again.replayedView().digest() == present)
        // All but what came behind the snapshot in the same stretch.
        #expect(present == digest || report.losses.contains { $0.upperBound >= 9 })
        #expect(try again.view().memory(1) == nil && again.view().count(of: "c1") == 0)
        try again.closeNow()
    }

    @Test("interrupted anywhere and done again, all losses are recorded, and what they forgot is forgotten")
    func interrupted() throws {
        let (disk, _) = try makeForgetful()
        let losses = try Journal.repair(at: directory, options: options(disk.copy()), dryRun: true).losses
        disk.resetCalls()
        disk.keepsHistory = true
        _ = try Journal.repair(at: directory, options: options(disk), dryRun: false)
        var wasUnfinished = 0
        for call in 0..<disk.calls.count {
            for kept in [SimulatedDisk.Kept.everything, .nothingUnsynced] {
                let crashed = disk.crash(afterCall: call, keeping: kept)
                let found = try Journal.verify(at: directory, fileSystem: crashed)
                if found.problems.map(\.kind) == ["unfinished_repair"] { wasUnfinished += 1 }
                if found.problems.contains(where: { $0.kind == "unfinished_repair" }) {
                    // What is added before the repair is done could get a lost sequence.
                    #expect(throws: JournalError.self, "after call \(call)") { _ = try open(crashed) }
                }
                let report = try Journal.repair(at: directory, options: options(crashed), dryRun: false)
                #expect(report.problems.isEmpty || report.losses == losses, "after call \(call)")
                #expect(report.problems.isEmpty || report.after?.problems == [], "after call \(call)")
                let journal = try open(crashed)
                let view = try journal.view()
                #expect(try view.memory(1) == nil && view.count(of: "c1") == 0, "after call \(call)")
                #expect(try journal.replayedView().digest() == view.digest(), "after call \(call)")
                let events = try journal.eventsNow()
                for loss in losses {
                    // In its place, and behind all.
                    #expect(events.count { $0.kind == .lost(loss) } >= 2, "after call \(call)")
                }
                try journal.closeNow()
            }
        }
        #expect(wasUnfinished > 10, "the log was whole again, and the repair not done")
    }

    @Test("a log that ends before a snapshot does is brought up to it")
    func aheadOfTheLog() throws {
        let disk = SimulatedDisk()
        let journal = try Journal.openNow(at: directory, options: options(disk))
        for number in 0..<10 { _ = try journal.addNow([("c0", NewMemory(.text("memory \(number)")))]) }
        _ = try journal.snapshotNow()
        let digest = try journal.view().digest()
        try journal.closeNow()
        // Neither the record of the clean close nor the segment says any more how far it came.
        try disk.remove(directory.appending("lock"))
        let path = try #require(disk.paths.last { $0.string.contains("/log/") })
        try disk.truncate(path, to: 1100)
        let report = try Journal.repair(at: directory, options: options(disk), dryRun: false)
        #expect(report.losses == [] && report.restoredMemories > 5 && report.after?.problems == [])
        let again = try open(disk)
        #expect(try again.view().digest() == digest && again.replayedView().digest() == digest)
        #expect(try again.addNow([("c0", "new")])[0].sequence == 11)
        try again.closeNow()
    }

    private func position(of sequence: UInt64, in journal: Journal) throws -> (path: FilePath, offset: UInt64)
    {
        let reader = try journal.segmentLog.reader(after: sequence - 1)
        let frame = try #require(try reader.next())
        return (try #require(reader.path), frame.offset)
    }

    @Test("memories that are put back keep their times")
    func times() throws {
        let disk = SimulatedDisk()
        let clock = TestClock()
        var options = options(disk)
        options.clock = { clock.now }
        let journal = try Journal.openNow(at: directory, options: options)
        for number in 0..<150 {
            clock.now = clock.now.advanced(by: .seconds(60))
            let text = "memory \(number), which takes some room in its segment"
            _ = try journal.addNow([("c0", NewMemory(.text(text)))])
        }
        _ = try journal.snapshotNow()
        let before = try journal.view().memories(in: "c0")
        let segments = try journal.segmentLog.entries.map(\.path)
        try journal.closeNow()
        #expect(segments.count > 2)
        for path in segments.prefix(2) {
            let without = disk.copy()
            try without.remove(path)
            options.fileSystem = without
            let report = try Journal.repair(at: directory, options: options, dryRun: false)
            #expect(report.losses == [] && report.restoredMemories > 10)
            let again = try open(without)
            #expect(try again.replayedView().memories(in: "c0") == before)
            try again.closeNow()
        }
    }

    @Test("a last segment whose header is lost: how far it came the page tells that a killed process left")
    func lostEnd() throws {
        let disk = SimulatedDisk(pid: 1)
        let journal = try Journal.openNow(at: directory, options: options(disk))
        for number in 0..<50 {
            _ = try journal.addNow([("c0", NewMemory(.text("memory \(number), which takes some room here")))])
            if number == 20 { try journal.endSegmentNow() }
        }
        let path = try #require(try journal.segmentLog.entries.last?.path)
        disk.kill()
        // It was killed, so it cannot close cleanly.
        try? journal.closeNow()
        let found = disk.asProcess(pid: 2)
        for copy in [0, 512] { try found.corrupt(path, at: copy + 20, xor: 1) }
        let report = try Journal.repair(at: directory, options: options(found), dryRun: false)
        #expect(report.losses.last?.upperBound == 50 && report.after?.problems == [])
        let again = try open(found)
        let receipt = try again.addNow([("c0", "new")])[0]
        #expect(receipt.sequence > 50)
        // No id is used again.
        let ids = try again.segmentLog.entries.map(\.header.id)
        #expect(
            Set(ids).count == ids.count
                && !ids.contains { path.string.hasSuffix("-\(String($0).leftPadded(8)).segment") })
        try again.closeNow()
    }
}

extension String {
    fileprivate func leftPadded(_ width: Int) -> String {
        String(repeating: "0", count: width - count) + self
    }
}
