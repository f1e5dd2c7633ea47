import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

/// Packing and dropping on a disk that fails, or loses power.
@Suite("While segments are packed or dropped")
struct PackingFaultTests {
    private static let counts = [1, 4, 1, 9, 6, 1]

    /// A journal of several segments that was closed and opened again: nothing of it is unsynced.
    private static func journal() throws -> (disk: SimulatedDisk, log: SegmentLog) {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk, segmentBytes: 1300, counts)
        try log.close()
        let again = try disk.open(segmentBytes: 1300, seed: 4)
        try #require(again.sealedSegments().count >= 3)
        return (disk, again)
    }

    enum Work: CaseIterable {
        case pack, repack, drop, dropPacked

        /// What is done before anything is recorded or fails.
        func prepare(_ log: SegmentLog) throws(LogError) {
            if self == .repack || self == .dropPacked { try log.packAll() }
        }

        func run(_ log: SegmentLog) throws(LogError) {
            switch self {
            case .pack: try log.packAll()
            case .repack: for segment in try log.sealedSegments() { _ = try log.pack(segment.name) }
            case .drop, .dropPacked: _ = try log.drop(through: log.lastSequence)
            }
        }

        var isDrop: Bool { self == .drop || self == .dropPacked }
    }

    /// Opens, and checks that all is there, or after a drop a part of it without a gap up to the end.
    private static func check(_ disk: SimulatedDisk, _ work: Work, _ before: [ReadEvent]) throws {
        var options = LogOptions.test(disk, seed: 5)
        if work.isDrop { options.floor = before.last!.sequence }
        let log = try SegmentLog.open(directory, options)
        let first = log.firstSequence
        guard work.isDrop || first == 1 else { throw Wrong("it begins with \(first)") }
        guard try log.readEvents(after: first - 1) == Array(before.dropFirst(Int(first) - 1)) else {
            throw Wrong("other events")
        }
        let names = try disk.names(inDirectory: paths.log)
        guard names.count == log.entries.count else { throw Wrong("files are left over: \(names)") }
        // Whatever of a removal comes undone after all, the log is the same, or begins earlier.
        let cut = try SegmentLog.open(directory, options.on(disk.crash(keeping: .nothingUnsynced)))
        guard cut.firstSequence <= first,
            try cut.readEvents(after: cut.firstSequence - 1)
                == Array(before.dropFirst(Int(cut.firstSequence) - 1))
        else { throw Wrong("other events after another power cut") }
        try log.packAll()
        try log.add()
        guard try log.readEvents(after: first - 1).count == before.count - Int(first) + 2 else {
            throw Wrong("it does not go on")
        }
        let survey = try disk.survey(floor: options.floor)
        guard survey.problems == [] else { throw Wrong("\(survey.problems)") }
    }

    @Test("a power cut after any call", arguments: Work.allCases)
    func crash(work: Work) throws {
        let (disk, log) = try Self.journal()
        try work.prepare(log)
        let before = try log.readEvents()
        disk.keepsHistory = true
        try work.run(log)
        for (index, call) in disk.calls.enumerated()
        where call.operation.changesDisk && Thoroughness.tries(index, oneOf: 2) {
            for kept in SimulatedDisk.Kept.allCases {
                do {
                    try Self.check(disk.crash(afterCall: index, keeping: kept), work, before)
                } catch {
                    Issue.record("call \(index), \(call), keeping \(kept): \(error)")
                }
            }
        }
    }

    @Test("a power cut after any call of the opening that finishes the removal")
    func crashInOpening() throws {
        let (disk, log) = try Self.journal()
        let before = try log.readEvents()
        disk.keepsHistory = true
        try log.packAll()
        let unlink = try #require(disk.calls.firstIndex { $0.operation == .removeFile })
        let found = disk.crash(afterCall: unlink - 1, keeping: .everything)
        #expect(try found.survey().notes.contains { $0.contains("it was packed") })
        #expect(try found.openForReading().readEvents() == before)
        found.keepsHistory = true
        let again = try found.open(seed: 6)
        #expect(again.report.notes.count == 1)
        for (index, call) in found.calls.enumerated() where call.operation.changesDisk {
            for kept in SimulatedDisk.Kept.allCases {
                do {
                    try Self.check(found.crash(afterCall: index, keeping: kept), .pack, before)
                } catch {
                    Issue.record("call \(index), \(call), keeping \(kept): \(error)")
                }
            }
        }
    }

    @Test("each call in turn fails", arguments: Work.allCases, [Errno.ioError, .noSpace])
    func faults(work: Work, errno: Errno) throws {
        let (disk, log) = try Self.journal()
        try work.prepare(log)
        disk.resetCalls()
        try work.run(log)
        let calls = disk.calls
        for (index, call) in calls.enumerated()
        where ![.identity, .reservePage, .unlock].contains(call.operation)
            && Thoroughness.tries(index, oneOf: 5)
        {
            do {
                let (disk, log) = try Self.journal()
                try work.prepare(log)
                let before = try log.readEvents()
                disk.fail(nil, afterCalls: index, with: .init(errno))
                let error = logError { try work.run(log) }
                disk.cancelFaults()
                // What is best effort may fail unseen: removing what could not be finished.
                if let error, ![.system, .noSpace, .notWritten].contains(error.kind) {
                    throw Wrong("\(error.kind): \(error)")
                }
                if errno == .noSpace, call.operation == .write || call.operation == .sync,
                    error?.kind != .noSpace
                {
                    throw Wrong("a full disk gives \(String(describing: error))")
                }
                guard error != nil else { throw Wrong("it went unnoticed") }
                // The log goes on, and so does what failed.
                guard log.poison == nil else { throw Wrong("poisoned") }
                let first = log.firstSequence
                guard try log.readEvents(after: first - 1) == Array(before.dropFirst(Int(first) - 1)) else {
                    throw Wrong("other events")
                }
                for kept in SimulatedDisk.Kept.allCases {
                    try Self.check(disk.crash(keeping: kept), work, before)
                }
                try Self.check(disk.copy(), work, before)
                try work.run(log)
                // When nothing is left to pack, dropping nothing finishes what packing left.
                _ = try log.drop(through: 0)
                try log.add()
                let now = log.firstSequence
                guard try log.readEvents(after: now - 1).count == before.count + 2 - Int(now) else {
                    throw Wrong("it does not go on")
                }
                guard try disk.names(inDirectory: paths.log).count == log.entries.count else {
                    throw Wrong("files are left over: \(try disk.names(inDirectory: paths.log))")
                }
                let after = before + [try log.readEvents(after: log.lastSequence - 1)[0]]
                try Self.check(disk.crash(keeping: .nothingUnsynced), work, after)
            } catch {
                Issue.record("call \(index), \(call): \(error)")
            }
        }
    }

    @Test("a disk without room for the packed segment")
    func full() throws {
        let (disk, log) = try Self.journal()
        let before = try log.readEvents()
        let names = disk.paths
        disk.capacityBytes = disk.usedBytes
        #expect(logError { try log.packAll() }?.kind == .noSpace)
        #expect(disk.paths == names)
        disk.capacityBytes = nil
        try log.packAll()
        try PackingTests.check(log, disk, before)
    }

    /// The simulated disk loses all that was not synced, or nothing; a real one may keep a removal and lose the renaming.
    @Test("each step is durable before the next")
    func order() throws {
        let (disk, log) = try Self.journal()
        func steps(_ disk: SimulatedDisk) -> [SimulatedDisk.Operation] {
            disk.calls.map(\.operation).filter {
                [.write, .sync, .rename, .syncDirectory, .removeFile].contains($0)
            }
        }
        let sealed = try log.sealedSegments()
        disk.keepsHistory = true
        try log.packAll()
        // Frames, header and footer; then the file, its name, and only then the removal.
        #expect(
            steps(disk)
                == sealed.flatMap { _ in
                    [.write, .write, .write, .sync, .rename, .syncDirectory, .removeFile, .syncDirectory]
                        as [SimulatedDisk.Operation]
                })
        let removal = try #require(disk.calls.firstIndex { $0.operation == .removeFile })
        let found = disk.crash(afterCall: removal - 1, keeping: .everything)
        _ = try found.open(seed: 6)
        #expect(steps(found).prefix(3) == [.syncDirectory, .removeFile, .syncDirectory])
        disk.resetCalls()
        _ = try log.drop(through: log.lastSequence)
        #expect(steps(disk) == sealed.flatMap { _ in [.removeFile, .syncDirectory] })
    }

    @Test("what reaches the disk otherwise than it was written is noticed before it counts")
    func readBack() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 3 << 20)
        for seed in 0..<60 as Range<UInt64> {
            var generator = SplitMix(seed)
            try log.write([generator.bytes(60_000)])
            try log.sync()
        }
        let before = try log.readEvents()
        let names = disk.paths
        let segment = try #require(try log.packPlan().segments.first)
        var isDamaged = false
        let error = logError {
            _ = try log.pack(segment.name) {
                guard !isDamaged, let path = disk.paths.first(where: { $0.string.hasSuffix(".new") }),
                    (try? disk.contents(of: path).count) ?? 0 > 5000
                else { return true }
                isDamaged = true
                try? disk.corrupt(path, at: 5000, xor: 1)
                return true
            }
        }
        #expect(isDamaged)
        #expect(error?.kind == .damaged)
        #expect(disk.paths == names)
        #expect(try log.readEvents() == before)
    }

    @Test("a poisoned, closed or read-only log packs and drops nothing")
    func refused() throws {
        let (disk, log) = try Self.journal()
        let name = log.entries[0].header.name
        let reader = try disk.openForReading()
        #expect(logError { _ = try reader.pack(name) }?.kind == .readOnly)
        #expect(logError { _ = try reader.drop(through: 5) }?.kind == .readOnly)
        let names = disk.paths
        disk.failNext(.syncData, with: .inputOutputError)
        #expect(logError { try log.add() } != nil)
        #expect(logError { _ = try log.pack(name) }?.kind == .poisoned)
        #expect(logError { _ = try log.drop(through: 5) }?.kind == .poisoned)
        try log.close()
        #expect(disk.paths == names)
        let again = try disk.open(seed: 8)
        try again.close()
        #expect(logError { _ = try again.pack(name) }?.kind == .closed)
        #expect(logError { _ = try again.drop(through: 5) }?.kind == .closed)
    }

    @Test("another opens the journal while it is packed here, because this log was poisoned meanwhile")
    func poisonedMeanwhile() throws {
        let (disk, log) = try Self.journal()
        let before = try log.readEvents()
        let name = log.entries[0].header.name
        var other: SegmentLog?
        let error = logError {
            _ = try log.pack(name) {
                guard other == nil else { return true }
                disk.failNext(.syncData, with: .inputOutputError)
                _ = logError { try log.add() }
                other = try? disk.asProcess(pid: 7).open(seed: 9)
                return true
            }
        }
        // Its unfinished file was removed by the other, or it notices that it lost the journal.
        #expect([.poisoned, .system].contains(error?.kind))
        let opened = try #require(other)
        #expect(try opened.readEvents().prefix(before.count) == before[...])
        try opened.packAll()
        #expect(try opened.readEvents().prefix(before.count) == before[...])
        #expect(try disk.names(inDirectory: paths.log).count == opened.entries.count)
    }
}

extension LogOptions {
    /// The same for another disk.
    fileprivate func on(_ disk: SimulatedDisk) -> LogOptions {
        var options = self
        options.fileSystem = disk
        return options
    }
}
