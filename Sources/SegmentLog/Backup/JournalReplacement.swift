package import JournalFileSystem
package import SystemPackage

/// Puts another directory in the place of a journal's, while nobody has the journal open.
package struct JournalReplacement {
    private let paths: JournalPaths
    private let fileSystem: any FileSystem

    package init(_ paths: JournalPaths, _ fileSystem: any FileSystem) {
        self.paths = paths
        self.fileSystem = fileSystem.confined(to: paths.directory)
    }

    /// Whether there is a journal, or what is left of one; false when the directory is empty or not there.
    ///
    /// - Throws: `notAJournal` when something else is there; `busy` when the journal is open.
    package func inspect() throws(LogError) -> Bool {
        let (fileSystem, directory) = (fileSystem, paths.directory)
        let names = try asLogError { () throws(FileSystemError) -> [String] in
            guard try fileSystem.status(of: directory) != nil else { return [] }
            return try fileSystem.names(inDirectory: directory).filter { $0 != "lost+found" }
        }
        if names.isEmpty { return false }
        guard names.contains(JournalIdentity.fileName) || names.contains("log") else {
            throw LogError(
                .notAJournal,
                "\(directory) holds other files (\(names.min()!)), and no journal. Name an empty directory, or one that does not exist",
                path: directory)
        }
        try lock().close()
        return true
    }

    /// Makes an empty directory beside the journal's, which belongs to whom that belongs to.
    package func makeDirectory() throws(LogError) -> FilePath {
        let (fileSystem, directory) = (fileSystem, paths.directory)
        return try asLogError { () throws(FileSystemError) in
            for number in 1... {
                let path = FilePath("\(directory).restore-\(number)")
                guard try fileSystem.status(of: path) == nil else { continue }
                try fileSystem.createDirectory(path, like: directory)
                return path
            }
            preconditionFailure("some number is free")
        }
    }

    /// Exchanges the two directories' names, durably.
    package func exchange(with other: FilePath) throws(LogError) {
        let lockFile = try lock()
        defer { lockFile.close() }
        let (fileSystem, directory) = (fileSystem, paths.directory)
        do {
            try fileSystem.exchange(other, with: directory)
            try fileSystem.syncDirectory(directory.parentOrCurrent)
        } catch {
            throw LogError(
                .system,
                "The copy in \(other) is whole, and could not take the place of \(directory): \(error). Where that is a mount point, "
                    + "move what is in it away and restore into the empty directory", path: directory,
                cause: error)
        }
    }

    private func lock() throws(LogError) -> any File {
        try BackupTarget(
            paths: paths, fileSystem: fileSystem, journal: JournalUUID(high: 0, low: 0)
        ).lock()
    }
}
