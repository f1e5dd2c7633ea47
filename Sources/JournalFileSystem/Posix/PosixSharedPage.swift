import CJournalPOSIX
import SystemPackage

extension PosixFile {
    /// Maps the file through a descriptor of its own.
    ///
    /// A mapping keeps its open file alive, and with it that open file's locks: mapped through this one, they would
    /// outlast `close()`, and in the child of a fork even this process.
    package func mapSharedPage(length: Int, writable: Bool) throws(FileSystemError) -> any SharedPage {
        if writable, !isWritable {
            throw FileSystemError(operation: "map", path: path, errno: .permissionDenied)
        }
        let mapped = try fileSystem.openPosixFile(path, writable ? .readWrite : .readOnly)
        let status = try mapped.status("map")
        guard try status.identity == identity() else {
            // Another file has the name by now.
            throw FileSystemError(operation: "map", path: path, errno: .staleNFSFileHandle)
        }
        guard length > 0, status.length >= UInt64(length) else {
            // Touching a page beyond the end would be a SIGBUS.
            throw FileSystemError(operation: "map", path: path, errno: .invalidArgument)
        }
        return try mapped.descriptor.use("map", path) { descriptor throws(FileSystemError) in
            var address: UnsafeMutableRawPointer?
            try check(jp_map_shared(descriptor.rawValue, length, writable, &address), "map", path)
            guard let address else {
                throw FileSystemError(operation: "map", path: path, errno: .noMemory)
            }
            return PosixSharedPage(address: address, length: length, path: path, isWritable: writable)
        }
    }
}

/// A shared mapping of the start of a file.
final class PosixSharedPage: SharedPage, @unchecked Sendable {
    // @unchecked: the pointer is set once and unmapped in deinit; what it points to is touched by atomic operations
    // only, each checked to be aligned and inside.
    private let address: UnsafeMutableRawPointer
    private let length: Int
    private let path: FilePath
    private let isWritable: Bool

    init(address: UnsafeMutableRawPointer, length: Int, path: FilePath, isWritable: Bool) {
        self.address = address
        self.length = length
        self.path = path
        self.isWritable = isWritable
    }

    deinit {
        jp_unmap(address, length)
    }

    func reserve() throws(FileSystemError) {
        precondition(isWritable, "the page was mapped for reading")
        try check(jp_populate_shared(address, length), "reservation of the shared page", path)
    }

    func load64(at offset: Int) -> UInt64 {
        jp_load64_acquire(word(at: offset, size: 8))
    }

    func store64(_ value: UInt64, at offset: Int) {
        precondition(isWritable, "the page was mapped for reading")
        jp_store64_release(word(at: offset, size: 8), value)
    }

    func load32(at offset: Int) -> UInt32 {
        jp_load32_acquire(word(at: offset, size: 4))
    }

    func add32(_ value: UInt32, at offset: Int) -> UInt32 {
        precondition(isWritable, "the page was mapped for reading")
        return jp_add32(word(at: offset, size: 4), value)
    }

    func wait32(at offset: Int, while value: UInt32, timeoutMilliseconds: Int) {
        jp_wait32(word(at: offset, size: 4), value, Int64(timeoutMilliseconds))
    }

    func wakeAll(at offset: Int) {
        jp_wake_all(word(at: offset, size: 4))
    }

    private func word(at offset: Int, size: Int) -> UnsafeMutableRawPointer {
        // The sizes are powers of two. A division would take as long as all the rest of a load.
        precondition(
            offset >= 0 && offset <= length - size && offset & (size - 1) == 0, "not a word of the page")
        return address + offset
    }
}
