import JournalFileSystem
package import SystemPackage

extension SegmentLog {
    /// Copies what is visible into another directory, or brings such a copy up to date. The journal may be written meanwhile.
    ///
    /// - Throws: `notAJournal` when something else is in the directory, or the copy was written to; `busy` when the copy is open;
    ///   `damaged`, naming what cannot be copied; `noSpace`; `system`. An interrupted one is finished by the next.
    /// - Complexity: reads and writes what is new, and reads the headers of the last segment's frames.
    package func backUp(
        to directory: FilePath, shouldContinue: @escaping () -> Bool = { true },
        problem: @escaping LogSurvey.Visit = { _, _ in nil }
    ) throws(LogError) -> BackupResult {
        let target = JournalPaths(directory)
        guard try !isWithin(target.directory, paths.directory),
            try !isWithin(paths.directory, target.directory)
        else {
            throw LogError(
                .notAJournal, "A backup is not made in the journal's own directory, nor around it",
                path: directory)
        }
        return try Backup(
            log: self,
            target: BackupTarget(
                paths: target, fileSystem: options.fileSystem.confined(to: directory),
                journal: identity.journal),
            shouldContinue: shouldContinue, problem: problem
        ).run()
    }

    /// Whether a path leads to a directory, or into it, whatever names lead there.
    private func isWithin(_ path: FilePath, _ directory: FilePath) throws(LogError) -> Bool {
        let fileSystem = options.fileSystem
        return try asLogError { () throws(FileSystemError) in
            guard let wanted = try fileSystem.status(of: directory)?.identity else { return false }
            var path = path
            while true {
                if try fileSystem.status(of: path)?.identity == wanted { return true }
                let parent = path.parentOrCurrent
                if parent == path { return false }
                path = parent
            }
        }
    }
}
