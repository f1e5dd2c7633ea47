import JournalFileSystem
import SystemPackage

/// A segment that is written anew from what can be read of it: packed, with a frame of lost events in each gap, or the memories
/// that a snapshot still has of these.
struct RepairedSegment: ~Copyable {
    let header: SegmentHeader
    private var packer: BlockPacker
    private let survivors: [RepairSurvivor]
    private var nextSequence: UInt64
    private var recordedMicroseconds: Int64
    private(set) var result = RepairResult()

    /// - Parameter survivors: In order.
    init(_ header: SegmentHeader, _ survivors: [RepairSurvivor], maximumRawBytes: Int) {
        self.header = header
        self.survivors = survivors
        packer = BlockPacker(header, level: 8, maximumRawBytes: maximumRawBytes)
        nextSequence = header.firstSequence
        recordedMicroseconds = header.createdMicroseconds
    }

    var lastSequence: UInt64 { nextSequence - 1 }
    var lastRecordedMicroseconds: Int64 { recordedMicroseconds }

    /// Takes a frame that can be read; what lies between it and the one before is lost.
    mutating func take(_ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer) {
        guard frame.firstSequence >= nextSequence else { return }
        if frame.firstSequence > nextSequence { lose(upTo: frame.firstSequence - 1) }
        var frame = frame
        recordedMicroseconds = max(recordedMicroseconds, frame.recordedMicroseconds)
        frame.recordedMicroseconds = recordedMicroseconds
        packer.add(frame, payload)
        nextSequence = frame.lastSequence + 1
    }

    /// Everything up to there is lost, but for what survived elsewhere.
    mutating func lose(upTo last: UInt64) {
        guard nextSequence <= last else { return }
        let start = survivors.partitionIndex { $0.sequence >= nextSequence }
        for survivor in survivors[start...].prefix(while: { $0.sequence <= last }) {
            addLost(upTo: survivor.sequence - 1)
            recordedMicroseconds = max(recordedMicroseconds, survivor.recordedMicroseconds)
            packer.add(event: survivor.event, time: recordedMicroseconds)
            nextSequence = survivor.sequence + 1
            result.restored += 1
        }
        addLost(upTo: last)
    }

    private mutating func addLost(upTo last: UInt64) {
        guard nextSequence <= last else { return }
        result.lose(nextSequence...last)
        while nextSequence <= last {
            let count = min(last - nextSequence + 1, UInt64(FrameHeader.maximumEventCount))
            packer.addLost(count: Int(count), time: recordedMicroseconds)
            nextSequence += count
        }
    }

    /// Writes the file, durable.
    mutating func write(
        to path: FilePath, _ original: SegmentHeader.Predecessor, _ salts: EventSalts?,
        _ fileSystem: any FileSystem
    ) throws(LogError) {
        packer.finishBlock()
        let footer = PackedFooter(
            blocks: packer.blocks, original: original, end: packer.frames.end, chain: packer.frames.chain,
            salts: salts)
        let bytes = Array(packer.frames.pending.bytes)
        let header = header
        try asLogError { () throws(FileSystemError) in
            if try fileSystem.status(of: path) != nil { try fileSystem.removeFile(path) }
            let file = try fileSystem.openFile(path, .createNew)
            defer { file.close() }
            try file.write(header.twice, at: 0)
            try file.write(bytes, at: SegmentHeader.framesOffset)
            try file.write(footer.encoded(header), at: footer.end)
            try file.sync()
        }
    }
}
