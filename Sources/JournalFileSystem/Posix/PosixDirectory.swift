import CJournalPOSIX
import SystemPackage

/// An open directory of the operating system.
final class PosixDirectory: Directory {
    private let path: FilePath
    private let descriptor: Monitor<FileDescriptor?>

    init(_ descriptor: FileDescriptor, path: FilePath) {
        self.descriptor = Monitor(descriptor)
        self.path = path
    }

    deinit { close() }

    func sync() throws(FileSystemError) {
        let number = descriptor.withLock { $0?.rawValue }
        guard let number else {
            throw FileSystemError(operation: "sync of directory", path: path, errno: .badFileDescriptor)
        }
        try check(jp_fsync(number), "sync of directory", path)
    }

    func close() {
        descriptor.withLock { open in
            if let number = open.take() { jp_close(number.rawValue) }
        }
    }
}
