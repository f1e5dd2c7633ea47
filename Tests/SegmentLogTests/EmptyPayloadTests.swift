import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("A frame with an empty payload, as another version may write one")
struct EmptyPayloadTests {
    /// A log of three frames that was not closed, and behind them one of a type that may be skipped, with no payload.
    private func disk() throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        let log = try disk.open()
        for _ in 0..<3 { try log.add() }
        let found = disk.crash(keeping: .everything)
        let path = found.segments.last!
        var bytes = try found.contents(of: path)
        let header = try #require(bytes.withUnsafeBytes { SegmentHeader($0) })
        let last = try #require(try log.frames().last?.frame)
        let end = Int(last.end)
        var stamp = [UInt8](repeating: 0, count: Varint.maximumLength)
        let time = UInt64(last.recordedMicroseconds - header.createdMicroseconds)
        let length = stamp.withUnsafeMutableBytes { Varint.write(time, into: $0) }
        var frame = FrameHeader(
            payloadCRC: Checksum.crc32(0, Array(stamp[..<length])), previous: last.header.headerCRC,
            storedLength: UInt32(length), rawLength: 0, sequenceOffset: 3, eventCount: 1,
            flags: [.restart, .stored])
        frame.type = 200
        var place = [UInt8](repeating: 0, count: FrameHeader.length)
        place.withUnsafeMutableBytes { _ = frame.encode(into: $0, segment: header, offset: last.end) }
        let written = place + stamp[..<length]
        bytes.replaceSubrange(end..<(end + written.count), with: written)
        try found.replaceContents(of: path, with: bytes)
        return found
    }

    @Test("is written again by a recovery")
    func recovered() throws {
        let disk = try disk()
        #expect(try disk.openForReading().lastSequence == 4)
        let log = try disk.open()
        #expect(log.lastSequence == 4)
        #expect(log.report.reappendedEvents > 0)
        try log.add()
        try log.close()
        #expect(try disk.openForReading().frames().flatMap(\.bodies).count == 4)
    }

    @Test("is packed")
    func packed() throws {
        let disk = try disk()
        let log = try disk.open()
        try log.seal(longerThan: 0)
        try log.add()
        let names = try log.packPlan().segments.map(\.name)
        #expect(!names.isEmpty)
        for name in names { _ = try log.pack(name) }
        #expect(try log.frames().flatMap(\.bodies).count == 4)
        try log.close()
        #expect(try disk.openForReading().lastSequence == 5)
    }
}
