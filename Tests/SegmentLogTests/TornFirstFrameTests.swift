import JournalTesting
import Testing

@testable import SegmentLog

@Suite("A segment whose first frame is torn")
struct TornFirstFrameTests {
    @Test(
        "or cut off before it: opened, nothing added, closed, then nothing is wrong with it",
        arguments: [40, 0, -384])
    func verifies(frameBytes: Int) throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.writeNext()
        let found = disk.crash(keeping: .everything)
        let path = found.segments.last!
        try found.truncate(path, to: Int(SegmentHeader.framesOffset) + frameBytes)
        for _ in 0..<2 {
            let again = try found.open()
            #expect(again.lastSequence == 0)
            try again.close()
            let survey = LogSurvey(directory, fileSystem: found)
            try survey.run()
            #expect(survey.problems.isEmpty, "\(survey.problems)")
        }
        #expect(found.segments.count == (frameBytes == 0 ? 1 : 2))
        let again = try found.open()
        #expect(again.report.ending == .clean)
        try again.add()
        #expect(try again.checkPrefix() == 1)
    }
}
