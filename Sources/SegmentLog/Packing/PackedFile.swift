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
        try finish(ending, original.seeds)
        return digest
    }

    /// The same with other events in the places of some. What does not change is copied as it is.
    mutating func write(
        _ original: SealedSegmentWalk, _ ending: SegmentHeader.Predecessor, _ rewriter: inout EventRewriter,
        _ shouldContinue: () -> Bool
    ) throws(LogError) -> EventDigest? {
        var digest = EventDigest()
        let cursor = original.cursor
        while let first = try original.next() {
            guard shouldContinue() else { return nil }
            // A block and all that it was made of, or a frame by itself. Their payloads stay until the next one is read.
            let whole = cursor.block ?? first
            var parts = [(frame: first, payload: cursor.payload)]
            while cursor.hasPendingGroups, let next = try original.next() {
                parts.append((next, cursor.payload))
            }
            var changed: [[UInt8]?] = []
            for part in parts { changed.append(try rewriter.rewrite(part.frame, part.payload)) }
            if cursor.header.isPacked, !changed.contains(where: { $0 != nil }) {
                for part in parts { digest.add(part.frame, part.payload) }
                try cursor.withStored(whole) { packer.addAsItIs(whole, $0) }
            } else {
                for (part, new) in zip(parts, changed) {
                    if let new {
                        new.withUnsafeBytes {
                            digest.add(part.frame, $0)
                            packer.add(part.frame, $0)
                        }
                    } else {
                        digest.add(part.frame, part.payload)
                        packer.add(part.frame, part.payload)
                    }
                }
            }
            if packer.frames.pending.count >= PackedFile.pieceBytes { try writePending() }
        }
        digest.finish()
        var salts = try original.salts()
        salts.puncture(
            rewriter.replaced, count: ending.lastSequence + 1 - packer.frames.header.firstSequence)
        try finish(ending, salts)
        return digest
    }

    private mutating func finish(
        _ ending: SegmentHeader.Predecessor, _ salts: EventSalts?
    ) throws(LogError) {
        packer.finishBlock()
        try writePending()
        let footer = PackedFooter(
            blocks: packer.blocks, original: ending, end: packer.frames.end, chain: packer.frames.chain,
            salts: salts)
        let header = packer.frames.header
        let file = file
        do {
            try file.write(header.twice, at: 0)
            try file.write(footer.encoded(header), at: footer.end)
            try file.sync()
        } catch {
            throw PackedFile.notPacked(error)
        }
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
                ? "Not rewritten: the disk is full. Nothing was changed; there must be room for the new segment beside the "
                    + "present one" : "Not rewritten: \(error). Nothing was changed",
            path: error.path, cause: error)
    }
}
