import JournalTesting
import SegmentLog
import SystemPackage

/// Where the frames of a journal's segments are.
struct JournalFrames: Sendable {
    struct Frame: Sendable {
        var segment: FilePath
        /// Header and data.
        var bytes: Range<Int>
        /// Behind the padding.
        var end: Int
        var firstSequence: UInt64
        /// It says that all before it was durable when it was written.
        var promises: Bool
        var isPacked: Bool

        var header: Range<Int> { bytes.prefix(FrameHeader.length) }
    }

    private(set) var frames: [Frame] = []

    init(_ disk: SimulatedDisk) throws {
        var options = LogOptions(fileSystem: disk, now: { 0 }, formatTime: { "\($0)" })
        options.access = .readOnly
        options.floor = .max
        let log = try SegmentLog.open(directory, options)
        let reader = log.reader(after: log.firstSequence - 1)
        while let frame = try reader.next() {
            let start = Int(frame.offset)
            // Of a packed frame the groups come one by one.
            if frames.last?.segment == reader.path, frames.last?.bytes.lowerBound == start { continue }
            let end = start + FrameHeader.length + Int(frame.header.storedLength)
            frames.append(
                Frame(
                    segment: reader.path!, bytes: start..<end, end: Int(frame.end),
                    firstSequence: frame.firstSequence, promises: frame.header.flags.contains(.followsSync),
                    isPacked: frame.header.type == FrameHeader.packedType))
        }
        try log.close()
    }

    func of(_ segment: FilePath) -> [Frame] { frames.filter { $0.segment == segment } }

    /// Where the frames of a segment end.
    func end(of segment: FilePath) -> Int { of(segment).last?.end ?? 1024 }
}
