import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

/// The work of a journal's life, with the power cut after each of its calls.
@Suite("After a power cut at any call")
struct CrashTests {
    /// A life recorded call by call: what was acknowledged, and what was appended at all, once so many calls were made.
    struct Life {
        var fileSystem: SimulatedDisk
        var acknowledged: [(calls: Int, sequence: UInt64)] = [(0, 0)]
        var appended: [(calls: Int, sequence: UInt64)] = [(0, 0)]

        /// What is acknowledged once `calls` calls were made.
        func acknowledged(after calls: Int) -> UInt64 { acknowledged.last { $0.calls <= calls }!.sequence }
        /// The most that can be there: what was appended, or was being appended by then.
        func appended(after calls: Int) -> UInt64 {
            (appended.first { $0.calls >= calls } ?? appended.last!).sequence
        }
    }

    /// Creates, adds (one and several, over the ends of segments), closes, opens, adds, dies, recovers, adds, closes.
    static func live(segmentBytes: UInt64) throws -> Life {
        let disk = SimulatedDisk(pid: 1)
        disk.keepsHistory = true
        var life = Life(fileSystem: disk)
        func add(_ count: Int, _ log: SegmentLog, syncs: Bool = true) throws {
            try log.writeNext(count)
            life.appended.append((disk.calls.count, log.lastSequence))
            guard syncs else { return }
            try log.sync()
            life.acknowledged.append((disk.calls.count, log.lastSequence))
        }
        let first = try disk.open(segmentBytes: segmentBytes)
        for count in [1, 1, 4, 12, 1, 2] { try add(count, first) }
        try first.close()
        let process = disk.asProcess(pid: 2)
        let second = try process.open(segmentBytes: segmentBytes, seed: 2)
        for count in [1, 3] { try add(count, second) }
        try add(2, second, syncs: false)
        process.kill()
        let third = try disk.asProcess(pid: 3).open(segmentBytes: segmentBytes, seed: 3)
        // What recovery shows is as good as acknowledged.
        life.acknowledged.append((disk.calls.count, third.visibleSequence))
        for count in [2, 1, 5] { try add(count, third) }
        try third.close()
        return life
    }

    /// Opens the disk as found; everything acknowledged must be there, nothing but what was appended, and the same again
    /// after a second opening, also when nothing that recovery did not sync outlasts another cut.
    private func check(_ disk: SimulatedDisk, atLeast: UInt64, atMost: UInt64, _ place: String) {
        do {
            let log = try disk.open(seed: 9)
            let count = try log.checkPrefix()
            guard (atLeast...max(atLeast, atMost)).contains(count) else {
                throw Wrong("\(count) events, where \(atLeast) to \(atMost) are right")
            }
            for again in [disk.copy(), disk.crash(keeping: .nothingUnsynced)] {
                let shown = try again.open(seed: 10).checkPrefix()
                guard shown == count else {
                    throw Wrong("\(shown) events at the second opening, \(count) at the first")
                }
            }
            try log.add()
            guard try disk.crash(keeping: .nothingUnsynced).open(seed: 11).checkPrefix() == count + 1 else {
                throw Wrong("an event acknowledged after recovery is gone")
            }
        } catch {
            Issue.record("\(place): \(error)")
        }
    }

    @Test("all that was acknowledged is there, and a prefix", arguments: [1600, 64 << 20] as [UInt64])
    func everyCall(segmentBytes: UInt64) throws {
        let life = try Self.live(segmentBytes: segmentBytes)
        let calls = life.fileSystem.calls
        for (index, call) in calls.enumerated()
        where call.operation.changesDisk && Thoroughness.tries(index, oneOf: 2) {
            for kept in SimulatedDisk.Kept.allCases {
                check(
                    life.fileSystem.crash(afterCall: index, keeping: kept),
                    atLeast: life.acknowledged(after: index + 1),
                    atMost: life.appended(after: index + 1), "call \(index), \(call), keeping \(kept)")
            }
        }
    }

    @Test("the same when it is cut again at any call of the recovery")
    func duringRecovery() throws {
        let life = try Self.live(segmentBytes: 1600)
        let calls = life.fileSystem.calls
        for (index, call) in calls.enumerated()
        where call.operation.changesDisk && Thoroughness.tries(index, oneOf: 11) {
            for kept in SimulatedDisk.Kept.allCases {
                let disk = life.fileSystem.crash(afterCall: index, keeping: kept)
                disk.keepsHistory = true
                _ = try disk.open(seed: 4)
                for (inner, second) in disk.calls.enumerated() where second.operation.changesDisk {
                    for keptThen in SimulatedDisk.Kept.allCases {
                        let place =
                            "call \(index), \(call), keeping \(kept), then call \(inner), \(second), keeping \(keptThen)"
                        do {
                            let log = try disk.crash(afterCall: inner, keeping: keptThen).open(seed: 5)
                            let count = try log.checkPrefix()
                            guard count >= life.acknowledged(after: index + 1),
                                count <= life.appended(after: index + 1)
                            else { throw Wrong("\(count) events") }
                        } catch {
                            Issue.record("\(place): \(error)")
                        }
                    }
                }
            }
        }
    }

    /// The process is killed and the machine goes on, so that nothing is lost yet; another opens; then the power goes.
    @Test("what a killed process left unsynced is made durable before it is built upon")
    func killedThenCut() throws {
        let life = try Self.live(segmentBytes: 1600)
        for (index, call) in life.fileSystem.calls.enumerated()
        where call.operation.changesDisk && Thoroughness.tries(index, oneOf: 3) {
            // What `everything` keeps is on this disk durable; so the history's disk itself is asked for.
            let disk = try Self.killed(afterCall: index)
            do {
                let log = try disk.open(seed: 6)
                let shown = try log.checkPrefix()
                guard shown >= life.acknowledged(after: index + 1) else {
                    throw Wrong("only \(shown) events")
                }
                let cut = try disk.crash(keeping: .nothingUnsynced).open(seed: 7).checkPrefix()
                guard cut == shown else { throw Wrong("\(shown) events shown, \(cut) after a power cut") }
                try log.close()
                let closed = try disk.crash(keeping: .nothingUnsynced).open(seed: 7).checkPrefix()
                guard closed == shown else {
                    throw Wrong("\(shown) events shown, \(closed) after a close and a power cut")
                }
                let again = try disk.open(seed: 8)
                try again.add()
                let added = try disk.crash(keeping: .nothingUnsynced).open(seed: 7).checkPrefix()
                guard added == shown + 1 else {
                    throw Wrong("\(shown + 1) events acknowledged, \(added) after a power cut")
                }
            } catch {
                Issue.record("killed after call \(index), \(call): \(error)")
            }
        }
    }

    /// The life once more, killed at a call: from then on every call fails, and what was written stays where it is.
    private static func killed(afterCall index: Int) throws -> SimulatedDisk {
        let disk = SimulatedDisk(pid: 1)
        disk.fail(nil, afterCalls: index + 1, times: .max, with: .inputOutputError)
        liveUntilKilled(disk)
        disk.cancelFaults()
        return disk.copy()
    }

    private static func liveUntilKilled(_ disk: SimulatedDisk) {
        do {
            let first = try disk.open(segmentBytes: 1600)
            for count in [1, 1, 4, 12, 1, 2] { try first.add(count) }
            try first.close()
            let process = disk.asProcess(pid: 2)
            let second = try process.open(segmentBytes: 1600, seed: 2)
            for count in [1, 3] { try second.add(count) }
            try second.writeNext(2)
            process.kill()
            let third = try disk.asProcess(pid: 3).open(segmentBytes: 1600, seed: 3)
            for count in [2, 1, 5] { try third.add(count) }
            try third.close()
        } catch {
            // Killed here.
        }
    }

    @Test("a commit torn at any eight bytes, either way round, is there whole or not at all")
    func tornWrites() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(3)
        let before = disk.crash(keeping: .everything)
        let segment = before.segments.last!
        let old = try before.contents(of: segment)
        let end = Int(try #require(try before.openForReading().frames().last).frame.end)
        try log.write([encode((4...6).map(event)), encode([SplitMixBytes.noise(70_000)]), encode([event(8)])])
        let new = try disk.contents(of: segment)
        let newEnd = try #require(new.lastIndex { $0 != 0 }) + 1
        func torn(_ bytes: [UInt8]) throws -> Int {
            let found = before.copy()
            try found.replaceContents(of: segment, with: bytes)
            let log = try found.open()
            let events = try log.events()
            try log.close()
            let problems = try found.survey().problems
            guard problems.isEmpty else { throw Wrong("\(problems) after recovery") }
            guard try found.open(seed: 4).report.ending == .clean else { throw Wrong("recovered twice") }
            guard events.prefix(3) == (1...3).map(event)[...] else {
                throw Wrong("the first events are not there")
            }
            return events.count
        }
        // The commit is three frames; each is whole or not there, and none without those before it.
        var counts: Set<Int> = []
        let places =
            Array(stride(from: end, to: min(end + 400, newEnd), by: 8))
            + Array(stride(from: end + 400, to: newEnd, by: 4096))
            + Array(stride(from: newEnd - 64, to: newEnd, by: 8))
        for cut in places {
            counts.insert(try torn(Array(new[..<cut]) + old[cut...]))
            #expect(try torn(Array(old[..<(cut + 8)]) + new[(cut + 8)...]) == 3)
        }
        counts.insert(try torn(new))
        #expect(counts.isSubset(of: [3, 6, 7, 8]))
        #expect(counts.contains(3) && counts.contains(8))
    }

    @Test(
        "an unclean end begins a new segment with the same sequences and times, and leaves the old one as it was"
    )
    func uncleanEnd() throws {
        for kept in SimulatedDisk.Kept.allCases {
            let disk = SimulatedDisk()
            let log = try disk.open()
            for count in [3, 1, 2] { try log.add(count) }
            try log.writeNext(2)
            let before = try log.frames()
            let found = disk.crash(keeping: kept)
            let old = found.segments.last!
            let bytes = try found.contents(of: old)
            let again = try found.open(seed: 2)
            #expect(again.report.ending == .unclean)
            #expect(found.segments.count == 2)
            #expect(try found.contents(of: old) == bytes)
            #expect(try again.checkPrefix() == (kept == .everything ? 8 : 6))
            #expect(again.report.reappendedEvents == 2)
            let after = try again.frames()
            for (a, b) in zip(before, after) {
                #expect(a.frame.firstSequence == b.frame.firstSequence)
                #expect(a.frame.recordedMicroseconds == b.frame.recordedMicroseconds)
                #expect(a.bodies == b.bodies)
            }
            // Recovery left its record, so the next opening is clean and goes on in the new segment.
            found.kill()
            let third = found.copy()
            let log3 = try third.open(seed: 3)
            #expect(log3.report.ending == .clean)
            try log3.add()
            #expect(third.segments.count == 2)
            #expect(try third.contents(of: old) == bytes)
        }
    }

    @Test("a clean close and reopening goes on in the same segment, with a restart")
    func cleanClose() throws {
        let disk = SimulatedDisk()
        for round in 0..<4 as Range<UInt64> {
            let log = try disk.open(seed: round)
            #expect(log.report.ending == (round == 0 ? .created : .clean))
            #expect((log.report.closedMicroseconds != nil) == (round > 0))
            #expect(try log.checkPrefix() == 2 * round)
            try log.add()
            try log.add()
            try log.close()
        }
        #expect(disk.segments.count == 1)
        let frames = try disk.openForReading().frames()
        #expect(frames.map { $0.frame.header.flags.contains(.restart) } == (0..<8).map { $0 % 2 == 0 })
        #expect(frames.allSatisfy { $0.frame.header.flags.contains(.followsSync) })
    }

    @Test("a close that returned is clean also after a power cut, so that what is cut off then is damage")
    func durableClose() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(3)
        try log.close()
        let found = disk.crash(keeping: .nothingUnsynced)
        #expect(try found.copy().open(seed: 2).report.ending == .clean)
        let segment = found.segments[0]
        try found.truncate(segment, to: found.contents(of: segment).count - 8)
        #expect(try found.outcome(.readWrite).error?.kind == .damaged)
    }

    @Test("opening and closing without appending changes nothing")
    func idleOpening() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(3)
        try log.close()
        let segment = disk.segments.last!
        let bytes = try disk.contents(of: segment)
        let page = try disk.contents(of: paths.lock)[3584...]
        for _ in 0..<3 {
            let idle = try disk.open()
            #expect(idle.report.ending == .clean)
            try idle.close()
        }
        #expect(try disk.contents(of: segment) == bytes)
        #expect(try disk.contents(of: paths.lock)[3584...] == page)
        #expect(disk.segments == [segment])
    }
}

enum SplitMixBytes {
    /// Bytes that do not deflate.
    static func noise(_ count: Int) -> [UInt8] {
        var generator = SplitMix(77)
        return generator.bytes(count)
    }
}
