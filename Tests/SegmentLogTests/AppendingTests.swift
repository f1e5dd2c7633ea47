import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Appending to and reading from a log")
struct AppendingTests {
    @Test("what was appended and synced is read back, from every place on, now and after reopening")
    func readBack() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        #expect(log.report.ending == .created)
        var count = 0
        for size in [1, 3, 1, 20, 2, 1, 1] {
            try log.add(size)
            count += size
        }
        func check(_ log: SegmentLog) throws {
            let all = (1...UInt64(count)).map(event)
            for after in 0...UInt64(count) {
                #expect(try log.events(after: after) == Array(all.dropFirst(Int(after))), "after \(after)")
            }
            #expect(try log.events(after: UInt64(count) + 7) == [])
        }
        try check(log)
        try log.close()
        try check(fileSystem.open())
        try check(fileSystem.asProcess(pid: 2).openForReading())
    }

    @Test("a new journal of a few memories is one segment")
    func oneSegment() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        for _ in 0..<3 { try log.add() }
        #expect(fileSystem.segments.count == 1)
        try log.close()
        #expect(fileSystem.segments.count == 1)
    }

    @Test("the closure is told the log's end, and appending nothing is nothing")
    func head() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        try log.add(4)
        var seen: LogHead?
        let head = try log.append(rawBytes: 0, pieces: 0) { head in
            seen = head
            return []
        }
        #expect(seen?.lastSequence == 4)
        #expect(head.lastSequence == 4)
        try log.sync()
        #expect(try log.checkPrefix() == 4)
    }

    @Test("recorded times do not go back when the clock does, also over a reopening")
    func clockGoesBack() throws {
        let fileSystem = SimulatedDisk()
        for _ in 0..<3 {
            // Each options' clock begins at the same time.
            let log = try fileSystem.open()
            for _ in 0..<4 { try log.add() }
            try log.close()
        }
        #expect(try fileSystem.openForReading().checkPrefix() == 12)  // checks the times
    }

    @Test("a commit of many events is several frames, of which only the first promises")
    func severalFrames() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        try log.add()
        let piece = { (number: UInt64) in
            encode([event(number), Array(repeating: UInt8(number), count: 50_000)])
        }
        try log.write((1...30).map(piece))
        try log.sync()
        let frames = try log.frames(after: 1)
        #expect(frames.count > 4)
        #expect(frames.allSatisfy { $0.frame.header.rawLength <= 256 << 10 })
        #expect(frames.map { $0.frame.header.flags.contains(.followsSync) } == frames.indices.map { $0 == 0 })
        #expect(frames.flatMap(\.bodies).count == 60)
        #expect(Set(frames.map(\.frame.recordedMicroseconds)).count == 1)
    }

    @Test("what does not shrink is stored, and the frame behind it restarts the stream")
    func stored() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        var generator = SplitMix(7)
        let noise = generator.bytes(5000)
        try log.add()
        try log.write([noise])
        try log.sync()
        try log.write([event(3)])
        try log.sync()
        try log.write([event(4)])
        try log.sync()
        let flags = try log.frames().map { $0.frame.header.flags }
        #expect(flags.map { $0.contains(.stored) } == [false, true, false, false])
        #expect(flags.map { $0.contains(.restart) } == [true, true, true, false])
        #expect(try log.events() == [event(1), noise, event(3), event(4)])
        try log.close()
        let again = try fileSystem.open()
        for after in 0...4 as ClosedRange<UInt64> {
            #expect(
                try again.events(after: after)
                    == Array([event(1), noise, event(3), event(4)].dropFirst(Int(after))))
        }
    }

    @Test("a tiny payload that does not shrink keeps the stream going")
    func tinyNoise() throws {
        let log = try SimulatedDisk().open()
        var generator = SplitMix(8)
        let bodies = (0..<10).map { _ in generator.bytes(40) }
        for body in bodies {
            try log.write([body])
            try log.sync()
        }
        #expect(
            try log.frames().dropFirst().allSatisfy {
                $0.frame.header.flags.isDisjoint(with: [.stored, .restart])
            })
        #expect(try log.events() == bodies)
    }

    @Test(
        "large payloads are compressed by the caller, as a restart of their own, and the stream goes on behind them"
    )
    func largePayloads() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        let large = (0..<1500).flatMap { event($0 * 13 * 17 + 1) }
        var generator = SplitMix(9)
        let noise = generator.bytes(100_000)
        func compressed(_ body: [UInt8]) -> EncodedEvents {
            var events = encode([body])
            events.compressIfLarge(level: 6)
            return events
        }
        #expect(compressed(event(1)).compressed == nil)
        try log.write([
            encode([event(1)]), compressed(large), encode([event(3)]), compressed(noise), encode([event(5)]),
        ])
        try log.sync()
        try log.write([compressed(large)])
        try log.sync()
        try log.write([event(7)])
        try log.sync()
        let flags = try log.frames().map { $0.frame.header.flags }
        #expect(flags.map { $0.contains(.restart) } == [true, true, false, true, true, true, false])
        #expect(flags.map { $0.contains(.stored) } == [false, false, false, true, false, false, false])
        let all = [event(1), large, event(3), noise, event(5), large, event(7)]
        #expect(try log.events() == all)
        fileSystem.kill()
        let again = try fileSystem.crash(keeping: .nothingUnsynced).open()
        for after in 0...7 as ClosedRange<UInt64> {
            #expect(try again.events(after: after) == Array(all.dropFirst(Int(after))), "after \(after)")
        }
    }

    @Test(
        "the stream restarts after each 512 KiB of input, and the offsets in between are read from a restart")
    func restarts() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        let body = { (number: UInt64) in (0..<100).flatMap { _ in event(number * 19 + 1) } }
        for number in 1...150 as ClosedRange<UInt64> {
            try log.write([body(number)])
            try log.sync()
        }
        var input = 0
        for read in try log.frames() {
            let isDue = input == 0 || input >= Deflater.restartInterval
            #expect(read.frame.header.flags.contains(.restart) == isDue, "at input \(input)")
            if isDue { input = 0 }
            input += Int(read.frame.header.rawLength)
        }
        for after in stride(from: 0 as UInt64, through: 149, by: 7) {
            #expect(try log.events(after: after).first == body(after + 1))
        }
    }

    @Test("the same process and a reader of another see only what is synced")
    func visibility() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        try log.add(2)
        let other = try fileSystem.asProcess(pid: 2).openForReading()
        #expect(other.report.ending == .shared)
        #expect(other.otherOpeners.map(\.process.pid) == [1])
        let ownReader = log.reader(after: 0)
        let otherReader = other.reader(after: 0)
        #expect(try ownReader.next()?.lastSequence == 2)
        #expect(try otherReader.next()?.lastSequence == 2)
        for last in 3...40 as ClosedRange<UInt64> {
            try log.writeNext()
            #expect(log.visibleSequence == last - 1)
            #expect(other.visibleSequence == last - 1)
            #expect(try ownReader.next() == nil)
            #expect(try otherReader.next() == nil)
            try log.sync()
            #expect(other.visibleSequence == last)
            #expect(try ownReader.next()?.lastSequence == last)
            #expect(try decode(otherReader.next().map { _ in otherReader.payload }!) == [event(last)])
        }
        #expect(try other.checkPrefix() == 40)
        try log.close()
        #expect(try other.checkPrefix() == 40)
        #expect(try otherReader.next() == nil)
    }

    @Test("readers follow over the ends of segments")
    func followOverRotation() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open(segmentBytes: 1600)
        try log.add()
        let other = try fileSystem.asProcess(pid: 2).openForReading()
        let readers = [log.reader(after: 0), other.reader(after: 0)]
        for reader in readers { #expect(try reader.next()?.lastSequence == 1) }
        for last in 2...40 as ClosedRange<UInt64> {
            try log.add()
            for reader in readers {
                #expect(try reader.next()?.lastSequence == last)
                #expect(decode(reader.payload) == [event(last)])
            }
        }
        #expect(fileSystem.segments.count > 4)
        // One that was not asked for a long while, over several segments.
        for _ in 0..<40 { try log.add() }
        for reader in readers {
            for last in 41...80 as ClosedRange<UInt64> { #expect(try reader.next()?.lastSequence == last) }
            #expect(try reader.next() == nil)
        }
        for after in stride(from: 0 as UInt64, through: 80, by: 9) {
            #expect(try other.events(after: after) == (after + 1...80).map(event))
        }
    }

    @Test("a reader goes on when the writer dies and another recovers")
    func followOverRecovery() throws {
        let fileSystem = SimulatedDisk()
        var writer = fileSystem.asProcess(pid: 10)
        var log = try writer.open()
        try log.add()
        let other = try fileSystem.asProcess(pid: 2).openForReading()
        let reader = other.reader(after: 0)
        var last: UInt64 = 1
        #expect(try reader.next()?.lastSequence == last)
        for pid in 11...14 as ClosedRange<Int32> {
            for _ in 0..<3 {
                last = try log.add()
                #expect(try reader.next()?.lastSequence == last)
            }
            // With an event that the disk may not have, or without.
            if pid % 2 == 0 { try log.writeNext() }
            writer.kill()
            writer = fileSystem.asProcess(pid: pid)
            log = try writer.open()
            #expect(log.report.ending == .unclean)
            if pid % 2 == 0 {
                last += 1
                #expect(try reader.next()?.lastSequence == last)
                #expect(decode(reader.payload) == [event(last)])
            }
        }
        #expect(try reader.next() == nil)
        #expect(try other.checkPrefix() == last)
    }

    @Test("without a living writer the page is not asked: it may be of another moment than the log beside it")
    func stalePage() throws {
        let fileSystem = SimulatedDisk()
        let writer = fileSystem.asProcess(pid: 10)
        let log = try writer.open()
        for _ in 0..<3 { try log.add() }
        let segment = fileSystem.segments.last!
        let older = try fileSystem.contents(of: segment)
        try log.add()
        writer.kill()
        // A copy of the directory, the log before the last commit and the lock file after it.
        try fileSystem.replaceContents(of: segment, with: older)
        let reader = try fileSystem.openForReading()
        #expect(try reader.checkPrefix() == 3)
        // A writer that comes is heard again.
        let next = try fileSystem.asProcess(pid: 11).open()
        #expect(try reader.checkPrefix() == 3)
        try next.add(2)
        #expect(try reader.checkPrefix() == 5)
    }

    @Test("two commits and one sync, also over the end of a segment, are all there")
    func severalWritesOneSync() throws {
        for kept in SimulatedDisk.Kept.allCases {
            let fileSystem = SimulatedDisk()
            let log = try fileSystem.open(segmentBytes: 1600)
            for _ in 0..<30 { try log.writeNext() }
            try log.sync()
            #expect(try log.checkPrefix() == 30)
            let after = fileSystem.crash(keeping: kept)
            #expect(try after.open().checkPrefix() == 30)
        }
    }

    @Test("commits without a sync: after a crash a prefix is there, and what is shown stays")
    func unsyncedOverRotation() throws {
        for kept in SimulatedDisk.Kept.allCases {
            let fileSystem = SimulatedDisk()
            let log = try fileSystem.open(segmentBytes: 1600)
            try log.add()
            for _ in 0..<29 { try log.writeNext() }
            let after = fileSystem.crash(keeping: kept)
            let shown = try after.open().checkPrefix()
            #expect(shown >= 1)
            #expect(try after.crash(keeping: .nothingUnsynced).open().checkPrefix() == shown)
            // The same when only the process died, and the page cache shows what the disk may not have.
            let killed = fileSystem.copy()
            let shownThere = try killed.open().checkPrefix()
            #expect(try killed.crash(keeping: .nothingUnsynced).open().checkPrefix() == shownThere)
        }
    }

    @Test("a batch that no frame may hold is not written, since it could not be read again")
    func tooLarge() throws {
        let fileSystem = SimulatedDisk()
        var options = LogOptions.test(fileSystem)
        options.maximumFrameBytes = 1000
        let log = try SegmentLog.open(directory, options)
        try log.add()
        let largest = EncodedEvents(raw: encode([[UInt8](repeating: 1, count: 997)]).raw, count: 1)
        #expect(largest.raw.count == 1000)
        try log.write([largest])
        try log.sync()
        #expect(log.visibleSequence == 2)
        let larger = encode([[UInt8](repeating: 1, count: 998)])
        #expect(logError { try log.write([larger]) }?.kind == .notWritten)
        #expect(logError { try log.add() }?.kind == .poisoned)
        try log.close()
        #expect(try fileSystem.open().frames().count == 2)
    }

    @Test("space is reserved in growing steps, and given back at close")
    func preallocation() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        var generator = SplitMix(3)
        try log.add()
        let segment = fileSystem.segments.last!
        var lengths = [try fileSystem.contents(of: segment).count]
        #expect(lengths == [256 << 10])
        for _ in 0..<40 {
            try log.write([generator.bytes(60_000)])
            try log.sync()
            let length = try fileSystem.contents(of: segment).count
            if length != lengths.last { lengths.append(length) }
        }
        #expect(lengths == [256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20])
        let allocations = fileSystem.calls.filter {
            $0.operation == .allocate && $0.path.string.hasPrefix(segment.string)
        }
        // One when the segment was made.
        #expect(allocations.count == 1 + lengths.count)
        try log.close()
        let end = try #require(try fileSystem.openForReading().frames().last?.frame.end)
        #expect(try fileSystem.contents(of: segment).count == Int(end))
        #expect(try fileSystem.durableContents(of: segment).count == Int(end))
    }

    @Test("one write and one sync a commit, and no reservation when there is room")
    func callsPerCommit() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        try log.add()
        fileSystem.resetCalls()
        try log.add(3)
        let operations = fileSystem.calls.map(\.operation).filter(\.changesDisk)
        #expect(operations == [.write, .syncData])
        fileSystem.resetCalls()
        try log.sync()
        #expect(fileSystem.calls.isEmpty)
    }

    @Test("a log opened for reading takes no events, a closed one neither")
    func refused() throws {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        try log.add()
        let other = try fileSystem.asProcess(pid: 2).openForReading()
        #expect(logError { try other.add() }?.kind == .readOnly)
        try other.close()
        try log.close()
        try log.close()
        #expect(logError { try log.add() }?.kind == .closed)
        #expect(try log.checkPrefix() == 1)
    }
}
