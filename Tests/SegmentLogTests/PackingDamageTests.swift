import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Damage in a packed segment")
struct PackingDamageTests {
    /// A closed journal whose sealed segments are packed; the second one holds several blocks and other frames.
    private static func journal() throws -> (disk: SimulatedDisk, events: [ReadEvent]) {
        let disk = SimulatedDisk()
        var options = LogOptions.test(disk, segmentBytes: 3000)
        options.maximumFrameBytes = 5200
        let log = try SegmentLog.open(directory, options)
        var generator = SplitMix(8)
        try log.add(3)
        // Incompressible, and larger than a block may be here: it stands alone.
        try log.write([generator.bytes(5000)])
        try log.sync()
        for count in [2, 5, 1, 12, 1] { try log.add(count) }
        try log.packAll()
        let events = try log.readEvents()
        try log.close()
        return (disk.copy(), events)
    }

    /// What is wrong with how a damaged journal is taken: each way of reading gives all, or says what is lost.
    private func problem(_ disk: SimulatedDisk, _ events: [ReadEvent]) -> String? {
        do {
            var found: [ReadEvent] = []
            let survey = LogSurvey(directory, fileSystem: disk) { frame, payload in
                for (index, body) in (decode(payload) ?? []).enumerated() {
                    found.append(
                        ReadEvent(
                            sequence: frame.firstSequence + UInt64(index),
                            recorded: frame.recordedMicroseconds, body: body))
                }
                return nil
            }
            try survey.run()
            if survey.problems.isEmpty { return "nothing is reported" }
            let lost = survey.problems.compactMap(\.lost)
            let expected = events.filter { event in !lost.contains { $0.contains(event.sequence) } }
            // Of a segment that is not there, what it held of the one before it is not known: that may be read all the same.
            let isMissing = survey.problems.contains { $0.kind == .missingSegment }
            if found != expected, !isMissing || !Set(found).isSuperset(of: expected) {
                return "\(found.count) events, and lost: \(lost)"
            }
        } catch {
            return "survey: \(error)"
        }
        do {
            let log = try disk.openForReading()
            if try log.readEvents() != events { return "fewer events" }
        } catch let error as LogError {
            if ![.damaged, .unsupported].contains(error.kind) || error.path == nil { return "\(error)" }
        } catch {
            return "\(error)"
        }
        return nil
    }

    @Test("every flipped bit is reported, and loses no more than its block")
    func bitFlips() throws {
        let (disk, events) = try Self.journal()
        var wrong: [String] = []
        for path in disk.segments.dropLast() {
            let bytes = try disk.contents(of: path)
            for offset in bytes.indices {
                // Zeros behind the header, and noise, are long, and each byte is as the next.
                let isDull = offset < 1024 || (2000..<5000).contains(offset)
                for bit in 0..<8 where Thoroughness.tries(bit + 8 * offset, oneOf: isDull ? 449 : 11) {
                    try disk.corrupt(path, at: offset, xor: 1 << UInt8(bit))
                    if let problem = problem(disk, events) {
                        wrong.append("\(path.lastComponent!), offset \(offset), bit \(bit): \(problem)")
                    }
                    try disk.corrupt(path, at: offset, xor: 1 << UInt8(bit))
                }
            }
        }
        #expect(wrong == [])
    }

    @Test("every length that it may be cut to, and bytes behind its end")
    func truncation() throws {
        let (disk, events) = try Self.journal()
        var wrong: [String] = []
        for path in disk.segments.dropLast() {
            let bytes = try disk.contents(of: path)
            for length in bytes.indices where Thoroughness.tries(length, oneOf: 17) {
                try disk.replaceContents(of: path, with: Array(bytes[..<length]))
                if let problem = problem(disk, events) { wrong.append("\(length): \(problem)") }
            }
            for more in [[0], [1], [UInt8](repeating: 0, count: 5000)] as [[UInt8]] {
                try disk.replaceContents(of: path, with: bytes + more)
                if let problem = problem(disk, events) { wrong.append("\(more.count) more: \(problem)") }
                #expect(try disk.openForReading().readEvents() == events)
            }
            try disk.replaceContents(of: path, with: bytes)
        }
        #expect(wrong == [])
    }

    @Test("without its index all events are read, from each sequence on, and it is packed anew")
    func index() throws {
        let (disk, events) = try Self.journal()
        for path in disk.segments.dropLast() {
            let bytes = try disk.contents(of: path)
            for offset in [bytes.count - 1, bytes.count - PackedFooter.trailerLength - 1] {
                let found = disk.copy()
                try found.corrupt(path, at: offset, xor: 4)
                let survey = try found.survey()
                #expect(survey.problems.map(\.kind) == [.index])
                #expect(survey.problems.map(\.lost) == [nil])
                let log = try found.open(seed: 9)
                for after in 0..<UInt64(events.count) {
                    #expect(try log.readEvents(after: after) == Array(events.dropFirst(Int(after))))
                }
                for segment in try log.sealedSegments() { _ = try log.pack(segment.name) }
                #expect(try found.survey().problems == [])
                #expect(try log.readEvents() == events)
            }
        }
    }

    @Test("a damaged segment is not packed, and stays as it is")
    func damagedOriginal() throws {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk)
        let sealed = try log.sealedSegments()
        for segment in sealed {
            let path = paths.segment(segment.name)
            let bytes = try disk.contents(of: path)
            for offset in stride(from: 1024, to: bytes.count, by: 7) {
                try disk.corrupt(path, at: offset, xor: 8)
                let damaged = try disk.contents(of: path)
                do {
                    let result = try log.pack(segment.name)
                    // The zeros behind a frame are no event's.
                    if result != nil { break }
                } catch {
                    #expect(error.kind == .damaged && error.path == path && error.offset != nil)
                    #expect(error.sequences?.lowerBound ?? 0 >= segment.name.firstSequence)
                    #expect(try disk.contents(of: path) == damaged)
                    #expect(try disk.names(inDirectory: paths.log).count == sealed.count + 1)
                }
                try disk.corrupt(path, at: offset, xor: 8)
            }
        }
    }

    @Test("beside what it replaces: damaged anywhere, the other serves; else it does")
    func bothThere() throws {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk, [1, 9, 1, 1, 12, 3, 1, 6])
        let before = try log.readEvents()
        let name = log.entries[0].header.name
        let original = try disk.contents(of: paths.segment(name))
        let result = try #require(try log.pack(name))
        try log.close()
        try disk.replaceContents(of: paths.segment(name), with: original)
        let replacement = paths.segment(result.name)
        let bytes = try disk.contents(of: replacement)
        func opened(_ access: LogOptions.Access) throws -> (SegmentLog, SimulatedDisk) {
            let found = disk.copy()
            return (try SegmentLog.open(directory, .test(found, access: access)), found)
        }
        for access in [LogOptions.Access.readOnly, .readWrite] {
            let (log, found) = try opened(access)
            #expect(log.entries[0].header.name == result.name)
            #expect(try log.readEvents() == before)
            #expect(found.paths.contains(paths.segment(name)) == (access == .readOnly))
        }
        #expect(try disk.survey().problems == [])
        for offset in bytes.indices where Thoroughness.tries(offset, oneOf: 5) {
            try disk.corrupt(replacement, at: offset, xor: 1 << UInt8(offset % 8))
            for access in [LogOptions.Access.readOnly, .readWrite] {
                let (log, found) = try opened(access)
                let isServing = log.entries[0].header.name == result.name
                // The copies of the header, and the zeros between them, may be damaged one at a time.
                if !isServing {
                    #expect(offset >= 1024 && log.report.notes.count == 1, "offset \(offset)")
                    #expect(found.paths.contains(replacement) && found.paths.contains(paths.segment(name)))
                }
                if try log.readEvents() != before { Issue.record("offset \(offset)") }
                guard access == .readWrite, offset % 16 == 0 else { continue }
                // Packed once more, both go.
                for segment in try log.sealedSegments() { _ = try log.pack(segment.name) }
                #expect(try log.readEvents() == before)
            }
            #expect(try !disk.survey().problems.isEmpty, "offset \(offset)")
            try disk.corrupt(replacement, at: offset, xor: 1 << UInt8(offset % 8))
        }
    }
}
