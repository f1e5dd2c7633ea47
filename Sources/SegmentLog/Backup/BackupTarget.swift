import JournalFileSystem
import SystemPackage

/// The directory that a backup is made in.
///
/// While its files do not belong together, before the first backup is done and while a later one puts its files in place, the
/// journal's identity has another name there: so nobody takes it for a journal, and what it lacks is known.
struct BackupTarget {
    let paths: JournalPaths
    let fileSystem: any FileSystem
    let journal: JournalUUID

    enum Found: Hashable {
        case nothing
        /// A backup of this journal that was interrupted.
        case incomplete
        case complete
    }

    private var incompleteIdentity: FilePath {
        paths.directory.appending(JournalIdentity.incompleteName)
    }

    /// - Throws: `notAJournal` when something else is there.
    func inspect() throws(LogError) -> Found {
        let (fileSystem, paths) = (fileSystem, paths)
        let status = try asLogError { () throws(FileSystemError) in
            try fileSystem.status(of: paths.directory)
        }
        guard let status else { return .nothing }
        guard status.kind == .directory else {
            throw LogError(
                .notAJournal,
                "\(paths.directory) is a file; a backup is made in a directory. Name another path",
                path: paths.directory)
        }
        let names = try asLogError { () throws(FileSystemError) in
            try fileSystem.names(inDirectory: paths.directory)
        }
        let isComplete = names.contains(JournalIdentity.fileName)
        guard isComplete || names.contains(JournalIdentity.incompleteName) else {
            guard names.allSatisfy({ $0 == "lost+found" }) else {
                throw LogError(
                    .notAJournal,
                    "\(paths.directory) holds other files (\(names.min()!)), and no backup of this journal. Name an empty "
                        + "directory, or one that does not exist", path: paths.directory)
            }
            return .nothing
        }
        let identity = isComplete ? paths.identity : incompleteIdentity
        let bytes = try asLogError { () throws(FileSystemError) in
            try fileSystem.contents(of: identity, atMost: 64 << 10)
        }
        let found = (try? JournalIdentity(decoding: bytes))?.journal
        // One that was not written whole is of the first moment of a first backup.
        if found == nil, !isComplete { return .incomplete }
        guard found == journal else {
            throw LogError(
                .notAJournal,
                "\(paths.directory) holds another journal\(found.map { ", \($0)" } ?? ""). Name another directory for the backup",
                path: paths.directory)
        }
        return isComplete ? .complete : .incomplete
    }

    /// Makes the directories, with an identity that says that they are not complete; or what is missing of them.
    func begin(_ identity: JournalIdentity, _ options: LogOptions) throws(LogError) {
        var options = options
        options.createsIfMissing = true
        try JournalCreation(paths: paths, options: options).makeDirectory(.nothing)
        let (fileSystem, paths, incomplete) = (fileSystem, paths, incompleteIdentity)
        try asLogError { () throws(FileSystemError) in
            let file = try fileSystem.openFile(incomplete, .createIfMissing)
            defer { file.close() }
            // One that is whole stays as it is: a copy that a later backup left so may be all that there is of the journal.
            let encoded = identity.encoded()
            if try file.read(encoded.count + 1, at: 0) != encoded {
                try file.truncate(to: 0)
                try file.write(encoded, at: 0)
                try file.sync()
            }
            for directory in [paths.log, paths.snapshots] where try fileSystem.status(of: directory) == nil {
                try fileSystem.createDirectory(directory)
            }
            try fileSystem.syncDirectory(paths.directory)
        }
    }

    /// Takes the identity's name away, durably.
    func markIncomplete() throws(FileSystemError) {
        if try fileSystem.status(of: paths.identity) != nil {
            try fileSystem.rename(paths.identity, to: incompleteIdentity)
        }
        try fileSystem.syncDirectory(paths.directory)
    }

    func markComplete() throws(FileSystemError) {
        if try fileSystem.status(of: incompleteIdentity) != nil {
            try fileSystem.rename(incompleteIdentity, to: paths.identity)
        }
        try fileSystem.syncDirectory(paths.directory)
    }

    /// Opens the copy's lock file, and locks out who would open the copy. Held until the file is closed.
    ///
    /// - Throws: `busy`.
    func lock() throws(LogError) -> any File {
        let (fileSystem, path) = (fileSystem, paths.lock)
        let file = try asLogError { () throws(FileSystemError) in
            let file = try fileSystem.openFile(path, .createIfMissing)
            if try file.length() < UInt64(LockFile.length) { try file.allocate(0..<UInt64(LockFile.length)) }
            return file
        }
        let isTaken = try asLogError { () throws(FileSystemError) in
            try file.lock(LockFile.openersRange, .exclusive, wait: false)
        }
        guard isTaken else {
            file.close()
            throw LogError(
                .busy,
                "\(paths.directory) is open in a process, or another backup is being made there. Close it, then try again",
                path: paths.directory)
        }
        return file
    }

    /// The copy was changed by another than a backup.
    var diverged: LogError {
        LogError(
            .notAJournal,
            "\(paths.directory) is no copy of this journal any more: it was opened and written to. Nothing was changed there; "
                + "make the backup in another directory", path: paths.directory)
    }
}
