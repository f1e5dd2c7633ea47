import JournalFileSystem
import SystemPackage

/// The file of a packed segment, while it is written.
struct PackedFile: ~Copyable {
    let file: any File
    private var packer: BlockPacker

    /// So much is written and synced at a time: the syncs of a committer on the same disk wait for no more than that.
    private static let pieceBytes = 1 << 20

    init(
        _ path: FilePath, _ packer: consuming BlockPacker, _ fileSystem: any FileSystem
    ) throws(LogError) {
        self.packer = packer
        do {
            file = try fileSystem.openFile(path, .createNew)
        } catch {
            throw PackedFile.notPacked(error)
        }
    }

    /// Writes all that the walk gives, durable.
    ///
    /// - Returns: what the events come to; nil when it should not continue.
    mutating func write(
        _ original: SealedSegmentWalk, _ ending: SegmentHeader.Predecessor,
        _ shouldContinue: () -> Bool
    ) throws(LogError) -> EventDigest? {
        var digest = EventDigest()
        var blocks = -1
        while let frame = try original.next() {
            if packer.blocks.count > blocks {
                blocks = packer.blocks.count
                guard shouldContinue() else { return nil }
            }
            digest.add(frame, original.cursor.payload)
            packer.add(frame, original.cursor.payload)
            if packer.frames.pending.count >= PackedFile.pieceBytes { try writePending() }
        }
        digest.finish()
        packer.finishBlock()
        try writePending()
        let footer = PackedFooter(
            blocks: packer.blocks, original: ending, end: packer.frames.end, chain: packer.frames.chain)
        let header = packer.frames.header
        let file = file
        do {
            try file.write(header.twice, at: 0)
            try file.write(footer.encoded(header), at: footer.end)
            try file.sync()
        } catch {
            throw PackedFile.notPacked(error)
        }
        return digest
    }

    private mutating func writePending() throws(LogError) {
        let bytes = packer.frames.pending.bytes
        guard bytes.count > 0 else { return }
        do {
            try file.write(bytes, at: packer.frames.end - UInt64(bytes.count))
            try file.syncData()
        } catch {
            throw PackedFile.notPacked(error)
        }
        packer.clearPending()
    }

    private static func notPacked(_ error: FileSystemError) -> LogError {
        LogError(
            error.isFull ? .noSpace : .system,
            error.isFull
                ? "Not packed: the disk is full. Nothing was changed; packing needs room for the packed segment beside the "
                    + "present one" : "Not packed: \(error). Nothing was changed",
            path: error.path, cause: error)
    }
}
