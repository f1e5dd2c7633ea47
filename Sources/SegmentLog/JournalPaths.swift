package import SystemPackage

/// Where a journal's files are.
package struct JournalPaths: Sendable {
    package let directory: FilePath

    package init(_ directory: FilePath) { self.directory = directory }

    package var identity: FilePath { directory.appending(JournalIdentity.fileName) }
    package var unfinishedIdentity: FilePath { directory.appending(JournalIdentity.fileName + ".new") }
    package var lock: FilePath { directory.appending(LockFile.fileName) }
    package var log: FilePath { directory.appending("log") }
    package var snapshots: FilePath { directory.appending("snapshots") }
    package func segment(_ name: SegmentName) -> FilePath { log.appending(name.description) }

    /// A path as reports name it: relative to the journal's directory.
    package func relative(_ path: FilePath) -> String {
        var rest = path
        return rest.removePrefix(directory) ? rest.string : path.string
    }
}
