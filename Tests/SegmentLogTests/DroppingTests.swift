import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Dropped history, and readers beside packing and dropping")
struct DroppingTests {
    private static func open(
        _ disk: SimulatedDisk, floor: UInt64, access: LogOptions.Access = .readWrite
    ) throws(LogError) -> SegmentLog {
        var options = LogOptions.test(disk, access: access, segmentBytes: 1300, seed: 3)
        options.floor = floor
        return try SegmentLog.open(directory, options)
    }

    @Test("whole segments go, the oldest first, and never the last", arguments: [false, true])
    func drop(packed: Bool) throws {
        for through in 0...70 as ClosedRange<UInt64> where Thoroughness.tries(Int(through), oneOf: 6) {
            let disk = SimulatedDisk()
            let log = try PackingTests.journal(disk)
            if packed { try log.packAll() }
            let sealed = try log.sealedSegments()
            let before = try log.readEvents()
            let planned = try log.dropPlan(through: through)
            let names = disk.segments
            #expect(try log.drop(through: through) == planned)
            let dropped = sealed.filter { $0.lastSequence <= through }
            #expect(planned.segments == dropped)
            #expect(disk.segments == Array(names.dropFirst(dropped.count)))
            let first = (dropped.last?.lastSequence ?? 0) + 1
            #expect(log.firstSequence == first && planned.firstSequence == first)
            #expect(try log.readEvents(after: first - 1) == Array(before.dropFirst(Int(first) - 1)))
            guard first > 1 else { continue }
            for after in [0, first / 2, first - 2] where after < first - 1 {
                let error = try #require(logError { _ = try log.reader(after: after).next() })
                #expect(error.kind == .historyGone)
                #expect(error.sequences == (after + 1)...(first - 1))
                #expect(error.message.contains("begins with sequence \(first)"))
            }
            // With the floor it opens; without, or with one before it, what is missing is missing.
            try log.add()
            try log.close()
            let all = before.count + 1
            for floor in [first - 1, first, .max] {
                for access in [LogOptions.Access.readOnly, .readWrite] {
                    let again = try Self.open(disk.copy(), floor: floor, access: access)
                    #expect(try again.readEvents(after: first - 1).count == all - Int(first) + 1)
                    let refusal = logError { try again.checkReachesBack(to: first - 2) }
                    #expect(refusal?.kind == .damaged)
                    #expect(refusal?.sequences == (first - 1)...(first - 1))
                    try again.checkReachesBack(to: first - 1)
                }
                #expect(try disk.survey(floor: floor).problems == [])
            }
            #expect(logError { _ = try Self.open(disk, floor: 0) }?.kind == .damaged)
            #expect(
                logError { _ = try Self.open(disk, floor: first - 2) }?.sequences == (first - 1)...(first - 1)
            )
            let survey = try disk.survey()
            #expect(survey.problems.map(\.kind) == [.missingSegment])
            #expect(survey.problems.map(\.lost) == [1...(first - 1)])
        }
    }

    @Test("what is dropped in the middle, whoever does it, is missing whatever the floor is")
    func gap() throws {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk)
        try log.packAll()
        let sealed = try log.sealedSegments()
        try log.close()
        try disk.remove(paths.segment(sealed[1].name))
        for access in [LogOptions.Access.readOnly, .readWrite] {
            let error = logError { _ = try Self.open(disk, floor: .max, access: access) }
            #expect(error?.kind == .damaged)
            #expect(error?.sequences?.contains(sealed[1].lastSequence) == true)
        }
    }

    @Test("a packed segment is never the last: when it is, what came behind it is missing")
    func packedLast() throws {
        let disk = SimulatedDisk()
        let log = try PackingTests.journal(disk)
        try log.packAll()
        let found = disk.crash(keeping: .everything)
        try found.remove(found.segments.last!)
        for access in [LogOptions.Access.readOnly, .readWrite] {
            #expect(logError { _ = try Self.open(found, floor: 0, access: access) }?.kind == .damaged)
        }
        let survey = try found.survey()
        #expect(survey.problems.map(\.kind) == [.missingSegment])
        #expect(survey.lastSequence == (try log.sealedSegments().last!.lastSequence))
    }

    // MARK: Readers

    /// Reads on with a reader that has read `count` frames, and returns all events.
    private func readAll(_ reader: LogReader, into bodies: inout [[UInt8]]) throws {
        while let frame = try reader.next() {
            bodies += (decode(reader.payload) ?? []).suffix(Int(frame.lastSequence) - bodies.count)
        }
    }

    @Test("a reader in the middle of what is packed reads on", arguments: [false, true])
    func acrossPacking(isOtherProcess: Bool) throws {
        for stop in 0..<14 {
            let disk = SimulatedDisk()
            let log = try PackingTests.journal(disk)
            let own =
                isOtherProcess
                ? try SegmentLog.open(directory, .test(disk.asProcess(pid: 4), access: .readOnly)) : log
            let before = try log.events()
            var bodies: [[UInt8]] = []
            let reader = own.reader(after: 0)
            let fresh = own.reader(after: 20)
            for _ in 0..<stop {
                guard let frame = try reader.next() else { break }
                bodies += (decode(reader.payload) ?? []).suffix(Int(frame.lastSequence) - bodies.count)
            }
            try log.packAll()
            try readAll(reader, into: &bodies)
            #expect(bodies == before)
            let first = try #require(try fresh.next())
            #expect(first.firstSequence <= 21 && first.lastSequence >= 21)
        }
    }

    @Test("a reader in the middle of what is dropped reads its segment, and is told what is gone")
    func acrossDropping() throws {
        for isOtherProcess in [false, true] {
            for stop in 1..<14 {
                let disk = SimulatedDisk()
                let log = try PackingTests.journal(disk)
                let own =
                    isOtherProcess
                    ? try SegmentLog.open(directory, .test(disk.asProcess(pid: 4), access: .readOnly)) : log
                let before = try log.events()
                var bodies: [[UInt8]] = []
                let reader = own.reader(after: 0)
                for _ in 0..<stop {
                    guard let frame = try reader.next() else { break }
                    bodies += (decode(reader.payload) ?? []).suffix(Int(frame.lastSequence) - bodies.count)
                }
                let sealed = try log.sealedSegments()
                let plan = try log.drop(through: sealed[sealed.count / 2].lastSequence)
                let error = logError { try readAll(reader, into: &bodies) }
                #expect(bodies == Array(before.prefix(bodies.count)))
                if let error {
                    #expect(error.kind == .historyGone)
                    #expect(error.sequences == UInt64(bodies.count + 1)...(plan.firstSequence - 1))
                } else {
                    #expect(bodies == before)
                    #expect(bodies.count + 1 >= plan.firstSequence)
                }
                #expect(logError { _ = try own.reader(after: 0).next() }?.kind == .historyGone)
                #expect(try own.reader(after: plan.firstSequence - 1).next() != nil)
            }
        }
    }

    @Test("a survey beside packing and dropping finds nothing wrong")
    func surveyBeside() throws {
        for isDropping in [false, true] {
            let disk = SimulatedDisk()
            let log = try PackingTests.journal(disk)
            var isDone = false
            let survey = LogSurvey(directory, fileSystem: disk, floor: isDropping ? .max : 0) { _, _ in
                if !isDone {
                    isDone = true
                    do {
                        if isDropping { _ = try log.drop(through: 40) } else { try log.packAll() }
                    } catch {
                        return "\(error)"
                    }
                }
                return nil
            }
            try survey.run()
            #expect(survey.problems == [])
            #expect(survey.lastSequence == log.lastSequence)
            if !isDropping { #expect(survey.eventCount == log.lastSequence) }
        }
    }
}
