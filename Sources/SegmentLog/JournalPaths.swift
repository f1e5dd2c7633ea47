package import SystemPackage

/// Where a journal's files are.
package struct JournalPaths: Sendable {
    package let directory: FilePath
    package let identity: FilePath
    package let unfinishedIdentity: FilePath
    package let lock: FilePath
    package let log: FilePath
    package let snapshots: FilePath

    package init(_ directory: FilePath) {
        self.directory = directory
        identity = directory.appending(JournalIdentity.fileName)
        unfinishedIdentity = directory.appending(JournalIdentity.fileName + ".new")
        lock = directory.appending(LockFile.fileName)
        log = directory.appending("log")
        snapshots = directory.appending("snapshots")
    }

    package func segment(_ name: SegmentName) -> FilePath { FilePath(log.string + "/" + name.description) }

    /// A path as reports name it: relative to the journal's directory.
    package func relative(_ path: FilePath) -> String {
        // By the text: both come from here, and taking paths apart is slow without optimization.
        let prefix = directory.string + "/"
        return path.string.hasPrefix(prefix) ? String(path.string.dropFirst(prefix.count)) : path.string
    }
}
