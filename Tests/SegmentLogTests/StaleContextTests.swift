import JournalTesting
import Testing

@testable import SegmentLog

@Suite("A frame that was compressed with another context than it is read with")
struct StaleContextTests {
    private static let first = Array("the customer prefers to be called by telephone".utf8)
    private static let other = Array(
        "in the evening she is to be asked by e-mail only".utf8.prefix(first.count))

    /// A journal of two events, the second of which is the first again.
    private func journal(_ text: [UInt8]) throws -> (disk: SimulatedDisk, log: SegmentLog) {
        let disk = SimulatedDisk()
        let log = try disk.open()
        for _ in 0..<2 {
            try log.write([text])
            try log.sync()
        }
        return (disk, log)
    }

    /// Its data, and the header with its place and its link made right, are sound: only what it says of the raw events tells.
    @Test("inflates to another text, and is not taken for what was written")
    func staleContext() throws {
        let (source, sourceLog) = try journal(Self.first)
        let (target, targetLog) = try journal(Self.other)
        let sourceBytes = try source.contents(of: source.segments[0])
        let from = try sourceLog.frames()[1].frame
        let before = try targetLog.frames()[0].frame
        let replaced = try targetLog.frames()[1].frame
        #expect(!from.header.flags.contains(.restart))
        var bytes = Array(sourceBytes[Int(from.offset)..<Int(from.end)])
        var header = from.header
        header.previous = before.header.headerCRC
        let segment = targetLog.entries[0].header
        bytes.withUnsafeMutableBytes {
            _ = header.encode(
                into: UnsafeMutableRawBufferPointer(rebasing: $0[..<FrameHeader.length]), segment: segment,
                offset: replaced.offset)
        }
        var contents = try target.contents(of: target.segments[0])
        contents.replaceSubrange(Int(replaced.offset)..<Int(replaced.offset) + bytes.count, with: bytes)
        try target.replaceContents(of: target.segments[0], with: contents)
        for access in [LogOptions.Access.readOnly, .readWrite] {
            let found = target.copy()
            let log = try SegmentLog.open(directory, .test(found, access: access))
            #expect(try log.events() == [Self.other])
        }
    }
}
