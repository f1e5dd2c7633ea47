import JournalFileSystem
import JournalTesting
import SystemPackage

/// The golden journals: files by their paths within the journal.
enum Golden {
    static let directory: FilePath = "/journal"

    /// Read from the working directory, which `Tools/fuzz/run` sets to the repository's.
    static func files(_ name: String) throws -> [(path: String, bytes: [UInt8])] {
        let root = FilePath("Tests/AgentJournalTests/Golden").appending(name)
        let disk = PosixFileSystem()
        var found: [(String, [UInt8])] = []
        for path in ["journal.json", "lock"] {
            found.append((path, try disk.contents(of: root.appending(path), atMost: 1 << 20)))
        }
        for folder in ["log", "snapshots"] {
            guard try disk.status(of: root.appending(folder)) != nil else { continue }
            for file in try disk.names(inDirectory: root.appending(folder)).sorted() {
                let bytes = try disk.contents(of: root.appending(folder).appending(file), atMost: 1 << 20)
                found.append((folder + "/" + file, bytes))
            }
        }
        return found
    }

    /// A disk that holds these files as a journal.
    static func disk(_ files: [(path: String, bytes: [UInt8])]) throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        for (path, bytes) in files {
            try disk.replaceContents(of: FilePath(directory.string + "/" + path), with: bytes)
        }
        return disk
    }
}

extension SimulatedDisk {
    /// All files and their contents.
    var everything: [String: [UInt8]] {
        get throws {
            var found: [String: [UInt8]] = [:]
            for path in paths { found[path.string] = try contents(of: path) }
            return found
        }
    }
}
