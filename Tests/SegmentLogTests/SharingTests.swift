import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

/// Several processes append to one log.
@Suite("Several processes with one log")
struct SharingTests {
    private let disk = SimulatedDisk(pid: 1)

    /// - Parameter quickSync: On a disk whose syncs take less, adds wait for the processors.
    private func open(
        _ pid: Int32, segmentBytes: UInt64 = 64 << 20, quickSync: Duration = .seconds(1000)
    ) throws -> SegmentLog {
        let machine = pid == 1 ? disk : disk.asProcess(pid: pid)
        return try machine.open(
            segmentBytes: segmentBytes, seed: UInt64(pid), lockTimeout: .milliseconds(30),
            quickSync: quickSync)
    }

    @Test("one process syncs for all; what is written is not shown before")
    func oneSync() throws {
        let (first, second) = (try open(1), try open(2))
        try first.writeNext()
        try second.writeNext()
        try first.writeNext()
        #expect(first.visibleSequence == 0 && second.visibleSequence == 0)
        let before = disk.calls.count
        try second.sync()
        #expect(first.visibleSequence == 3 && second.visibleSequence == 3)
        try first.sync()
        #expect(disk.calls[before...].filter { $0.operation == .syncData }.count == 1)
        #expect(try first.checkPrefix() == 3)
        #expect(try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == 3)
    }

    @Test("who waits for another's sync says who that is, when it takes too long, and goes on later")
    func stoppedSyncer() throws {
        let (first, second) = (try open(1), try open(2))
        try first.add()
        let stopped = try disk.openFile(first.paths.lock, .readWrite)
        #expect(try stopped.lock(LockFile.syncerRange, .exclusive, wait: false))
        try second.writeNext()
        let error = try #require(logError { try second.sync() })
        #expect(error.kind == .outcomeUnknown)
        #expect(second.poison == nil)
        #expect(second.visibleSequence == 1)
        try stopped.unlock(LockFile.syncerRange)
        try second.sync()
        #expect(try first.checkPrefix() == 2)
        try first.add()
        #expect(try second.checkPrefix() == 3)
    }

    @Test("one that says that it syncs is waited for while it holds the range, and not when it died")
    func markedSyncer() throws {
        let (first, second) = (try open(1), try open(2))
        try first.add()
        let stopped = try disk.openFile(first.paths.lock, .readWrite)
        #expect(try stopped.lock(LockFile.syncerRange, .exclusive, wait: false))
        #expect(first.shared!.setSyncer(first.opener))
        try second.writeNext()
        let error = try #require(logError { try second.sync() })
        #expect(error.kind == .outcomeUnknown && error.message.contains("process 1 on in-memory"), "\(error)")
        #expect(second.poison == nil && second.visibleSequence == 1)
        try stopped.unlock(LockFile.syncerRange)
        try second.sync()
        #expect(second.visibleSequence == 2 && second.shared!.syncer == nil)
        #expect(try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == 2)
    }

    @Test("after a failed sync of one the other acknowledges nothing that it wrote before")
    func failedSync() throws {
        let (first, second, third) = (try open(1), try open(2), try open(3))
        try first.add()
        try second.writeNext()
        try first.writeNext()
        disk.failNext(.syncData, with: .inputOutputError)
        #expect(logError { try first.sync() }?.kind == .outcomeUnknown)
        let error = try #require(logError { try second.sync() })
        #expect(error.kind == .outcomeUnknown)
        #expect(error.message.contains("process 1 on in-memory"), "\(error.message)")
        #expect(logError { try second.writeNext() }?.kind == .poisoned)
        // Who wrote nothing then goes on, in a new segment, behind what can still be read.
        let segments = disk.segments.count
        try third.add()
        #expect(disk.segments.count == segments + 1)
        let count = try third.checkPrefix()
        #expect(count == 4)
        #expect(third.rewind.count == 1)
        #expect(try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == count)
    }

    @Test("after a process died while its sync failed, what it should have written is written again")
    func diedSyncing() throws {
        let (first, second) = (try open(1), try open(2))
        try first.add()
        try second.writeNext()
        // Another one says that it syncs; its sync fails, and it does not live to tell.
        try #require(first.shared).setSyncer(7)
        let segment = try disk.openFile(try #require(disk.segments.last), .readWrite)
        disk.failNext(.syncData, with: .inputOutputError)
        #expect(throws: FileSystemError.self) { try segment.syncData() }
        let segments = disk.segments.count
        try second.sync()
        #expect(disk.segments.count == segments + 1)
        #expect(try first.checkPrefix() == 2)
        #expect(try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == 2)
    }

    @Test("what a process wrote and did not live to tell is read beyond what the page says")
    func unpublished() throws {
        for segmentBytes in [1200, 64 << 20] as [UInt64] {
            var index = 0
            var isThrough = false
            while !isThrough {
                let disk = SimulatedDisk(pid: 1)
                let first = try disk.open(segmentBytes: segmentBytes, lockTimeout: .milliseconds(30))
                let dying = disk.asProcess(pid: 2)
                let second = try dying.open(
                    segmentBytes: segmentBytes, seed: 2, lockTimeout: .milliseconds(30))
                try first.add(2)
                // It dies at this call of its append and sync.
                let before = disk.calls.count
                disk.fail(nil, afterCalls: index, times: .max, with: .inputOutputError)
                let acknowledged = logError { try second.add(12) } == nil
                isThrough = disk.calls.count - before <= index
                disk.cancelFaults()
                dying.kill()
                try first.add()
                let count = try first.checkPrefix()
                #expect(count == 15 || (count == 3 && !acknowledged), "call \(index)")
                #expect(
                    try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == count, "call \(index)")
                #expect(try disk.copy().open().checkPrefix() == count, "call \(index)")
                index += 1
            }
            #expect(index > 12)
        }
    }

    @Test(
        "where blocks are copied on write and there is none for a store, nothing acknowledged is lost and nobody is misled"
    )
    func noBlock() throws {
        for times in [1, 2, .max] {
            var index = 0
            var isThrough = false
            while !isThrough {
                let disk = SimulatedDisk(pid: 1)
                disk.setVolume(name: "btrfs", kind: .local)
                let first = try disk.open(segmentBytes: 1200, lockTimeout: .milliseconds(30))
                let second = try disk.asProcess(pid: 2).open(
                    segmentBytes: 1200, seed: 2, lockTimeout: .milliseconds(30))
                try first.add(2)
                let before = disk.calls.filter { $0.operation == .reservePage }.count
                disk.fail(.reservePage, afterCalls: index, times: times, with: .init(.badAddress))
                disk.fail(.write, at: paths.lock, afterCalls: 0, times: times, with: .noSpace)
                let error = logError { try second.add(12) }
                isThrough = disk.calls.filter { $0.operation == .reservePage }.count - before <= index
                disk.cancelFaults()
                // Whoever comes next goes on behind what is there.
                try first.add()
                let count = try first.checkPrefix()
                switch error?.kind {
                case nil: #expect(count == 15, "store \(index)")
                case .outcomeUnknown: #expect(count == 3 || count == 15, "store \(index)")
                default: #expect(count == 3, "store \(index): \(error!)")
                }
                #expect(
                    try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == count, "store \(index)")
                index += 1
            }
            #expect(index > 20)
        }
    }

    @Test(
        "a segment that a reader of the same process found first is listed once, and its predecessor ends where it did"
    )
    func listedOnce() throws {
        let log = try open(1, segmentBytes: 1200)
        for _ in 0..<4 { try log.add(8) }
        let entries = log.entries
        try #require(entries.count > 2)
        log.catalog.withLock { $0.append(entries.last!) }
        #expect(log.entries.map(\.path) == entries.map(\.path))
        #expect(log.entries.last?.ending == nil)
        #expect(try log.checkPrefix() == 32)
    }

    @Test("behind another's frames little is not compressed, until one goes on alone")
    func little() throws {
        let (first, second) = (try open(1), try open(2))
        for (index, log) in [first, second, first, first, first, second].enumerated() {
            try log.write([event(1)])
            try log.sync()
            #expect(log.visibleSequence == UInt64(index) + 1)
        }
        try first.write([Array(repeating: 7, count: 2000)])
        try first.sync()
        let frames = try second.frames()
        #expect(frames.dropLast().allSatisfy { $0.bodies == [event(1)] })
        let flags = frames.map { $0.frame.header.flags.subtracting(.followsSync) }
        let (plain, begun): (FrameHeader.Flags, FrameHeader.Flags) = ([.restart, .stored], .restart)
        #expect(flags == [begun, plain, plain, begun, [], plain, begun])
        #expect(try disk.crash(keeping: .nothingUnsynced).open().events() == frames.flatMap(\.bodies))
    }

    private func ahead(_ log: SegmentLog, _ pieces: [EncodedEvents]) -> EncodedEvents? {
        log.compressAhead(pieces.count, rawBytes: pieces.reduce(0) { $0 + $1.raw.count }) { pieces }
    }

    @Test(
        "behind another's frames what four callers append together is compressed only from 16 KiB on, if the disk is quick",
        arguments: [true, false])
    func loaded(isQuick: Bool) throws {
        let quickSync = isQuick ? Duration.seconds(1000) : .zero
        let (first, second) = (try open(1, quickSync: quickSync), try open(2, quickSync: quickSync))
        func piece(_ bytes: Int) -> EncodedEvents { encode([Array(repeating: 7, count: bytes - 3)]) }
        let known = 2 * SyncPace.enough
        for index in 0..<known {
            let log = index % 2 == 0 ? first : second
            try log.write([event(1)])
            try log.sync()
        }
        let appended = [
            [piece(1000), piece(1000), piece(1000)],
            [piece(1000), piece(1000), piece(1000), piece(1000)],
            [piece(4096), piece(4096), piece(4096), piece(4095)],
            [piece(4096), piece(4096), piece(4096), piece(4096)],
        ]
        try #require(appended[3].reduce(0) { $0 + $1.raw.count } == 16 << 10)
        let compressed = isQuick ? [true, false, false, true] : [true, true, true, true]
        // Once as the engine does it, once where only the append finds out that another has written.
        for looksAhead in [true, false] {
            for (index, pieces) in appended.enumerated() {
                let log = index % 2 == 0 ? first : second
                let joined = ahead(log, pieces)
                #expect((joined != nil) == compressed[index], "append \(index)")
                try log.write(looksAhead ? joined.map { [$0] } ?? pieces : pieces)
                try log.sync()
            }
        }
        let frames = try second.frames()
        let last = frames.dropFirst(known)
        #expect(last.map { $0.bodies.count } == appended.map(\.count) + appended.map(\.count))
        let isCompressed = last.map { !$0.frame.header.flags.contains(.stored) }
        #expect(isCompressed == compressed + compressed)
        #expect(try disk.crash(keeping: .nothingUnsynced).open().events() == frames.flatMap(\.bodies))
    }

    @Test("a disk is quick when eight of its last syncs were, and not known to be before")
    func pace() {
        let pace = SyncPace(limit: .microseconds(500))
        let (quick, slow) = (Duration.microseconds(499), Duration.microseconds(500))
        for _ in 1..<SyncPace.enough { pace.record(quick) }
        #expect(!pace.isQuick)
        pace.record(quick)
        #expect(pace.isQuick)
        for _ in SyncPace.enough..<SyncPace.window { pace.record(slow) }
        #expect(pace.isQuick, "eight of the window were")
        for _ in 0..<SyncPace.window { pace.record(slow) }
        #expect(!pace.isQuick)
        // A few tell nothing, in whichever window.
        for _ in 0..<10 {
            for _ in 1..<SyncPace.enough { pace.record(quick) }
            for _ in SyncPace.enough...SyncPace.window { pace.record(slow) }
            #expect(!pace.isQuick)
        }
        for _ in 0..<SyncPace.enough { pace.record(.zero) }
        #expect(pace.isQuick)
    }

    @Test("what comes behind another's frames is compressed before the append, and only that")
    func compressedAhead() throws {
        let (first, second) = (try open(1), try open(2))
        let pieces = [1...1, 2...9, 10...20].map { encode($0.map { event($0) }) }
        #expect(ahead(first, pieces) == nil, "nobody has written")
        try first.write(pieces)
        try first.sync()
        #expect(ahead(first, pieces) == nil, "nobody else has written since")
        try second.write([event(1)])
        try second.sync()
        #expect(ahead(first, [pieces[0]]) == nil, "too little")
        var generator = SplitMix(1)
        let large = encode([generator.bytes(1 << 20)])
        #expect(ahead(first, [large]) == nil, "too much")
        var compressed = large
        compressed.compressIfLarge(level: 6)
        #expect(ahead(first, [compressed, pieces[0]]) == nil, "compressed already")

        var isAhead: [Bool] = []
        for log in [first, second, first, first] {
            let joined = ahead(log, pieces)
            isAhead.append(joined != nil)
            try log.write(joined.map { [$0] } ?? pieces)
            try log.sync()
        }
        #expect(isAhead == [true, true, true, false])
        try second.write([event(1)])
        try second.sync()
        for joined in [ahead(first, pieces), pieces[0]] {
            try first.write([#require(joined)])
            try first.sync()
        }
        let frames = try second.frames()
        #expect(frames.map { $0.bodies.count } == [20, 1, 20, 20, 20, 20, 1, 20, 1])
        #expect(frames.allSatisfy { $0.bodies.elementsEqual((1...UInt64($0.bodies.count)).map(event)) })
        let flags = frames.map { $0.frame.header.flags.subtracting(.followsSync) }
        let plain: FrameHeader.Flags = [.restart, .stored]
        #expect(flags == [.restart, plain, .restart, .restart, .restart, [], plain, .restart, []])
        #expect(try disk.crash(keeping: .nothingUnsynced).open().events() == frames.flatMap(\.bodies))
    }

    @Test("ids of segments are not used twice, and the record of a clean close waits for the last one")
    func idsAndMark() throws {
        let logs = [
            try open(1, segmentBytes: 1200), try open(2, segmentBytes: 1200), try open(3, segmentBytes: 1200),
        ]
        for round in 0..<40 {
            try logs[round % 3].add(2)
            if round % 10 == 9 { try logs[round % 3].packAll() }
        }
        let reader = logs[0].reader(after: 0)
        while try reader.next() != nil {}
        try logs[0].seal(longerThan: 0)
        let ids = logs[0].entries.map(\.header.id)
        #expect(Set(ids).count == ids.count)
        for log in logs {
            #expect(try log.checkPrefix() == 80)
            let page = try disk.contents(of: log.paths.lock)
            #expect(page.withUnsafeBytes { CleanCloseRecord.read($0) } == .none)
            try log.close()
        }
        let page = try disk.contents(of: logs[0].paths.lock)
        #expect(page.count == LockFile.length)
        #expect(page.withUnsafeBytes { CleanCloseRecord.read($0) } != .none)
        #expect(try open(4).report.ending == .clean)
    }
}
