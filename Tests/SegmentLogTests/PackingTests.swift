import JournalFileSystem
import JournalTesting
import Synchronization
import SystemPackage
import Testing

@testable import SegmentLog

/// One event as it was read: what packing must not change.
struct ReadEvent: Hashable {
    var sequence: UInt64
    var recorded: Int64
    var body: [UInt8]
}

extension SegmentLog {
    /// All events behind `after`.
    func readEvents(after: UInt64 = 0) throws -> [ReadEvent] {
        try frames(after: after).flatMap { read in
            read.bodies.enumerated().map { index, body in
                ReadEvent(
                    sequence: read.frame.firstSequence + UInt64(index),
                    recorded: read.frame.recordedMicroseconds, body: body)
            }
        }.filter { $0.sequence > after }
    }

    /// Packs every sealed segment that is not packed.
    @discardableResult
    func packAll() throws(LogError) -> [PackResult] {
        var results: [PackResult] = []
        for segment in try packPlan().segments {
            if let result = try pack(segment.name) { results.append(result) }
        }
        return results
    }
}

extension SimulatedDisk {
    /// What reading every byte finds wrong.
    func survey(floor: UInt64 = 0) throws -> LogSurvey {
        let survey = LogSurvey(directory, fileSystem: self, floor: floor) { frame, payload in
            guard !frame.header.isSkippable else { return nil }
            return decode(payload)?.count == Int(frame.header.eventCount)
                ? nil : "not the events that it says"
        }
        try survey.run()
        return survey
    }
}

@Suite("Packed segments")
struct PackingTests {
    /// A journal of several segments, written with commits of these many events.
    static func journal(
        _ disk: SimulatedDisk = SimulatedDisk(), segmentBytes: UInt64 = 1600,
        _ counts: [Int] = [1, 2, 1, 5, 12, 1, 1, 3, 17, 1, 2, 4, 1, 1, 8, 1]
    ) throws -> SegmentLog {
        let log = try disk.open(segmentBytes: segmentBytes)
        for count in counts { try log.add(count) }
        return log
    }

    /// Checks that the log reads as it did, from its beginning and from each sequence, here and in openings of any kind.
    static func check(_ log: SegmentLog, _ disk: SimulatedDisk, _ before: [ReadEvent]) throws {
        #expect(try log.readEvents() == before)
        for after in 0...UInt64(before.count) {
            #expect(try log.readEvents(after: after) == Array(before.dropFirst(Int(after))), "after \(after)")
        }
        #expect(try disk.openForReading().readEvents() == before)
        #expect(try disk.crash(keeping: .nothingUnsynced).open(seed: 7).readEvents() == before)
        let survey = try disk.crash(keeping: .nothingUnsynced).survey()
        #expect(survey.problems == [])
        #expect(survey.eventCount == UInt64(before.count))
    }

    @Test("give the same events, times and sequences, from each sequence on")
    func roundTrip() throws {
        let disk = SimulatedDisk()
        let log = try Self.journal(disk)
        let before = try log.readEvents()
        let sealed = try log.sealedSegments()
        #expect(sealed.count > 3)
        let results = try log.packAll()
        #expect(results.map(\.replaced) == sealed.map(\.name))
        #expect(results.reduce(0) { $0 + $1.eventCount } == sealed.last!.lastSequence)
        #expect(disk.segments.count == sealed.count + 1)
        #expect(try log.packPlan().segments == [])
        try Self.check(log, disk, before)
        // And it goes on: appends, rotations, another packing, also of what is packed.
        for count in [1, 9, 2, 30, 1] { try log.add(count) }
        try log.packAll()
        let again = try log.sealedSegments()
        for segment in again { _ = try log.pack(segment.name) }
        #expect(try log.sealedSegments().map(\.lastSequence) == again.map(\.lastSequence))
        #expect(Set(try log.sealedSegments().map(\.name)).isDisjoint(with: again.map(\.name)))
        let all = try log.readEvents()
        #expect(Array(all.prefix(before.count)) == before)
        try Self.check(log, disk, all)
        try log.close()
        let reopened = try disk.copy().open(seed: 3)
        #expect(reopened.report.ending == .clean)
        #expect(try reopened.readEvents() == all)
    }

    @Test("hold payloads of every shape: tiny, empty, many in a frame, larger than a block, noise")
    func shapes() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 300_000)
        var generator = SplitMix(5)
        var shapes: [[[UInt8]]] = [
            [[]], [[], [], []], Array(repeating: [7], count: 3000), [generator.bytes(65_400)],
            [[UInt8](repeating: 65, count: 65_530)], [generator.bytes(65_536)], [generator.bytes(200_000)],
            [[UInt8](repeating: 66, count: 1_000_000)],
            (0..<50).map { _ in generator.bytes(Int(generator.next() % 9000)) },
            (0..<2000).map { Array("{\"number\":\($0),\"text\":\"again and again\"}".utf8) },
        ]
        shapes += shapes.reversed()
        for shape in shapes {
            try log.write(shape)
            try log.sync()
        }
        // A series of records it is not: kept as it is.
        try log.write([EncodedEvents(raw: Array("not records".utf8), count: 3)])
        try log.write(shapes[9])
        try log.write(shapes[6])
        try log.write(shapes[6])
        try log.sync()
        func everything() throws -> [[UInt8]] {
            let reader = log.reader(after: 0)
            var bytes: [UInt8] = []
            var times: [Int64] = []
            while let frame = try reader.next() {
                bytes += reader.payload
                times += Array(repeating: frame.recordedMicroseconds, count: Int(frame.header.eventCount))
            }
            return [
                bytes, times.flatMap { time in (0..<8).map { UInt8(truncatingIfNeeded: time >> ($0 * 8)) } },
            ]
        }
        let before = try everything()
        let results = try log.packAll()
        #expect(results.count > 2)
        #expect(try everything() == before)
        for path in disk.segments.dropLast() {
            let length = try disk.contents(of: path).count
            #expect(length < 1_100_000)
        }
        #expect(try disk.openForReading().report.notes == [])
    }

    @Test("blocks are independent, hold about 64 KiB, and are found by the index")
    func blocks() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 60_000)
        for index in 0..<60 {
            try log.write(
                (0..<300).map { Array("memory \(index) \($0) about this and that, at length".utf8) })
            try log.sync()
        }
        try log.packAll()
        let entry = try #require(log.entries.first)
        #expect(entry.header.isPacked && entry.header.originalID == 1 && entry.header.id > 1)
        let file = try disk.openFile(entry.path, .readOnly)
        let footer = try #require(try PackedFooter.read(file, entry.header))
        #expect(footer.blocks.count > 5)
        let cursor = FrameCursor(file, path: entry.path, header: entry.header, maximumRawBytes: 1 << 20)
        for block in footer.blocks {
            guard case .frame(let frame) = try cursor.next(.header) else { throw Wrong("no frame") }
            #expect(frame.header.flags.contains(.restart))
            #expect(frame.header.rawLength <= 64 << 10)
            #expect(
                block
                    == .init(
                        offset: frame.offset, firstSequence: frame.firstSequence,
                        recordedMicroseconds: frame.recordedMicroseconds, previous: frame.header.previous))
        }
        #expect(cursor.offset == footer.end)
        #expect(footer.original == log.entries[1].header.predecessor)
        // An event in the middle costs the header, the footer and one window.
        disk.resetCalls()
        let reader = log.reader(after: footer.blocks[3].firstSequence + 5)
        let frame = try #require(try reader.next())
        #expect(frame.offset == footer.blocks[3].offset)
        #expect(disk.callCounts[.read] == 3)
    }

    @Test("empty segments, and those written again after an unclean end")
    func reappended() throws {
        for kept in SimulatedDisk.Kept.allCases {
            var disk = SimulatedDisk()
            var log = try disk.open()
            for count in [3, 1, 2] { try log.add(count) }
            for round in 0..<4 as Range<UInt64> {
                try log.writeNext(2)
                disk = disk.crash(keeping: kept)
                log = try disk.open(seed: round + 2)
                if round == 2 { try log.add(4) }
            }
            let before = try log.readEvents()
            let bytes = try log.sealedSegments()
            #expect(bytes.count >= 2)
            let results = try log.packAll()
            #expect(results.count == bytes.count)
            try Self.check(log, disk, before)
        }
        // A segment that ended before anything was vouched for.
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.writeNext(2)
        let found = disk.crash(keeping: .everything)
        let again = try found.open(seed: 2)
        #expect(try again.sealedSegments().map(\.lastSequence) == [0])
        let before = try again.readEvents()
        #expect(before.count == 2)
        #expect(try again.packAll().map(\.eventCount) == [0])
        try Self.check(again, found, before)
    }

    @Test("what is optional and not known is kept, and packed beside the rest")
    func optionalFrames() throws {
        let disk = SimulatedDisk()
        let header = SegmentHeader(
            id: 1, journal: JournalUUID(high: 1, low: 2), firstSequence: 1, createdMicroseconds: 5, salt: 6,
            secret: [1, 2, 3, 4], predecessor: nil)
        let packedHeader = header.packed(id: 9, salt: 77)
        #expect(packedHeader.isSupported && packedHeader.belongs(to: packedHeader.name))
        var writer = FrameWriter(header, level: 6)
        let plain = FrameHeader(
            payloadCRC: 0, previous: 0, storedLength: 0, rawLength: 0, sequenceOffset: 0, eventCount: 2,
            flags: [])
        for index in 0..<9 {
            var original = plain
            if index % 3 == 1 { original.type = 200 }
            if index % 3 == 2 { original.flags = .init(rawValue: 1 << 9) }
            encode([[UInt8(index)], event(UInt64(index))]).raw.withUnsafeBytes {
                writer.appendAgain($0, as: original, time: 5 + 10 * Int64(index / 2), followsSync: false)
            }
        }
        let file = try disk.openFile("/segment", .createNew)
        try file.write(header.twice, at: 0)
        try file.write(writer.pending.bytes, at: SegmentHeader.framesOffset)
        let ending = SegmentHeader.Predecessor(
            originalID: 1, chain: writer.chain, lastSequence: writer.lastSequence, end: writer.end)
        let entry = CatalogEntry(path: "/segment", header: header, ending: ending)
        let original = try SealedSegmentWalk(entry, paths, fileSystem: disk, maximumRawBytes: 1 << 20)
        var packed = try PackedFile(
            "/packed", BlockPacker(packedHeader, level: 9, maximumRawBytes: 1 << 20), disk)
        let digest = try #require(try packed.write(original, ending) { true })
        let found = CatalogEntry(path: "/packed", header: packedHeader, ending: ending)
        let again = try SealedSegmentWalk(
            found, paths, fileSystem: disk, maximumRawBytes: 1 << 20, needsFooter: true)
        var types: [UInt8] = []
        var flags: [UInt16] = []
        var counted = EventDigest()
        while let frame = try again.next() {
            types.append(frame.header.type)
            flags.append(frame.header.flags.rawValue & 0xFF00)
            counted.add(frame, again.cursor.payload)
        }
        counted.finish()
        #expect(counted == digest)
        #expect(types == [1, 200, 1, 1, 200, 1, 1, 200, 1])
        #expect(flags == [0, 0, 512, 0, 0, 512, 0, 0, 512])
    }

    @Test("are made beside appends, readers and drops, all at once")
    func beside() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 3000)
        try log.add(20)
        let isDone = Atomic(false)
        let wrong = Counter<[String]>([])
        let threads = try (0..<3).map { number in
            try spawnThread(name: "test") {
                do {
                    while !isDone.load(ordering: .relaxed) {
                        if number == 0 {
                            try log.packAll()
                        } else {
                            let least = log.visibleSequence
                            let bodies = try log.events()
                            guard bodies.count >= least, bodies == (1...UInt64(bodies.count)).map(event)
                            else { throw Wrong("\(bodies.count) events") }
                        }
                    }
                } catch {
                    wrong.value.withLock { $0.append("\(error)") }
                }
            }
        }
        for round in 0..<200 { try log.add(1 + round % 5) }
        isDone.store(true, ordering: .relaxed)
        for thread in threads { thread.join() }
        #expect(wrong.value.withLock { $0 } == [])
        try log.packAll()
        let before = try log.readEvents()
        #expect(before.count == 20 + 600)
        try log.close()
        #expect(try disk.copy().open(seed: 2).readEvents() == before)
        let names = disk.segments.map { SegmentName($0.lastComponent!.string)!.id }
        #expect(Set(names).count == names.count)
    }

    @Test("stopping in the middle, or a name that is no sealed segment's, changes nothing")
    func stopped() throws {
        let disk = SimulatedDisk()
        let log = try Self.journal(disk)
        let paths = disk.paths
        for segment in try log.packPlan().segments {
            #expect(try log.pack(segment.name, shouldContinue: { false }) == nil)
        }
        #expect(try log.pack(log.entries.last!.header.name) == nil)
        #expect(try log.pack(SegmentName(firstSequence: 1, id: 99)) == nil)
        #expect(disk.paths == paths)
    }
}
