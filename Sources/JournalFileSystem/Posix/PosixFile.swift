import CJournalPOSIX
import SystemPackage

/// An open file of the operating system.
package final class PosixFile: File {
    let path: FilePath
    let descriptor: SharedDescriptor
    let isWritable: Bool
    /// What it was opened by: its path is opened once more where it is mapped.
    let fileSystem: PosixFileSystem

    /// Takes over a descriptor: this object closes it.
    init(_ descriptor: FileDescriptor, path: FilePath, isWritable: Bool, of fileSystem: PosixFileSystem) {
        self.fileSystem = fileSystem
        self.isWritable = isWritable
        self.descriptor = SharedDescriptor(descriptor)
        self.path = path
    }

    package func close() {
        descriptor.close()
    }

    // MARK: Reading and writing

    package func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(FileSystemError) -> Int {
        let start = try systemOffset(offset, "read", path)
        return try descriptor.use("read", path) { descriptor throws(FileSystemError) in
            var count = 0
            while count < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                let read = try systemCall("read", path) {
                    try descriptor.read(fromAbsoluteOffset: start + Int64(count), into: rest)
                }
                if read == 0 { break }
                count += read
            }
            return count
        }
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError) {
        let start = try systemOffset(offset, "write", path)
        try descriptor.use("write", path) { descriptor throws(FileSystemError) in
            var count = 0
            while count < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
                let written = try systemCall("write", path) {
                    try descriptor.write(toAbsoluteOffset: start + Int64(count), rest)
                }
                // Not an error by POSIX, but it would be asked for ever.
                if written == 0 {
                    throw FileSystemError(operation: "write", path: path, errno: .ioError)
                }
                count += written
            }
        }
    }

    // MARK: Length

    package func keepBlocksInPlace() {
        // Who cannot be asked writes as it does.
        try? descriptor.use("flags", path) { descriptor throws(FileSystemError) in
            jp_keep_blocks_in_place(descriptor.rawValue)
        }
    }

    package func length() throws(FileSystemError) -> UInt64 {
        try status("length").length
    }

    package func identity() throws(FileSystemError) -> FileIdentity {
        try status("identity").identity
    }

    package func linkedLength() throws(FileSystemError) -> UInt64? {
        try descriptor.use("link count", path) { descriptor throws(FileSystemError) in
            var (count, length): (UInt64, UInt64) = (0, 0)
            try check(jp_links_and_length(descriptor.rawValue, &count, &length), "link count", path)
            return count > 0 ? length : nil
        }
    }

    func status(_ operation: String) throws(FileSystemError) -> FileStatus {
        FileStatus(try systemStatus(operation))
    }

    func systemStatus(_ operation: String) throws(FileSystemError) -> jp_status {
        try descriptor.use(operation, path) { descriptor throws(FileSystemError) in
            var status = jp_status()
            try check(jp_status_of_file(descriptor.rawValue, &status), operation, path)
            return status
        }
    }

    package func truncate(to length: UInt64) throws(FileSystemError) {
        let end = try systemOffset(length, "truncate", path)
        try descriptor.use("truncate", path) { descriptor throws(FileSystemError) in
            try systemCall("truncate", path) { try descriptor.resize(to: end) }
        }
    }

    package func allocate(_ range: Range<UInt64>) throws(FileSystemError) {
        if range.isEmpty { return }
        let end = try systemOffset(range.upperBound, "allocate", path)
        let start = Int64(range.lowerBound)
        let result = try descriptor.use("allocate", path) { descriptor throws(FileSystemError) in
            jp_fallocate(descriptor.rawValue, start, end - start)
        }
        switch Errno(rawValue: result) {
        case .notSupportedOnSocket, .notSupported, .noFunction, .invalidArgument:
            try extendWithZeros(to: range.upperBound)
        default:
            try check(result, "allocate", path)
        }
    }

    /// Makes the file at least that long by writing zeros, for file systems that cannot reserve blocks.
    ///
    /// When the disk fills meanwhile, the file stays longer by some zeros: cutting them off could take with them
    /// what another process has written.
    func extendWithZeros(to end: UInt64) throws(FileSystemError) {
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var position = try length()
        while position < end {
            let count = Int(min(UInt64(zeros.count), end - position))
            try write(UnsafeRawBufferPointer(rebasing: zeros[..<count]), at: position)
            position += UInt64(count)
        }
    }

    // MARK: Durability

    package func syncData() throws(FileSystemError) {
        try descriptor.use("fdatasync", path) { descriptor throws(FileSystemError) in
            try check(jp_fdatasync(descriptor.rawValue), "fdatasync", path)
        }
    }

    package func sync() throws(FileSystemError) {
        try descriptor.use("fsync", path) { descriptor throws(FileSystemError) in
            try check(jp_fsync(descriptor.rawValue), "fsync", path)
        }
    }
}
