import CJournalPOSIX
package import SystemPackage

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The file system of the operating system.
package struct PosixFileSystem: FileSystem {
    package init() {}

    package func openFile(_ path: FilePath, _ mode: FileOpenMode) throws(FileSystemError) -> any File {
        try openPosixFile(path, mode)
    }

    func openPosixFile(_ path: FilePath, _ mode: FileOpenMode) throws(FileSystemError) -> PosixFile {
        var options: FileDescriptor.OpenOptions = []
        switch mode {
        case .readOnly, .readWrite: break
        case .createIfMissing: options.insert(.create)
        case .createNew: options.formUnion([.create, .exclusiveCreate])
        }
        let descriptor = try open(path, options, mode == .readOnly ? .readOnly : .readWrite, "open")
        let file = PosixFile(descriptor, path: path, isWritable: mode != .readOnly)
        // The system opens a directory for reading without complaint.
        switch try file.status("open").kind {
        case .file: return file
        case .directory: throw FileSystemError(operation: "open", path: path, errno: .isDirectory)
        case .other: throw FileSystemError(operation: "open", path: path, errno: .invalidArgument)
        }
    }

    /// Opens what the child of a fork closes, in a process whose standard streams are closed too: what anybody prints must
    /// not go into the journal.
    private func open(
        _ path: FilePath, _ options: FileDescriptor.OpenOptions, _ access: FileDescriptor.AccessMode,
        _ operation: String
    ) throws(FileSystemError) -> FileDescriptor {
        var number: CInt = -1
        let permissions = UInt32(FilePermissions.ownerReadWrite.rawValue)
        let flags = access.rawValue | options.rawValue
        let result = path.withPlatformString { jp_open($0, flags, permissions, &number) }
        try check(result, operation, path)
        return FileDescriptor(rawValue: number)
    }

    package func makeTemporaryFile(
        in directory: FilePath
    ) throws(FileSystemError) -> (file: any File, path: FilePath) {
        var number: CInt = -1
        // It never has a name, so that a process that is killed leaves nothing behind.
        if directory.withPlatformString({ jp_open_nameless($0, &number) }) == 0 {
            return (
                PosixFile(FileDescriptor(rawValue: number), path: directory, isWritable: true), directory
            )
        }
        // Not /tmp, which is often in memory: what is put here is what memory has no room for.
        let directory = FilePath(getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp")
        let path = directory.appending("agent-journal-\(UInt64.random(in: .min ... .max))")
        let file = try openFile(path, .createNew)
        try removeFile(path)
        return (file, path)
    }

    package func status(of path: FilePath) throws(FileSystemError) -> FileStatus? {
        var status = jp_status()
        let result = path.withPlatformString { jp_status_of_path($0, &status) }
        if Errno(rawValue: result) == .noSuchFileOrDirectory { return nil }
        try check(result, "stat", path)
        return FileStatus(status)
    }

    package func names(inDirectory path: FilePath) throws(FileSystemError) -> [String] {
        var names: [String] = []
        let result = path.withPlatformString { path in
            withUnsafeMutablePointer(to: &names) { names in
                jp_list_directory(path, names) { context, name in
                    guard let name else { return }
                    context?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
                }
            }
        }
        try check(result, "list of directory", path)
        return names
    }

    package func createDirectory(_ path: FilePath) throws(FileSystemError) {
        try check(path.withPlatformString { jp_make_directory($0, 0o700) }, "mkdir", path)
    }

    package func rename(_ path: FilePath, to newPath: FilePath) throws(FileSystemError) {
        let result = path.withPlatformString { from in
            newPath.withPlatformString { to in jp_rename(from, to) }
        }
        try check(result, "rename", path)
    }

    package func exchange(_ path: FilePath, with other: FilePath) throws(FileSystemError) {
        let result = path.withPlatformString { path in
            other.withPlatformString { other in jp_exchange(path, other) }
        }
        guard [.notSupported, .invalidArgument, .noFunction].contains(Errno(rawValue: result)) else {
            return try check(result, "exchange", other)
        }
        // A file system that cannot exchange.
        let aside = FilePath("\(path)-aside")
        try rename(other, to: aside)
        do {
            try rename(path, to: other)
        } catch {
            // Back to its place; the error says what kept the other from it.
            try? rename(aside, to: other)
            throw error
        }
        try rename(aside, to: path)
    }

    package func removeFile(_ path: FilePath) throws(FileSystemError) {
        try check(path.withPlatformString { jp_unlink($0) }, "unlink", path)
    }

    package func syncDirectory(_ path: FilePath) throws(FileSystemError) {
        let descriptor = try open(path, .directory, .readOnly, "sync of directory")
        defer { jp_close(descriptor.rawValue) }
        try check(jp_fsync(descriptor.rawValue), "sync of directory", path)
    }

    package func openDirectory(_ path: FilePath) throws(FileSystemError) -> any Directory {
        PosixDirectory(try open(path, .directory, .readOnly, "open"), path: path)
    }

    package func volume(holding path: FilePath) throws(FileSystemError) -> Volume {
        var volume = jp_volume()
        try check(path.withPlatformString { jp_volume_of_path($0, &volume) }, "statfs", path)
        return Volume(volume)
    }
}
