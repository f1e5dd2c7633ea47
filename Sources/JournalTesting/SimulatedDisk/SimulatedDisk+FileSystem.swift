package import JournalFileSystem
package import SystemPackage

extension SimulatedDisk: FileSystem {
    /// It has no links.
    package func confined(to directory: FilePath) -> any FileSystem { self }

    package func openFile(_ path: FilePath, _ mode: FileOpenMode) throws(FileSystemError) -> any File {
        let number = try call(.openFile, path) { machine throws(Errno) in
            try machine.open(path, mode, pid: identity.pid)
        }
        return SimulatedFile(number, path: path, on: self)
    }

    package func status(of path: FilePath) throws(FileSystemError) -> FileStatus? {
        try call(.status, path) { machine throws(Errno) in
            let entry: Disk.Entry?
            do throws(Errno) {
                entry = try machine.disk.entry(at: path)
            } catch .noSuchFileOrDirectory {
                entry = nil
            }
            switch entry {
            case nil: return nil
            case .file(let inode): return machine.disk.status(ofFile: inode)
            case .directory(let inode):
                return FileStatus(
                    kind: .directory, length: 0, allocatedBytes: 0,
                    identity: FileIdentity(device: 1, inode: inode), modifiedMicroseconds: 0)
            }
        }
    }

    package func names(inDirectory path: FilePath) throws(FileSystemError) -> [String] {
        try call(.listDirectory, path) { machine throws(Errno) in
            let names = machine.disk.directories[try machine.disk.directory(at: path)]?.present.keys
            // The order of a dictionary differs from run to run.
            return names.map { $0.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } } ?? []
        }
    }

    package func createDirectory(_ path: FilePath) throws(FileSystemError) {
        try call(.createDirectory, path) { machine throws(Errno) in
            try machine.checkWritable()
            if let free = machine.freePages, free == 0 { throw .noSpace }
            try machine.disk.createDirectory(at: path)
        }
    }

    package func createDirectory(_ path: FilePath, like other: FilePath) throws(FileSystemError) {
        try createDirectory(path)
    }

    package func rename(_ path: FilePath, to newPath: FilePath) throws(FileSystemError) {
        try call(.rename, path, newPath: newPath) { machine throws(Errno) in
            try machine.checkWritable()
            try machine.disk.rename(path, to: newPath)
            machine.collect()
        }
    }

    package func exchange(_ path: FilePath, with other: FilePath) throws(FileSystemError) {
        try call(.rename, path, newPath: other) { machine throws(Errno) in
            try machine.checkWritable()
            try machine.disk.exchange(path, with: other)
        }
    }

    package func removeFile(_ path: FilePath) throws(FileSystemError) {
        try call(.removeFile, path) { machine throws(Errno) in
            try machine.checkWritable()
            try machine.disk.removeFile(at: path)
            machine.collect()
        }
    }

    package func syncDirectory(_ path: FilePath) throws(FileSystemError) {
        try call(.syncDirectory, path) { machine throws(Errno) in
            machine.disk.syncDirectory(try machine.disk.directory(at: path))
            machine.collect()
        }
    }

    package func openDirectory(_ path: FilePath) throws(FileSystemError) -> any Directory {
        let inode = try call(.openFile, path) { machine throws(Errno) in
            try machine.disk.directory(at: path)
        }
        return SimulatedDirectory(inode, path: path, on: self)
    }

    package func volume(holding path: FilePath) throws(FileSystemError) -> Volume {
        try call(.volume, path) { machine throws(Errno) in
            if try machine.disk.entry(at: path) == nil { throw .noSuchFileOrDirectory }
            let free = machine.freePages.map { UInt64($0 * PagedBytes.pageBytes) } ?? 1 << 40
            return Volume(
                name: machine.volumeName, kind: machine.volumeKind, freeBytes: free,
                isReadOnly: machine.isReadOnly)
        }
    }

    package func makeTemporaryFile(
        in directory: FilePath
    ) throws(FileSystemError) -> (file: any File, path: FilePath) {
        let path = machine.withLock { $0.newTemporaryPath() }
        let file = try openFile(path, .createNew)
        try removeFile(path)
        return (file, path)
    }

    package var workingDirectory: FilePath { "/" }

    package var process: ProcessIdentity { identity }

    package var processID: Int32 { identity.pid }

    package func isRunning(_ process: ProcessIdentity) -> Bool {
        machine.withLock { $0.isRunning(process) }
    }

    /// What `volume(holding:)` tells of the disk. On a read-only one, whatever would change it fails with EROFS.
    package func setVolume(name: String, kind: Volume.Kind, isReadOnly: Bool = false) {
        machine.withLock { machine in
            machine.volumeName = name
            machine.volumeKind = kind
            machine.isReadOnly = isReadOnly
        }
    }

    /// Notes a call, lets it fail if it is to, else runs `body`.
    ///
    /// - Parameter fail: What a fault does to the machine before the error is thrown.
    func call<Result: Sendable>(
        _ operation: Operation, _ path: FilePath, newPath: FilePath? = nil, offset: UInt64? = nil,
        length: UInt64? = nil, failing fail: (inout Machine, Fault) -> Void = { _, _ in },
        _ body: (inout Machine) throws(Errno) -> Result
    ) throws(FileSystemError) -> Result {
        let call = Call(
            pid: identity.pid, operation: operation, path: path, newPath: newPath, offset: offset,
            length: length)
        do throws(Errno) {
            return try access { machine throws(Errno) in
                guard machine.isRunning(identity) else { throw .noSuchProcess }
                let fault = machine.calls.begin(call)
                do throws(Errno) {
                    if let fault {
                        fail(&machine, fault)
                        throw fault.error
                    }
                    let result = try body(&machine)
                    machine.calls.end(nil, machine.disk)
                    return result
                } catch {
                    machine.calls.end(error, machine.disk)
                    throw error
                }
            }
        } catch {
            throw FileSystemError(operation: operation.rawValue, path: path, errno: error)
        }
    }
}

extension Disk {
    func status(ofFile inode: UInt64) -> FileStatus? {
        guard let file = files[inode] else { return nil }
        return FileStatus(
            kind: .file, length: UInt64(file.present.length),
            allocatedBytes: UInt64(file.present.allocatedPages * PagedBytes.pageBytes),
            identity: FileIdentity(device: 1, inode: inode), modifiedMicroseconds: file.modified)
    }
}
