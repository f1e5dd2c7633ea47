import JournalFileSystem
import SystemPackage

/// How long a journal's files are together, in bytes, by what they hold.
package struct JournalFileLengths: Hashable, Sendable {
    /// The segments, of the one that is appended to what is written: space that is reserved goes when the journal is closed.
    package var log: UInt64
    package var snapshots: UInt64
    /// All other files.
    package var others: UInt64
}

extension SegmentLog {
    /// How long a segment is that holds no event.
    package static let emptySegmentBytes = SegmentHeader.framesOffset

    /// How long all files of the journal are, as they would be if it were closed now.
    ///
    /// - Complexity: one status a file.
    package func fileLengths() throws(LogError) -> JournalFileLengths {
        let fileSystem = options.fileSystem
        let log = try sealedSegments().reduce(0) { $0 + $1.lengthBytes }
        let active = try activeSegment()?.lengthBytes ?? (entries.isEmpty ? 0 : SegmentLog.emptySegmentBytes)
        return try asLogError { () throws(FileSystemError) in
            let snapshots = try length(of: paths.snapshots, fileSystem)
            let all = try length(of: paths.directory, fileSystem)
            let segments = try length(of: paths.log, fileSystem)
            // Behind its records, the lock says who has the journal open.
            let lock = try fileSystem.status(of: paths.lock)?.length ?? 0
            let openers = lock - min(lock, UInt64(LockFile.length))
            return JournalFileLengths(
                log: log + active, snapshots: snapshots,
                others: all - min(all, snapshots + segments + openers))
        }
    }

    /// The lengths of the files in a directory and below.
    private func length(
        of directory: FilePath, _ fileSystem: any FileSystem
    ) throws(FileSystemError) -> UInt64 {
        guard try fileSystem.status(of: directory) != nil else { return 0 }
        var sum: UInt64 = 0
        for name in try fileSystem.names(inDirectory: directory) {
            let path = directory.appending(name)
            guard let status = try fileSystem.status(of: path) else { continue }
            switch status.kind {
            case .directory: sum += try length(of: path, fileSystem)
            case .file: sum += status.length
            case .other: break
            }
        }
        return sum
    }

    /// How long a segment that is not packed would be after `pack`, which keeps it as it is where that is better.
    ///
    /// - Parameters:
    ///   - segment: a sealed one, or the one that is appended to.
    ///   - didRead: called after each frame; false gives up.
    /// - Returns: nil when it should not continue.
    /// - Complexity: reads the segment, and deflates it.
    package func packedBytes(
        _ segment: SealedSegment, level: Int32, didRead: () -> Bool
    ) throws(LogError) -> UInt64? {
        guard let entry = entries.first(where: { $0.header.name == segment.name }) else { return 0 }
        var packer = BlockPacker(
            entry.header.packed(id: 0, salt: 0), level: level, maximumRawBytes: identity.maximumFrameBytes)
        let reader = reader(after: segment.name.firstSequence - 1)
        while reader.nextSequence <= segment.lastSequence, let frame = try reader.next() {
            guard didRead() else { return nil }
            packer.add(frame, reader.payload)
            packer.clearPending()
        }
        packer.finishBlock()
        let index = packer.blocks.count * PackedFooter.entryLength + PackedFooter.trailerLength
        let packed = PackResult(
            replaced: segment.name, name: segment.name, bytesBefore: segment.lengthBytes,
            bytesAfter: packer.frames.end + UInt64(index), rawBytes: 0, eventCount: 0)
        return SegmentLog.isWorthwhile(packed) ? packed.bytesAfter : segment.lengthBytes
    }
}
