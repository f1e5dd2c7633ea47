package import SystemPackage

/// A call to the file system that failed: which, on what, and the system's reason.
package struct FileSystemError: Error, Sendable, CustomStringConvertible {
    /// The call, as an engineer would name it: "open", "write", "fdatasync", "rename", "sync of directory" and so on.
    package var operation: String
    package var path: FilePath
    package var errno: Errno

    package init(operation: String, path: FilePath, errno: Errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }

    package var description: String { "\(operation) of \(path) failed: \(errno)" }
}
