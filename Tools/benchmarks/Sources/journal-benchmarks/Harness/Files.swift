import Glibc
import SystemPackage

/// The calls for files that Swift's System lacks. All throw `Failure`.
enum Files {
    struct Failure: Error, CustomStringConvertible {
        var operation: String
        var path: String
        var errno: Int32
        var description: String { "\(operation) of \(path) failed: \(String(cString: strerror(errno)))" }
    }

    static func check(_ result: Int32, _ operation: String, _ path: FilePath) throws(Failure) {
        if result != 0 { throw Failure(operation: operation, path: path.string, errno: errno) }
    }

    static func createDirectories(_ path: FilePath) throws(Failure) {
        guard !exists(path), !path.isEmpty else { return }
        try createDirectories(path.removingLastComponent())
        guard mkdir(path.string, 0o777) == 0 || errno == EEXIST else {
            throw Failure(operation: "mkdir", path: path.string, errno: errno)
        }
    }

    static func createUniqueDirectory(in directory: FilePath) throws(Failure) -> FilePath {
        var template = Array(directory.appending("run-XXXXXX").string.utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Failure(operation: "mkdtemp", path: directory.string, errno: errno)
        }
        return FilePath(platformString: template)
    }

    static func exists(_ path: FilePath) -> Bool { access(path.string, F_OK) == 0 }

    static func isDirectory(_ path: FilePath) -> Bool {
        var status = stat()
        return lstat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The regular files below a directory, at any depth.
    static func list(_ directory: FilePath) throws(Failure) -> [(path: FilePath, status: stat)] {
        guard let stream = opendir(directory.string) else {
            throw Failure(operation: "opendir", path: directory.string, errno: errno)
        }
        defer { closedir(stream) }
        var found: [(path: FilePath, status: stat)] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            let path = directory.appending(name)
            var status = stat()
            try check(lstat(path.string, &status), "lstat", path)
            if status.st_mode & S_IFMT == S_IFDIR {
                found += try list(path)
            } else {
                found.append((path, status))
            }
        }
        return found
    }

    static func removeTree(_ directory: FilePath) throws(Failure) {
        for (path, _) in try list(directory) { try check(unlink(path.string), "unlink", path) }
        try removeDirectories(directory)
    }

    /// Directories that hold nothing but directories.
    private static func removeDirectories(_ directory: FilePath) throws(Failure) {
        guard let stream = opendir(directory.string) else { return }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        closedir(stream)
        for name in names where name != "." && name != ".." {
            try removeDirectories(directory.appending(name))
        }
        try check(rmdir(directory.string), "rmdir", directory)
    }

    /// Copies all files below a directory, at any depth, into a new one.
    ///
    /// - Parameters:
    ///   - asLinks: Makes hard links instead, for whoever only reads.
    ///   - suffix: Files whose names end so are left out.
    static func copyTree(
        _ source: FilePath, to target: FilePath, asLinks: Bool = false, leavingOut suffix: String? = nil
    ) throws {
        try createDirectories(target)
        for (path, status) in try list(source) {
            if let suffix, path.string.hasSuffix(suffix) { continue }
            var copy = path
            guard copy.removePrefix(source) else { continue }
            copy = target.appending(copy.components)
            try createDirectories(copy.removingLastComponent())
            if asLinks {
                try check(link(path.string, copy.string), "link", copy)
            } else {
                try copyFile(path, to: copy, length: Int(status.st_size))
            }
        }
    }

    private static func copyFile(_ path: FilePath, to copy: FilePath, length: Int) throws {
        let input = try FileDescriptor.open(path, .readOnly)
        defer { try? input.close() }
        let output = try FileDescriptor.open(
            copy, .writeOnly, options: [.create, .exclusiveCreate], permissions: [.ownerReadWrite])
        defer { try? output.close() }
        var left = length
        while left > 0 {
            let count = sendfile(output.rawValue, input.rawValue, nil, left)
            try check(count > 0 ? 0 : -1, "sendfile", copy)
            left -= count
        }
        // What is written back later would disturb what is measured.
        try check(fsync(output.rawValue), "fsync", copy)
    }

    /// Asks the system to forget what it holds in memory of all files below a directory.
    static func dropFromMemory(_ directory: FilePath) throws {
        for (path, _) in try list(directory) { try dropFromMemory(file: path) }
    }

    static func dropFromMemory(file path: FilePath) throws {
        let file = try FileDescriptor.open(path, .readOnly)
        defer { try? file.close() }
        let result = posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED)
        guard result == 0 else { throw Failure(operation: "posix_fadvise", path: path.string, errno: result) }
    }

    /// How many bytes a program may still write to the file system that holds a directory.
    static func freeBytes(_ directory: FilePath) throws(Failure) -> Int {
        var information = statvfs()
        try check(statvfs(directory.string, &information), "statvfs", directory)
        return Int(information.f_bavail) * Int(information.f_frsize)
    }

    static func sync(_ directory: FilePath) throws(Failure) {
        let descriptor = open(directory.string, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { throw Failure(operation: "open", path: directory.string, errno: errno) }
        defer { close(descriptor) }
        try check(fsync(descriptor), "fsync", directory)
    }

    static func read(_ path: FilePath) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, .readOnly)
        return try file.closeAfter {
            let length = Int(try file.seek(offset: 0, from: .end))
            return try [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
                while count < length {
                    let rest = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
                    let read = try file.read(fromAbsoluteOffset: Int64(count), into: rest)
                    if read == 0 { break }
                    count += read
                }
            }
        }
    }

    static func length(_ path: FilePath) throws(Failure) -> Int {
        var status = stat()
        try check(lstat(path.string, &status), "lstat", path)
        return Int(status.st_size)
    }

    /// The sum of the lengths, and of the blocks, of all files below a directory.
    static func size(_ directory: FilePath) throws(Failure) -> (lengthBytes: Int, blockBytes: Int) {
        var total = (lengthBytes: 0, blockBytes: 0)
        for (_, status) in try list(directory) {
            total.lengthBytes += Int(status.st_size)
            total.blockBytes += Int(status.st_blocks) * 512
        }
        return total
    }
}
