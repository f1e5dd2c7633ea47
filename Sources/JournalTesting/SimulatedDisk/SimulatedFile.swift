import JournalFileSystem
import SystemPackage

/// An open file of a simulated machine.
final class SimulatedFile: File {
    let number: UInt64
    let path: FilePath
    let fileSystem: SimulatedDisk

    init(_ number: UInt64, path: FilePath, on fileSystem: SimulatedDisk) {
        self.number = number
        self.path = path
        self.fileSystem = fileSystem
    }

    deinit {
        close()
    }

    func close() {
        fileSystem.machine.withLock { $0.close(number) }
        fileSystem.machine.broadcast()
    }

    // MARK: Contents

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileSystemError) -> Int {
        try fileSystem.call(.read, path, offset: offset, length: UInt64(buffer.count)) {
            machine throws(Errno) in
            guard let offset = Int(exactly: offset) else { throw .fileTooLarge }
            return try machine.file(number).present.read(into: buffer, at: offset)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError) {
        try fileSystem.call(
            .write, path, offset: offset, length: UInt64(bytes.count),
            failing: { machine, fault in
                let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(max(0, fault.bytesWritten)))
                // Only a part was to be written; whatever hinders that too is hidden by the fault.
                try? machine.write(part, at: offset, to: number)
            }
        ) { machine throws(Errno) in
            try machine.write(bytes, at: offset, to: number)
        }
    }

    func length() throws(FileSystemError) -> UInt64 {
        try fileSystem.call(.length, path) { machine throws(Errno) in
            UInt64(try machine.file(number).present.length)
        }
    }

    func allocate(_ range: Range<UInt64>) throws(FileSystemError) {
        if range.isEmpty { return }
        let length = range.upperBound - range.lowerBound
        try fileSystem.call(.allocate, path, offset: range.lowerBound, length: length) {
            machine throws(Errno) in
            try machine.allocate(range, in: number)
        }
    }

    /// The simulated disk copies nothing on write.
    func keepBlocksInPlace() {}

    func truncate(to length: UInt64) throws(FileSystemError) {
        try fileSystem.call(.truncate, path, length: length) { machine throws(Errno) in
            try machine.truncate(number, to: length)
        }
    }

    func syncData() throws(FileSystemError) {
        try sync(.syncData)
    }

    func sync() throws(FileSystemError) {
        try sync(.sync)
    }

    // fdatasync leaves out only metadata that reading the data back does not need, such as times.
    private func sync(_ operation: SimulatedDisk.Operation) throws(FileSystemError) {
        try fileSystem.call(
            operation, path, failing: { machine, _ in machine.failToSync(number) }
        ) { machine throws(Errno) in
            try machine.sync(number)
        }
    }

    func identity() throws(FileSystemError) -> FileIdentity {
        try fileSystem.call(.identity, path) { machine throws(Errno) in
            FileIdentity(device: 1, inode: try machine.openFile(number).inode)
        }
    }

    func linkedLength() throws(FileSystemError) -> UInt64? {
        try fileSystem.call(.linkCount, path) { machine throws(Errno) in
            let inode = try machine.openFile(number).inode
            return machine.disk.isLinked(inode) ? UInt64(try machine.file(number).present.length) : nil
        }
    }

    // MARK: Locks

    func lock(_ range: Range<UInt64>, _ kind: LockKind, wait: Bool) throws(FileSystemError) -> Bool {
        let length = range.upperBound - range.lowerBound
        let taken = try fileSystem.call(.lock, path, offset: range.lowerBound, length: length) {
            machine throws(Errno) in
            let taken = try machine.takeLock(number, range, kind)
            machine.stops.noteLock(fileSystem.pid, isTaken: taken)
            return taken
        }
        if taken || !wait {
            // A lock made weaker may be what somebody waits for; and that one is refused ends another's waiting in a test.
            fileSystem.machine.broadcast()
            return taken
        }
        do throws(Errno) {
            return try fileSystem.sleeping { () throws(Errno) in
                try fileSystem.machine.withLock(
                    waitingUntil: { [number] machine in
                        // An error (closed, or its process killed, meanwhile) ends the waiting too.
                        (try? machine.isLockedByOther(number, range, kind)) != true
                    }
                ) { machine throws(Errno) in
                    try machine.takeLock(number, range, kind)
                }
            }
        } catch {
            throw FileSystemError(operation: "lock", path: path, errno: error)
        }
    }

    func unlock(_ range: Range<UInt64>) throws(FileSystemError) {
        let length = range.upperBound - range.lowerBound
        try fileSystem.call(.unlock, path, offset: range.lowerBound, length: length) {
            machine throws(Errno) in
            try machine.releaseLock(number, range)
        }
        fileSystem.machine.broadcast()
    }

    func isLockedByOther(_ range: Range<UInt64>, _ kind: LockKind) throws(FileSystemError) -> Bool {
        let length = range.upperBound - range.lowerBound
        return try fileSystem.call(.testLock, path, offset: range.lowerBound, length: length) {
            machine throws(Errno) in
            try machine.isLockedByOther(number, range, kind)
        }
    }

    // MARK: The shared page

    func mapSharedPage(length: Int, writable: Bool) throws(FileSystemError) -> any SharedPage {
        // Like the real one it has an open file of its own, and so lives longer than this one.
        let mapping = try fileSystem.call(.mapPage, path, length: UInt64(max(0, length))) {
            machine throws(Errno) in
            let file = try machine.openFile(number)
            if writable, !file.isWritable { throw .permissionDenied }
            if try machine.disk.file(at: path) != file.inode { throw .staleNFSFileHandle }
            guard length > 0, try machine.file(number).present.length >= length else {
                throw .invalidArgument
            }
            return machine.reopen(file)
        }
        return SimulatedPage(mapping, path, length: length, isWritable: writable, on: fileSystem)
    }
}
