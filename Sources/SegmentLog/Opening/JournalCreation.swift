import JournalFileSystem
import SystemPackage

/// Makes a journal where there is none, or finishes one that was half made.
///
/// The lock file first, `journal.json` last and by rename; each directory entry is synced. A crash in between leaves
/// something that holds no event, which the next opening finishes.
struct JournalCreation {
    let paths: JournalPaths
    let options: LogOptions

    private var fileSystem: any FileSystem { options.fileSystem }

    /// What is at the journal's path.
    enum Found: Hashable {
        case nothing
        /// An empty directory, or one in which a journal was begun and never finished.
        case unfinished
        case journal
    }

    /// - Throws: `notAJournal` for a file or a directory with other things in it; `damaged` when there are segments with
    ///   events, or snapshots, and no `journal.json`.
    func inspect() throws(LogError) -> Found {
        let directory = paths.directory
        let status = try asLogError { () throws(FileSystemError) in try fileSystem.status(of: directory) }
        guard let status else { return .nothing }
        guard status.kind == .directory else {
            throw LogError(
                .notAJournal, "\(directory) is a file; a journal is a directory. Name another path",
                path: directory)
        }
        let names = try asLogError { () throws(FileSystemError) in
            try fileSystem.names(inDirectory: directory)
        }
        if names.contains(JournalIdentity.fileName) { return .journal }
        if names.contains(JournalIdentity.incompleteName) {
            throw LogError(
                .notAJournal,
                "\(directory) is a backup that was interrupted. Run it again; or, if the journal is gone, rename "
                    + "\(JournalIdentity.incompleteName) to \(JournalIdentity.fileName) and run `agent-journal verify`",
                path: directory.appending(JournalIdentity.incompleteName))
        }
        // A volume's own directory does not make it somebody else's.
        let own: Set = [
            "lock", "log", "snapshots", "lost+found", LogRepair.damagedDirectory,
            JournalIdentity.fileName + ".new",
        ]
        if let foreign = names.filter({ !own.contains($0) }).min() {
            throw LogError(
                .notAJournal,
                "\(directory) is not a journal and holds other files (\(foreign)). Name an empty directory, or one that "
                    + "does not exist", path: directory)
        }
        try checkNoEvents(names)
        return .unfinished
    }

    /// Without an identity there must be no events and no snapshot: a half-made journal holds none.
    private func checkNoEvents(_ names: [String]) throws(LogError) {
        if names.contains("snapshots") {
            let snapshots = try asLogError { () throws(FileSystemError) in
                try fileSystem.names(inDirectory: paths.snapshots)
            }
            guard !snapshots.contains(where: { $0.hasSuffix(SnapshotFiles.suffix) }) else {
                throw LogProblem(
                    file: JournalIdentity.fileName, kind: .identity,
                    message: "it is missing, and there are snapshots. Restore it, and the log, from a copy"
                ).error(in: paths)
            }
        }
        guard names.contains("log") else { return }
        let segments = try asLogError { () throws(FileSystemError) in
            try fileSystem.names(inDirectory: paths.log).compactMap { SegmentName($0) }
        }
        for segment in segments {
            let path = paths.segment(segment)
            let length = try asLogError { () throws(FileSystemError) in
                try fileSystem.status(of: path)?.length ?? 0
            }
            guard segment.id == 1, length <= SegmentHeader.framesOffset else {
                throw LogProblem(
                    file: JournalIdentity.fileName, kind: .identity,
                    message: "it is missing, and there are segments. Restore it from a copy"
                ).error(in: paths)
            }
        }
    }

    /// Makes the directory and those above it that are missing, each durable.
    func makeDirectory(_ found: Found) throws(LogError) {
        guard options.createsIfMissing else {
            let why = found == .nothing ? "it does not exist" : "it is empty"
            throw LogError(
                .missing,
                "There is no journal in \(paths.directory): \(why), and none was to be created. Is the right volume mounted?",
                path: paths.directory)
        }
        do {
            try makeDirectories(paths.directory)
        } catch {
            throw LogError(
                error.isFull ? .noSpace : .system,
                "The directory of the journal cannot be made: \(error)", path: error.path, cause: error)
        }
    }

    private func makeDirectories(_ directory: FilePath) throws(FileSystemError) {
        let parent = directory.parentOrCurrent
        if try fileSystem.status(of: directory) == nil {
            try makeDirectories(parent)
            do {
                try fileSystem.createDirectory(directory)
            } catch {
                // Another process was faster.
                guard error.errno == .fileExists else { throw error }
            }
            try fileSystem.syncDirectory(parent)
        } else if parent != directory {
            // Whoever made it may not have synced its entry. Where its parent may not be read, that cannot be mended.
            do { try fileSystem.syncDirectory(parent) } catch {
                guard
                    directory != paths.directory || error.errno == .permissionDenied
                        || error.errno == .notPermitted
                else { throw error }
            }
            try makeDirectories(parent)
        }
    }

    /// Under the lock: makes the directories, the first segment and the identity.
    ///
    /// - Throws: `damaged` when the lock file says that a journal with events was here.
    func finish(_ lockFile: any File) throws(LogError) {
        let page = try LogOpening.readPage(lockFile)
        let record = page.withUnsafeBytes { CleanCloseRecord.read($0) }
        if case .record(let record) = record, record.lastSequence > 0 {
            throw LogProblem(
                file: JournalIdentity.fileName, kind: .identity, lost: 1...record.lastSequence,
                message:
                    "it is missing, and the last clean close says that there were events. Restore the journal from a "
                    + "copy, or remove the file `lock` to begin anew"
            ).error(in: paths)
        }
        do {
            // The record of an empty journal that was here vouches for nothing in the one made now.
            if record != .none {
                try SegmentLog.writeMark(0, lockFile)
                try lockFile.syncData()
            }
            for directory in [paths.log, paths.snapshots] where try fileSystem.status(of: directory) == nil {
                try fileSystem.createDirectory(directory)
            }
            try fileSystem.syncDirectory(paths.directory)
            for name in try fileSystem.names(inDirectory: paths.log) {
                try fileSystem.removeFile(paths.log.appending(name))
            }
            let journal = JournalUUID.random(options.random)
            let now = options.now()
            let factory = SegmentFactory(options, paths)
            let header = factory.header(
                id: 1, journal: journal, firstSequence: 1, createdMicroseconds: now, predecessor: nil)
            let segment = try factory.makeForOpening(FrameWriter(header, level: options.compressionLevel))
            segment.file.close()
            try writeIdentity(
                JournalIdentity(
                    journal: journal, created: options.formatTime(now),
                    maximumContentBytes: options.maximumContentBytes,
                    maximumFrameBytes: options.maximumFrameBytes))
        } catch {
            throw LogError(
                error.isFull ? .noSpace : .system, "The journal cannot be made: \(error)", path: error.path,
                cause: error)
        }
    }

    func writeIdentity(_ identity: JournalIdentity) throws(FileSystemError) {
        if try fileSystem.status(of: paths.unfinishedIdentity) != nil {
            try fileSystem.removeFile(paths.unfinishedIdentity)
        }
        let file = try fileSystem.openFile(paths.unfinishedIdentity, .createNew)
        defer { file.close() }
        let bytes = identity.encoded()
        try file.write(bytes, at: 0)
        try file.sync()
        let written = try fileSystem.contents(of: paths.unfinishedIdentity, atMost: bytes.count + 1)
        guard written == bytes else {
            throw FileSystemError(
                operation: "comparison", path: paths.unfinishedIdentity, errno: .ioError)
        }
        try fileSystem.rename(paths.unfinishedIdentity, to: paths.identity)
        try fileSystem.syncDirectory(paths.directory)
    }
}

extension FilePath {
    /// The directory above; `.` above a relative name.
    var parentOrCurrent: FilePath {
        let parent = removingLastComponent()
        return parent.string.isEmpty ? "." : parent
    }
}
