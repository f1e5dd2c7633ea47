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
        var modified: Int64 = 0
    }

    enum Entry: Hashable, Sendable { case file(UInt64), directory(UInt64) }

    struct Directory: Sendable {
        var present: [String: Entry] = [:]
        /// As of the last sync of the directory.
        var durable: [String: Entry] = [:]
    }

    private(set) var files: [UInt64: File] = [:]
    private(set) var directories: [UInt64: Directory] = [Disk.root: Directory()]
    /// What was done since, in order: `present` is `durable` with all of these.
    private(set) var unsynced: [UnsyncedChange] = []
    private var nextInode = Disk.root + 1
    /// Counts changes, in place of a clock.
    private var changes: Int64 = 0
    static let root: UInt64 = 2

    // MARK: Names

    mutating func createFile(in parent: UInt64, _ name: String) -> UInt64 {
        let inode = newInode()
        files[inode] = File()
        setEntry(name, in: parent, to: .file(inode))
        return inode
    }

    mutating func createDirectory(at path: FilePath) throws(Errno) {
        guard let (parent, name) = try locate(path), directories[parent]?.present[name] == nil else {
            throw .fileExists
        }
        let inode = newInode()
        directories[inode] = Directory()
        setEntry(name, in: parent, to: .directory(inode))
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
        setEntry(newName, in: newParent, to: entry)
        if (parent, name) != (newParent, newName) { setEntry(name, in: parent, to: nil) }
    }

    /// Both names, or after a power cut neither: a file system's own journal has the exchange as one.
    mutating func exchange(_ path: FilePath, with other: FilePath) throws(Errno) {
        guard let (parent, name) = try locate(path), let (otherParent, otherName) = try locate(other),
            parent == otherParent
        else { throw .resourceBusy }
        guard let entry = directories[parent]?.present[name],
            let otherEntry = directories[parent]?.present[otherName]
        else { throw .noSuchFileOrDirectory }
        setEntry(otherName, in: parent, to: entry)
        setEntry(name, in: parent, to: otherEntry)
    }

    mutating func removeFile(at path: FilePath) throws(Errno) {
        _ = try file(at: path)
        guard let (parent, name) = try locate(path) else { throw .isDirectory }
        setEntry(name, in: parent, to: nil)
    }

    private mutating func setEntry(_ name: String, in directory: UInt64, to entry: Entry?) {
        directories[directory]?.present[name] = entry
        unsynced.append(UnsyncedChange(kind: .entry(directory: directory, name: name, entry)))
        changes += 1
    }

    mutating func syncDirectory(_ inode: UInt64) {
        settle { change in
            guard case .entry(inode, let name, let entry) = change.kind else { return nil }
            return { $0.directories[inode]?.durable[name] = entry }
        }
    }

    /// Makes changes durable, in order: those that have something to do, and that no failed sync abandoned.
    private mutating func settle(_ action: (UnsyncedChange) -> ((inout Disk) -> Void)?) {
        var left: [UnsyncedChange] = []
        let all = unsynced
        for change in all {
            guard !change.isAbandoned, let settle = action(change) else {
                left.append(change)
                continue
            }
            settle(&self)
        }
        unsynced = left
    }

    /// Makes a name's entry, or that it is gone, durable: for changes from outside.
    mutating func syncEntry(at path: FilePath) throws(Errno) {
        guard let (parent, name) = try locate(path) else { return }
        let entry = directories[parent]?.present[name]
        directories[parent]?.durable[name] = entry
        unsynced.removeAll { if case .entry(parent, name, _) = $0.kind { true } else { false } }
    }

    // MARK: Files

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, to inode: UInt64) {
        guard !bytes.isEmpty else { return }
        grow(inode, to: offset + bytes.count)
        change(inode) { $0.present.write(bytes, at: offset) }
        unsynced.append(UnsyncedChange(kind: .data(inode: inode, offset: offset, bytes: Array(bytes))))
    }

    /// Stores a word of a mapped page. The page is written back in sectors, as they are then; what one held between two syncs
    /// but the last of it is of no interest.
    mutating func store(_ word: UnsafeRawBufferPointer, at offset: Int, to inode: UInt64) {
        change(inode) { $0.present.write(word, at: offset) }
        let start = offset / Disk.sectorBytes * Disk.sectorBytes
        var sector = [UInt8](repeating: 0, count: Disk.sectorBytes)
        let count = sector.withUnsafeMutableBytes { files[inode]?.present.read(into: $0, at: start) ?? 0 }
        let kind = UnsyncedChange.Kind.data(inode: inode, offset: start, bytes: Array(sector.prefix(count)))
        let earlier = unsynced.lastIndex { change in
            guard change.isMapped, !change.isAbandoned, case .data(inode, start, _) = change.kind else {
                return false
            }
            return true
        }
        if let earlier {
            unsynced[earlier].kind = kind
        } else {
            unsynced.append(UnsyncedChange(kind: kind, isMapped: true))
        }
    }

    private static let sectorBytes = 512

    mutating func allocate(_ range: Range<Int>, in inode: UInt64) {
        grow(inode, to: range.upperBound)
        change(inode) { $0.present.allocate(range) }
    }

    mutating func setLength(_ length: Int, of inode: UInt64) {
        change(inode) { $0.present.setLength(length) }
        unsynced.append(UnsyncedChange(kind: .length(inode: inode, length)))
    }

    private mutating func grow(_ inode: UInt64, to length: Int) {
        guard let file = files[inode], length > file.present.length else { return }
        setLength(length, of: inode)
    }

    /// Makes a file's present contents durable, but for what an earlier sync failed to write.
    mutating func syncFile(_ inode: UInt64) {
        let isWhole = !unsynced.contains { $0.inode == inode && $0.isAbandoned }
        if isWhole {
            unsynced.removeAll { $0.inode == inode }
            change(inode) { $0.durable = $0.present }
            return
        }
        settle { change in
            switch change.kind {
            case .data(inode, let offset, let bytes):
                return { disk in
                    disk.change(inode) { file in bytes.withUnsafeBytes { file.durable.write($0, at: offset) }
                    }
                }
            case .length(inode, let length):
                return { disk in disk.change(inode) { $0.durable.setLength(length) } }
            default: return nil
            }
        }
    }

    /// A sync that failed. The kernel marks the pages clean all the same, so a later sync does not write them.
    mutating func failToSyncFile(_ inode: UInt64) {
        for index in unsynced.indices where unsynced[index].inode == inode {
            unsynced[index].isAbandoned = true
        }
    }

    /// Gives a file other contents, durably.
    mutating func replaceContents(of inode: UInt64, with bytes: [UInt8]) {
        let contents = PagedBytes(bytes)
        unsynced.removeAll { $0.inode == inode }
        change(inode) { file in
            file.present = contents
            file.durable = contents
        }
    }

    /// Changes a file's present or durable contents.
    private mutating func change<Result>(_ inode: UInt64, _ body: (inout File) -> Result) -> Result {
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
        for change in unsynced {
            if case .entry(_, _, .file(let inode)) = change.kind { kept.insert(inode) }
        }
        let gone = files.keys.filter { !kept.contains($0) }
        guard !gone.isEmpty else { return }
        for inode in gone { files[inode] = nil }
        unsynced.removeAll { $0.inode.map { !kept.contains($0) } ?? false }
    }

    // MARK: Power cut

    /// The disk as it would be found after the power went: of names and contents only what was synced, or all.
    func afterPowerCut(keepingEverything: Bool) -> Disk {
        reached(from: directories.mapValues { keepingEverything ? $0.present : $0.durable }) { _, file in
            keepingEverything ? file.present : file.durable
        }
    }

    /// A disk with these entries and contents, durable, and nothing else; of both only what names lead to.
    func reached(
        from entries: [UInt64: [String: Entry]], _ contents: (UInt64, File) -> PagedBytes
    ) -> Disk {
        var disk = self
        disk.unsynced = []
        disk.directories = [:]
        disk.files = [:]
        var pending = [Self.root]
        while let inode = pending.popLast() {
            guard disk.directories[inode] == nil, let entries = entries[inode] else { continue }
            disk.directories[inode] = Directory(present: entries, durable: entries)
            for entry in entries.values {
                switch entry {
                case .directory(let inode): pending.append(inode)
                case .file(let inode):
                    guard disk.files[inode] == nil, let file = files[inode] else { continue }
                    let bytes = contents(inode, file)
                    disk.files[inode] = File(present: bytes, durable: bytes, modified: file.modified)
                }
            }
        }
        return disk
    }

    private mutating func newInode() -> UInt64 {
        defer { nextInode += 1 }
        changes += 1
        return nextInode
    }
}
