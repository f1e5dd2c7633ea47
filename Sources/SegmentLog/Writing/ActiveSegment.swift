import JournalFileSystem
import SystemPackage

/// The segment that is being appended to.
///
/// `@unchecked Sendable`: the log reaches it only under the mutex of its writer state.
final class ActiveSegment: @unchecked Sendable {
    let file: any File
    let path: FilePath
    let identity: FileIdentity
    var frames: FrameWriter
    /// The file's length: up to here its blocks are reserved.
    var allocatedEnd: UInt64

    /// The first reservation, and the largest step. Small, so that a journal of three memories is small; growing, so
    /// that a busy one seldom has metadata to sync.
    private let firstBytes: UInt64
    private static let largestStepBytes: UInt64 = 8 << 20

    init(
        file: any File, path: FilePath, frames: consuming FrameWriter, allocatedEnd: UInt64,
        firstReservationBytes: UInt64
    ) throws(FileSystemError) {
        self.file = file
        firstBytes = firstReservationBytes
        identity = try file.identity()
        self.path = path
        self.frames = frames
        self.allocatedEnd = allocatedEnd
    }

    /// Reserves disk blocks for `bytes` more, before anything of them is written: this is where a full disk is met.
    func reserve(_ bytes: UInt64) throws(FileSystemError) {
        let needed = frames.end + bytes
        guard needed > allocatedEnd else { return }
        var goal = max(
            needed,
            allocatedEnd + min(max(allocatedEnd, firstBytes), ActiveSegment.largestStepBytes))
        if allocatedEnd < firstBytes { goal = max(needed, firstBytes) }
        goal = (goal + 4095) & ~4095
        while true {
            do {
                try file.allocate(allocatedEnd..<goal)
                allocatedEnd = goal
                return
            } catch {
                // On a nearly full disk the last blocks are used too, in smaller steps.
                guard error.isFull, goal > needed else { throw error }
                goal = max(needed, allocatedEnd + (goal - allocatedEnd) / 2)
            }
        }
    }

    /// Writes what is pending, with one write.
    func writePending() throws(FileSystemError) {
        let bytes = frames.pending.bytes
        try file.write(bytes, at: frames.end - UInt64(bytes.count))
        frames.clearPending()
    }

    /// Gives back what was reserved and not used, and makes the segment's length durable.
    func trim() throws(FileSystemError) {
        try file.truncate(to: frames.end)
        try file.sync()
        allocatedEnd = frames.end
    }

    /// What the segment behind this one continues from.
    var asPredecessor: SegmentHeader.Predecessor {
        SegmentHeader.Predecessor(
            originalID: frames.header.originalID, chain: frames.chain, lastSequence: frames.lastSequence,
            end: frames.end)
    }
}
