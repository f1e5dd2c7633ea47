package import SystemPackage

/// A call to the file system that failed: which, on what, and the system's reason.
package struct FileSystemError: Error, Sendable, CustomStringConvertible {
    /// The call, as an engineer would name it: "open", "write", "fdatasync", "rename", "sync of directory" and so on.
    package var operation: String
    package var path: FilePath
    package var errno: Errno
    /// What is wrong with the thing at `path`, and what to do, where the call itself was refused.
    package var refusal: String?

    package init(operation: String, path: FilePath, errno: Errno, refusal: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.refusal = refusal
    }

    package var description: String {
        if let refusal { return "\(path) \(refusal)" }
        return "\(operation) of \(path) failed: \(errno)"
    }
}
