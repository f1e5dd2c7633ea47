import SystemPackage

/// What names lead to, as it is now.
extension Disk {
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
}
