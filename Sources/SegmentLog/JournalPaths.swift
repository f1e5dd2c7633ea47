package import JournalFileSystem
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

extension JournalPaths {
    /// How many bytes the segments and the snapshots are long, and how many bytes of disk blocks all files take.
    package func fileSizes(
        _ fileSystem: any FileSystem
    ) throws(LogError) -> (log: UInt64, snapshots: UInt64, disk: UInt64) {
        let fileSystem = fileSystem.confined(to: directory)
        return try asLogError { () throws(FileSystemError) in
            var disk: UInt64 = 0
            for path in [identity, lock] { disk += try fileSystem.status(of: path)?.allocatedBytes ?? 0 }
            func lengths(_ directory: FilePath) throws(FileSystemError) -> UInt64 {
                guard try fileSystem.status(of: directory) != nil else { return 0 }
                var sum: UInt64 = 0
                for name in try fileSystem.names(inDirectory: directory) {
                    guard let status = try fileSystem.status(of: directory.appending(name)) else { continue }
                    sum += status.length
                    disk += status.allocatedBytes
                }
                return sum
            }
            let logBytes = try lengths(log)
            let snapshotBytes = try lengths(snapshots)
            return (logBytes, snapshotBytes, disk)
        }
    }

    /// The first sequence that the log holds, by the names of the segments.
    package func firstSequence(_ fileSystem: any FileSystem) throws(LogError) -> UInt64 {
        let fileSystem = fileSystem.confined(to: directory)
        return try asLogError { () throws(FileSystemError) in
            try fileSystem.names(inDirectory: log).compactMap { SegmentName($0)?.firstSequence }.min() ?? 1
        }
    }
}
