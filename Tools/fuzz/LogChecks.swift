import JournalTesting

@testable import SegmentLog

/// What must hold of a log, whatever is in its files.
enum LogChecks {
    static func check(_ disk: SimulatedDisk) throws {
        let before = try disk.everything
        let forReading = disk.outcome(.readOnly)
        let survey = disk.survey()
        expectSame(try disk.everything, before, "whoever only reads changes nothing")
        let written = disk.copy()
        let forWriting = written.outcome(.readWrite)
        if let a = forReading.events, let b = forWriting.events {
            expectSame(b, a, "recovery shows what a reader sees")
        }
        expectSame(forReading.events == nil, forWriting.events == nil, "both can read it, or neither")
        if let survey { check(survey, forReading) }
        guard let events = forWriting.events else { return }
        try checkRecovered(written, events)
    }

    private static func check(_ survey: LogSurvey, _ outcome: LogOutcome) {
        let isLoss = survey.problems.contains { $0.lost != nil }
        if let frames = outcome.events {
            expect(!isLoss, "what can be read whole has lost nothing: \(survey.problems)")
            expectSame(survey.eventCount, frames.reduce(0) { $0 + UInt64($1.count) }, "events counted")
            expectSame(survey.frameCount, UInt64(frames.count), "frames counted")
        } else {
            expect(!survey.problems.isEmpty, "what cannot be read has a problem: \(outcome)")
        }
    }

    /// After a recovery: a second one gives the same, so does a power cut, and appending goes on.
    private static func checkRecovered(_ disk: SimulatedDisk, _ events: [Frames.Frame]) throws {
        expectSame(disk.outcome(.readOnly), .events(events), "what was recovered is read")
        for kept in SimulatedDisk.Kept.allCases {
            let cut = disk.crash(keeping: kept)
            expectSame(cut.outcome(.readWrite), .events(events), "recovering twice gives the same")
        }
        let added = EncodedEvents(raw: [0x0A, 0x02, 0x08, 0x04], count: 1)
        var last: UInt64 = 0
        let went = disk.outcome(.readWrite) { log, _ throws(LogError) in
            _ = try log.append(rawBytes: added.raw.count, pieces: 1) { _ in [added] }
            try log.sync()
            last = log.lastSequence
            try log.close()
        }
        expectSame(went, .events(events), "recovered again")
        let closed = disk.crash(keeping: .nothingUnsynced)
        guard let more = closed.outcome(.readOnly).events else { stop("what was appended can be read") }
        expectSame(Array(more.dropLast()), events, "appending changes nothing before")
        expect(more.last?.payload == added.raw && more.last?.first == last, "what was appended is there")
        expectSame(closed.survey()?.problems.filter { $0.lost != nil }.count, 0, "and verifies")
    }
}
