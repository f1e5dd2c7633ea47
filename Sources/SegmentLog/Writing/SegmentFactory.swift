import JournalFileSystem
import SystemPackage

/// Makes segments.
///
/// Written under another name, synced, renamed, the directory synced: so a file with a segment's name always has had a
/// durable header, and a segment made to hold what was not vouched for holds it before it counts.
struct SegmentFactory {
    let paths: JournalPaths
    let fileSystem: any FileSystem
    let compressionLevel: Int32
    let preallocationBytes: UInt64
    let random: @Sendable () -> UInt64

    func header(
        id: UInt32, journal: JournalUUID, firstSequence: UInt64, createdMicroseconds: Int64,
        predecessor: SegmentHeader.Predecessor?
    ) -> SegmentHeader {
        SegmentHeader(
            id: id, journal: journal, firstSequence: firstSequence, createdMicroseconds: createdMicroseconds,
            salt: UInt32(truncatingIfNeeded: random()), secret: (0..<4).map { _ in random() },
            predecessor: predecessor)
    }

    /// A segment could not be made.
    struct Failure: Error {
        var cause: FileSystemError
        /// False when a file may have got the segment's name.
        var isCertainlyNotMade: Bool
    }

    /// Makes the file of a segment, with the frames that are pending in `frames`, durable under its name.
    func make(_ frames: consuming FrameWriter) throws(Failure) -> ActiveSegment {
        let path = paths.segment(frames.header.name)
        let unfinished = FilePath(path.string + SegmentName.unfinishedSuffix)
        let (file, directory): (any File, any Directory)
        do {
            // Before the renaming: behind it there is no way back, and a descriptor may not be had.
            directory = try fileSystem.openDirectory(paths.log)
            file = try write(&frames, to: unfinished)
        } catch {
            throw Failure(cause: error, isCertainlyNotMade: true)
        }
        defer { directory.close() }
        do {
            try fileSystem.rename(unfinished, to: path)
            try directory.sync()
            let end = frames.end
            return try ActiveSegment(
                file: file, path: path, frames: frames, allocatedEnd: end,
                firstReservationBytes: preallocationBytes)
        } catch {
            throw Failure(cause: error, isCertainlyNotMade: false)
        }
    }

    /// The same for an opening, which fails whatever became of the segment: the next one finds it or makes it.
    func makeForOpening(_ frames: consuming FrameWriter) throws(FileSystemError) -> ActiveSegment {
        do {
            return try make(frames)
        } catch {
            throw error.cause
        }
    }

    /// Header and frames, synced, under the unfinished name.
    private func write(
        _ frames: inout FrameWriter, to unfinished: FilePath
    ) throws(FileSystemError) -> any File {
        if try fileSystem.status(of: unfinished) != nil { try fileSystem.removeFile(unfinished) }
        let file = try fileSystem.openFile(unfinished, .createNew)
        do {
            let length = SegmentHeader.framesOffset + UInt64(frames.pending.count)
            try file.allocate(0..<length)
            try file.write(frames.header.twice, at: 0)
            if frames.pending.count > 0 {
                try file.write(frames.pending.bytes, at: SegmentHeader.framesOffset)
            }
            frames.clearPending()
            try file.sync()
            return file
        } catch {
            file.close()
            // Best effort: the next writer removes what remains under that name.
            try? fileSystem.removeFile(unfinished)
            throw error
        }
    }
}
