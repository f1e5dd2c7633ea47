package import JournalFileSystem
package import SystemPackage

/// The snapshots of a journal: tables, each named after the last event that it covers.
package struct SnapshotFiles: Sendable {
    private let paths: JournalPaths
    private let fileSystem: any FileSystem
    private let journal: JournalUUID?
    private let random: @Sendable () -> UInt64
    package let cache: BlockCache
    private let maximumBlockBytes: Int

    package static let suffix = ".snapshot"
    static let unfinishedSuffix = ".new"
    private static let digits = 20

    /// - Parameters:
    ///   - journal: Whose snapshots are read and written; nil reads anybody's, before it is known who it is.
    ///   - cache: Where inflated blocks are kept.
    ///   - maximumBlockBytes: How long a block may be, raw: `JournalIdentity.maximumBlockBytes`, where that is known.
    package init(
        _ paths: JournalPaths, _ fileSystem: any FileSystem, journal: JournalUUID?, cache: BlockCache,
        maximumBlockBytes: Int? = nil, random: @escaping @Sendable () -> UInt64
    ) {
        self.maximumBlockBytes = maximumBlockBytes ?? TableFormat.maximumBlockBytes
        self.paths = paths
        self.fileSystem = fileSystem.confined(to: paths.directory)
        self.journal = journal
        self.random = random
        self.cache = cache
    }

    /// A snapshot's file, known by its name alone.
    package struct Name: Sendable, Hashable {
        package var sequence: UInt64
        package var path: FilePath

        package init(sequence: UInt64, path: FilePath) {
            self.sequence = sequence
            self.path = path
        }
    }

    /// Of the snapshot that covers just so much.
    package func path(_ sequence: UInt64) -> FilePath {
        let number = String(sequence)
        let zeros = String(repeating: "0", count: SnapshotFiles.digits - number.utf8.count)
        return paths.snapshots.appending(zeros + number + SnapshotFiles.suffix)
    }

    /// The snapshots that are there, the newest first.
    package func names() throws(LogError) -> [Name] {
        let found: [String]
        do {
            found = try fileSystem.names(inDirectory: paths.snapshots)
        } catch {
            // A half-made journal, or one that was copied without them; or no journal, which is for others to say.
            let isNone = error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory
            if isNone, error.refusal == nil { return [] }
            throw LogError(system: error)
        }
        return found.compactMap { name in
            SnapshotFiles.sequence(named: name).map {
                Name(sequence: $0, path: paths.snapshots.appending(name))
            }
        }.sorted { $0.sequence > $1.sequence }
    }

    /// What a file of that name covers; nil when it is no snapshot's name.
    static func sequence(named name: String) -> UInt64? {
        guard name.hasSuffix(SnapshotFiles.suffix),
            name.utf8.count == SnapshotFiles.digits + SnapshotFiles.suffix.utf8.count,
            name.utf8.prefix(SnapshotFiles.digits).allSatisfy({ (48...57).contains($0) }),
            let sequence = UInt64(name.dropLast(SnapshotFiles.suffix.utf8.count)), sequence < 1 << 62
        else { return nil }
        return sequence
    }

    /// The length of its file, in bytes; 0 when it is gone.
    package func length(_ name: Name) throws(LogError) -> UInt64 {
        try asLogError { () throws(FileSystemError) in try fileSystem.status(of: name.path)?.length ?? 0 }
    }

    /// Opens a snapshot: reads its ends, and nothing else yet.
    ///
    /// - Throws: `damaged`, `unsupported`, `system`.
    package func open(_ name: Name) throws(LogError) -> TableReader {
        let file = try TableReader.reading(name.path, 0) { () throws(FileSystemError) in
            try fileSystem.openFile(name.path, .readOnly)
        }
        let table = try TableReader(
            file, path: name.path, journal: journal, cache: cache, maximumBlockBytes: maximumBlockBytes)
        guard table.sequence == name.sequence else {
            throw TableReader.damage(
                name.path, 32, "it covers sequence \(table.sequence), and its name says otherwise")
        }
        return table
    }

    /// Calls `body` with what can still be read of a damaged snapshot.
    ///
    /// - Throws: `damaged` when the file cannot be read at all; `system`.
    package func salvage(_ name: Name, _ body: (TableBlock) -> Void) throws(LogError) {
        let file = try TableReader.reading(name.path, 0) { () throws(FileSystemError) in
            try fileSystem.openFile(name.path, .readOnly)
        }
        defer { file.close() }
        let found = try TableSalvage(
            file, path: name.path, journal: journal, maximumBlockBytes: maximumBlockBytes)
        guard var salvage = found else { return }
        try salvage.forEachBlock(body)
    }

    /// Makes a snapshot: written aside, synced, read back and checked; only then renamed, and the directory synced.
    ///
    /// A snapshot that has the name already is replaced by the renaming alone. Whatever fails before leaves it as it was.
    /// - Parameters:
    ///   - didWrite: Called after each piece of about a mebibyte; it may throw to give up.
    ///   - body: Adds the entries, and returns the meta block.
    /// - Throws: what `body` throws; `noSpace`, `system`; `damaged` when what was written does not read back. Then there is no
    ///   new snapshot, or, when syncing the directory failed, a whole one that a power cut may take back.
    package func write(
        _ sequence: UInt64, level: Int32, blockBytes: @escaping (UInt8) -> Int,
        didWrite: @escaping () throws(FileSystemError) -> Void,
        _ body: (TableWriter) throws(LogError) -> [UInt8]
    ) throws(LogError) -> TableReader {
        let path = path(sequence)
        let unfinished = FilePath(path.string + SnapshotFiles.unfinishedSuffix)
        do {
            try asLogError { () throws(FileSystemError) in
                if try fileSystem.status(of: paths.snapshots) == nil {
                    try fileSystem.createDirectory(paths.snapshots)
                    try fileSystem.syncDirectory(paths.directory)
                }
            }
            let file = try asLogError { () throws(FileSystemError) in
                if try fileSystem.status(of: unfinished) != nil { try fileSystem.removeFile(unfinished) }
                return try fileSystem.openFile(unfinished, .createNew)
            }
            defer { file.close() }
            let writer = self.writer(file, sequence, level: level, blockBytes: blockBytes) {
                (_) throws(FileSystemError) in
                // In pieces, so that the commits beside it never wait for a long queue of writes.
                try file.syncData()
                try didWrite()
            }
            let meta = try body(writer)
            try asLogError { () throws(FileSystemError) in
                _ = try writer.finish(meta: meta)
                try file.sync()
            }
            let table = try open(Name(sequence: sequence, path: unfinished))
            try table.verify()
            try asLogError { () throws(FileSystemError) in
                try fileSystem.rename(unfinished, to: path)
                try fileSystem.syncDirectory(paths.snapshots)
            }
            return table.renamed(to: path)
        } catch {
            // Best effort: the next opening for writing removes what remains. After the renaming there is nothing to remove.
            try? fileSystem.removeFile(unfinished)
            guard let cause = error.cause, cause.isFull else { throw error }
            throw LogError(
                .noSpace, "No snapshot was made: the disk is full", path: cause.path, cause: cause)
        }
    }

    /// Writes a table that has no name and goes when it is closed: a part of the state that memory has no room for.
    package func spill(
        _ sequence: UInt64, blockBytes: @escaping (UInt8) -> Int,
        _ body: (TableWriter) throws(LogError) -> Void
    ) throws(LogError) -> TableReader {
        let (file, path) = try asLogError { () throws(FileSystemError) in
            try fileSystem.makeTemporaryFile(in: paths.directory)
        }
        // Not compressed: it is read back soon, and the replay must not wait for it.
        let writer = writer(file, sequence, level: nil, blockBytes: blockBytes) {
            (_) throws(FileSystemError) in
        }
        try body(writer)
        _ = try asLogError { () throws(FileSystemError) in try writer.finish(meta: []) }
        return try TableReader(file, path: path, journal: journal, cache: cache)
    }

    private func writer(
        _ file: any File, _ sequence: UInt64, level: Int32?, blockBytes: @escaping (UInt8) -> Int,
        didWrite: @escaping (Int) throws(FileSystemError) -> Void
    ) -> TableWriter {
        guard let journal else { preconditionFailure("whoever writes a snapshot knows whose it is") }
        return TableWriter(
            file, journal: journal, sequence: sequence, salt: UInt32(truncatingIfNeeded: random()),
            level: level, blockBytes: blockBytes, didWrite: didWrite)
    }

    /// Removes a snapshot. That its name is gone is durable after `syncDirectory`, which this does.
    package func remove(_ name: Name) throws(LogError) {
        try asLogError { () throws(FileSystemError) in
            try fileSystem.removeFile(name.path)
            try fileSystem.syncDirectory(paths.snapshots)
        }
    }

    /// Removes what a writer that was killed left half-made.
    package func removeUnfinished() throws(LogError) {
        try asLogError { () throws(FileSystemError) in
            guard try fileSystem.status(of: paths.snapshots) != nil else { return }
            for name in try fileSystem.names(inDirectory: paths.snapshots)
            where name.hasSuffix(SnapshotFiles.suffix + SnapshotFiles.unfinishedSuffix) {
                try fileSystem.removeFile(paths.snapshots.appending(name))
            }
        }
    }
}
