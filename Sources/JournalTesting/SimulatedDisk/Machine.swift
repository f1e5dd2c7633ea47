import JournalFileSystem
import SystemPackage

/// A simulated computer: a disk, and what is gone when the power is: processes, open files, locks.
struct Machine: Sendable {
    struct OpenFile: Sendable {
        var inode: UInt64
        var isWritable: Bool
        var pid: Int32
    }

    var disk = Disk()
    /// Differs after each power cut.
    var boot: UInt64 = 1
    var capacityBytes: UInt64?
    var volumeName = "memory"
    var volumeKind = Volume.Kind.local
    var isReadOnly = false

    /// The processes that run, by pid, with their start times.
    private var processes: [Int32: UInt64] = [:]
    private var openFiles: [UInt64: OpenFile] = [:]
    private var locks: [UInt64: RangeLocks] = [:]
    /// By inode, how often the sleepers on a file's shared words were woken.
    private var wakes: [UInt64: UInt64] = [:]
    private var lastNumber: UInt64 = 0

    var calls = CallLog()
    var stops = Stops()

    // MARK: Processes

    /// Starts a process; one with the same pid that still ran is ended.
    mutating func startProcess(_ pid: Int32) -> ProcessIdentity {
        endProcess(pid)
        let start = newNumber()
        processes[pid] = start
        return ProcessIdentity(
            pid: pid, startTime: start, host: "in-memory", command: "process \(pid)", bootIdentity: boot)
    }

    /// Closes all that the process has open, which drops its locks.
    mutating func endProcess(_ pid: Int32) {
        processes[pid] = nil
        stops.goOn(pid)
        for (number, file) in openFiles where file.pid == pid { close(number) }
    }

    func isRunning(_ process: ProcessIdentity) -> Bool {
        process.bootIdentity == boot && processes[process.pid] == process.startTime
    }

    // MARK: Open files

    mutating func open(_ path: FilePath, _ mode: FileOpenMode, pid: Int32) throws(Errno) -> UInt64 {
        guard let (parent, name) = try disk.locate(path) else {
            throw mode == .createNew ? .fileExists : .isDirectory
        }
        let inode: UInt64
        switch disk.directories[parent]?.present[name] {
        case .some where mode == .createNew: throw .fileExists
        case .directory: throw .isDirectory
        case .file(let found):
            if isReadOnly, mode != .readOnly { throw .readOnlyFileSystem }
            inode = found
        case nil:
            guard mode == .createNew || mode == .createIfMissing else { throw .noSuchFileOrDirectory }
            try checkWritable()
            if let free = freePages, free == 0 { throw .noSpace }
            inode = disk.createFile(in: parent, name)
        }
        let number = newNumber()
        openFiles[number] = OpenFile(inode: inode, isWritable: mode != .readOnly, pid: pid)
        return number
    }

    mutating func close(_ number: UInt64) {
        guard let file = openFiles.removeValue(forKey: number) else { return }
        locks[file.inode]?.releaseAll(of: number)
        collect()
    }

    func isOpen(_ number: UInt64) -> Bool { openFiles[number] != nil }

    func openFile(_ number: UInt64) throws(Errno) -> OpenFile {
        guard let file = openFiles[number] else { throw .badFileDescriptor }
        return file
    }

    func file(_ number: UInt64) throws(Errno) -> Disk.File {
        guard let file = disk.files[try openFile(number).inode] else { throw .badFileDescriptor }
        return file
    }

    /// Forgets files that nothing leads to any more.
    mutating func collect() {
        let open = Set(openFiles.values.map(\.inode))
        disk.collect(keeping: open)
        locks = locks.filter { open.contains($0.key) }
    }

    /// A path in the root that nothing has; another one each time. One of an earlier file may be there after a power cut.
    mutating func newTemporaryPath() -> FilePath {
        while true {
            let name = "temporary-\(newNumber())"
            if disk.directories[Disk.root]?.present[name] == nil { return FilePath("/" + name) }
        }
    }

    // MARK: Contents

    /// Writes as much as the disk has room for; what did not fit is an error, after the rest was written.
    mutating func write(
        _ bytes: UnsafeRawBufferPointer, at offset: UInt64, to number: UInt64
    ) throws(Errno) {
        let file = try openFile(number)
        guard file.isWritable else { throw .badFileDescriptor }
        try checkWritable()
        let start = try Self.offset(offset)
        let (end, overflow) = start.addingReportingOverflow(bytes.count)
        if overflow { throw .fileTooLarge }
        var count = bytes.count
        if let free = freePages, let contents = disk.files[file.inode]?.present {
            var needed = contents.missingPages(in: start..<start + count)
            while needed > free {
                // Back to the start of the last page; the one before may be there already.
                count = max(0, (start + count - 1) / PagedBytes.pageBytes * PagedBytes.pageBytes - start)
                needed = contents.missingPages(in: start..<start + count)
            }
        }
        disk.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: start, to: file.inode)
        if start + count < end { throw .noSpace }
    }

    mutating func allocate(_ range: Range<UInt64>, in number: UInt64) throws(Errno) {
        let file = try openFile(number)
        guard file.isWritable else { throw .badFileDescriptor }
        try checkWritable()
        let range = try Self.offset(range.lowerBound)..<Self.offset(range.upperBound)
        let missing = disk.files[file.inode]?.present.missingPages(in: range) ?? 0
        if let free = freePages, missing > free { throw .noSpace }
        disk.allocate(range, in: file.inode)
    }

    mutating func truncate(_ number: UInt64, to length: UInt64) throws(Errno) {
        let file = try openFile(number)
        guard file.isWritable else { throw .invalidArgument }
        try checkWritable()
        disk.setLength(try Self.offset(length), of: file.inode)
    }

    mutating func sync(_ number: UInt64) throws(Errno) {
        disk.syncFile(try openFile(number).inode)
    }

    mutating func failToSync(_ number: UInt64) {
        guard let file = openFiles[number] else { return }
        disk.failToSyncFile(file.inode)
    }

    func checkWritable() throws(Errno) {
        if isReadOnly { throw .readOnlyFileSystem }
    }

    /// Bytes of blocks in use by files that have a name or are open.
    var usedBytes: UInt64 { disk.usedBytes(open: Set(openFiles.values.map(\.inode))) }

    /// How many pages are left, or nil when there is no limit.
    var freePages: Int? {
        guard let capacityBytes else { return nil }
        let used = usedBytes
        return used > capacityBytes ? 0 : Int(capacityBytes - used) / PagedBytes.pageBytes
    }

    private static func offset(_ offset: UInt64) throws(Errno) -> Int {
        guard let offset = Int(exactly: offset) else { throw .fileTooLarge }
        return offset
    }

    // MARK: Locks and words

    mutating func takeLock(
        _ number: UInt64, _ range: Range<UInt64>, _ kind: LockKind
    ) throws(Errno) -> Bool {
        let file = try openFile(number)
        if range.isEmpty { throw .invalidArgument }
        if kind == .exclusive, !file.isWritable { throw .badFileDescriptor }
        return locks[file.inode, default: RangeLocks()].take(number, range, kind)
    }

    mutating func releaseLock(_ number: UInt64, _ range: Range<UInt64>) throws(Errno) {
        let file = try openFile(number)
        if range.isEmpty { throw .invalidArgument }
        locks[file.inode]?.release(number, range)
    }

    func isLockedByOther(
        _ number: UInt64, _ range: Range<UInt64>, _ kind: LockKind
    ) throws(Errno) -> Bool {
        let file = try openFile(number)
        if range.isEmpty { throw .invalidArgument }
        return locks[file.inode]?.exclude(number, range, kind) ?? false
    }

    /// Another open file of the same inode, for a mapping.
    mutating func reopen(_ file: OpenFile) -> UInt64 {
        let number = newNumber()
        openFiles[number] = file
        return number
    }

    /// How often those who sleep on words of the file were woken.
    func wakes(of number: UInt64) -> UInt64 {
        openFiles[number].flatMap { wakes[$0.inode] } ?? 0
    }

    mutating func wake(_ number: UInt64) {
        guard let file = openFiles[number] else { return }
        wakes[file.inode, default: 0] += 1
    }

    private mutating func newNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }
}
