import CJournalPOSIX
import SystemPackage

/// Turns the result of a C call (0 or the errno) into an error that says what failed on what.
func check(_ result: CInt, _ operation: String, _ path: FilePath) throws(FileSystemError) {
    if result != 0 {
        throw FileSystemError(operation: operation, path: path, errno: Errno(rawValue: result))
    }
}

/// Runs calls of Swift's System, which throw `Errno`.
func systemCall<Result>(
    _ operation: String, _ path: FilePath, _ body: () throws -> Result
) throws(FileSystemError) -> Result {
    jp_let_forks_go_first()
    do {
        return try body()
    } catch let errno as Errno {
        throw FileSystemError(operation: operation, path: path, errno: errno)
    } catch {
        preconditionFailure("System throws nothing but Errno: \(error)")
    }
}

/// An offset or a length as the system takes it.
func systemOffset(
    _ offset: UInt64, _ operation: String, _ path: FilePath
) throws(FileSystemError) -> Int64 {
    guard let offset = Int64(exactly: offset) else {
        throw FileSystemError(operation: operation, path: path, errno: .fileTooLarge)
    }
    return offset
}

extension FileStatus {
    init(_ status: jp_status) {
        self.init(
            kind: FileKind(status), length: status.length, allocatedBytes: status.allocated_bytes,
            identity: FileIdentity(device: status.device, inode: status.inode),
            modifiedMicroseconds: status.modified_microseconds)
    }
}

extension FileKind {
    init(_ status: jp_status) {
        switch jp_kind(rawValue: UInt32(status.kind)) {
        case JP_KIND_FILE: self = .file
        case JP_KIND_DIRECTORY: self = .directory
        default: self = .other
        }
    }
}
