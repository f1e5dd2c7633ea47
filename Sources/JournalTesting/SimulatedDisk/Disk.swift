import JournalFileSystem
import SystemPackage

/// Directories and files, each as it is now and as it would be found after a power cut. A value: a copy is a
/// picture of that moment, and cheap.
struct Disk: Sendable {
    /// A file, whatever its names.
    struct File: Sendable {
        /// What a read sees: the page cache.
        var present = PagedBytes()
        /// What was there at the last sync that succeeded.
        var durable = PagedBytes()
        /// The pages that the next sync has to write.
        var unsynced: Set<Int> = []
        var modified: Int64 = 0

        /// Makes the present contents durable.
        mutating func sync() {
            durable.adopt(unsynced, of: present)
            unsynced = []
        }

        /// A sync that failed. The kernel marks the pages clean all the same, so a later sync does not write them.
        mutating func failToSync() {
            unsynced = []
        }
    }

    enum Entry: Hashable, Sendable { case file(UInt64), directory(UInt64) }

    struct Directory: Sendable {
        var present: [String: Entry] = [:]
        /// As of the last sync of the directory.
        var durable: [String: Entry] = [:]
    }

    private(set) var files: [UInt64: File] = [:]
    private(set) var directories: [UInt64: Directory] = [Disk.root: Directory()]
    private var nextInode = Disk.root + 1
    /// Counts changes, in place of a clock.
    private var changes: Int64 = 0
    static let root: UInt64 = 2

    // MARK: Names

    /// A path's parent directory and its last name; nil for the root.
    func locate(_ path: FilePath) throws(Errno) -> (parent: UInt64, name: String)? {
        var names = Self.names(path)
        guard let last = names.popLast() else { return nil }
        var directory = Self.root
        for name in names {
            switch directories[directory]?.present[name] {
            case .directory(let inode): directory = inode
            case .file: throw .notDirectory
            case nil: throw .noSuchFileOrDirectory
            }
        }
        return (directory, last)
    }

    /// The names of a path, without `.` and `..`. By its text: taking paths apart is slow without optimization.
    private static func names(_ path: FilePath) -> [String] {
        let names = path.string.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        guard names.contains(where: { $0 == "." || $0 == ".." }) else { return names }
        return path.lexicallyNormalized().components.map(\.string)
    }

    /// What has the path, or nil.
    func entry(at path: FilePath) throws(Errno) -> Entry? {
        guard let (parent, name) = try locate(path) else { return .directory(Self.root) }
        return directories[parent]?.present[name]
    }

    func directory(at path: FilePath) throws(Errno) -> UInt64 {
        switch try entry(at: path) {
        case .directory(let inode): return inode
        case .file: throw .notDirectory
        case nil: throw .noSuchFileOrDirectory
        }
    }

    func file(at path: FilePath) throws(Errno) -> UInt64 {
        switch try entry(at: path) {
        case .file(let inode): return inode
        case .directory: throw .isDirectory
        case nil: throw .noSuchFileOrDirectory
        }
    }

    mutating func createFile(in parent: UInt64, _ name: String) -> UInt64 {
        let inode = newInode()
        files[inode] = File()
        directories[parent]?.present[name] = .file(inode)
        return inode
    }

    mutating func createDirectory(at path: FilePath) throws(Errno) {
        guard let (parent, name) = try locate(path), directories[parent]?.present[name] == nil else {
            throw .fileExists
        }
        let inode = newInode()
        directories[inode] = Directory()
        directories[parent]?.present[name] = .directory(inode)
    }

    mutating func rename(_ path: FilePath, to newPath: FilePath) throws(Errno) {
        guard let (parent, name) = try locate(path), let (newParent, newName) = try locate(newPath) else {
            throw .resourceBusy
        }
        guard let entry = directories[parent]?.present[name] else { throw .noSuchFileOrDirectory }
        switch (entry, directories[newParent]?.present[newName]) {
        case (_, nil), (.file, .file): break
        case (.file, .directory): throw .isDirectory
        case (.directory, .file): throw .notDirectory
        case (.directory, .directory(let inode)):
            if directories[inode]?.present.isEmpty == false { throw .directoryNotEmpty }
        }
        directories[parent]?.present[name] = nil
        directories[newParent]?.present[newName] = entry
        changes += 1
    }

    mutating func removeFile(at path: FilePath) throws(Errno) {
        _ = try file(at: path)
        guard let (parent, name) = try locate(path) else { throw .isDirectory }
        directories[parent]?.present[name] = nil
        changes += 1
    }

    mutating func syncDirectory(_ inode: UInt64) {
        guard let entries = directories[inode]?.present else { return }
        directories[inode]?.durable = entries
    }

    /// Makes a name's entry, or that it is gone, durable: for changes from outside.
    mutating func syncEntry(at path: FilePath) throws(Errno) {
        guard let (parent, name) = try locate(path) else { return }
        let entry = directories[parent]?.present[name]
        directories[parent]?.durable[name] = entry
    }

    // MARK: Files

    /// Changes a file's present or durable contents.
    mutating func change<Result>(_ inode: UInt64, _ body: (inout File) -> Result) -> Result {
        changes += 1
        guard var file = files.removeValue(forKey: inode) else { preconditionFailure("no such inode") }
        defer {
            file.modified = changes
            files[inode] = file
        }
        return body(&file)
    }

    /// Forgets files that have no name, now or after a power cut, and are not open.
    mutating func collect(keeping open: Set<UInt64>) {
        var kept = open
        for directory in directories.values {
            for case .file(let inode) in directory.present.values { kept.insert(inode) }
            for case .file(let inode) in directory.durable.values { kept.insert(inode) }
        }
        for inode in files.keys where !kept.contains(inode) { files[inode] = nil }
    }

    /// Whether a name leads to the file.
    func isLinked(_ inode: UInt64) -> Bool {
        directories.values.contains { directory in
            directory.present.values.contains { if case .file(inode) = $0 { true } else { false } }
        }
    }

    /// Bytes of disk blocks of the files that have a name or are open.
    func usedBytes(open: Set<UInt64>) -> UInt64 {
        var counted = open
        for directory in directories.values {
            for case .file(let inode) in directory.present.values { counted.insert(inode) }
        }
        let pages = counted.reduce(0) { $0 + (files[$1]?.present.allocatedPages ?? 0) }
        return UInt64(pages * PagedBytes.pageBytes)
    }

    // MARK: Power cut

    /// The disk as it would be found after the power went: of names and contents only what was synced, or all.
    func afterPowerCut(keepingEverything: Bool) -> Disk {
        var disk = self
        var reached: Set<UInt64> = []
        disk.directories = [:]
        var pending = [Self.root]
        while let inode = pending.popLast() {
            guard disk.directories[inode] == nil, let directory = directories[inode] else { continue }
            let entries = keepingEverything ? directory.present : directory.durable
            disk.directories[inode] = Directory(present: entries, durable: entries)
            for entry in entries.values {
                switch entry {
                case .directory(let inode): pending.append(inode)
                case .file(let inode): reached.insert(inode)
                }
            }
        }
        disk.files = [:]
        for inode in reached {
            guard let file = files[inode] else { continue }
            let contents = keepingEverything ? file.present : file.durable
            disk.files[inode] = File(present: contents, durable: contents, modified: file.modified)
        }
        return disk
    }

    /// The paths of all files, now, in order.
    func paths() -> [FilePath] {
        var result: [FilePath] = []
        var pending: [(FilePath, UInt64)] = [("/", Self.root)]
        while let (path, inode) = pending.popLast() {
            for (name, entry) in directories[inode]?.present ?? [:] {
                switch entry {
                case .directory(let inode): pending.append((path.appending(name), inode))
                case .file: result.append(path.appending(name))
                }
            }
        }
        return result.sorted { $0.string.utf8.lexicographicallyPrecedes($1.string.utf8) }
    }

    private mutating func newInode() -> UInt64 {
        defer { nextInode += 1 }
        changes += 1
        return nextInode
    }
}
