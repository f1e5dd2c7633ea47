import CLinux
import Glibc
import SystemPackage

/// A file that grows as a segment of the journal does: reserved ahead, small at first, then twice as large, at most 8 MiB more
/// at a time.
final class PreallocatedFile {
    let descriptor: Int32
    private let path: FilePath
    private var allocated = PreallocatedFile.firstBytes
    private var end = 0

    private static let firstBytes = 256 << 10
    private static let largestStepBytes = 8 << 20

    /// A new one.
    init(_ path: FilePath) throws {
        self.path = path
        descriptor = open(path.string, O_RDWR | O_CREAT | O_EXCL, 0o600)
        try Files.check(descriptor < 0 ? -1 : 0, "open", path)
        try Files.check(linux_fallocate(descriptor, 0, Int64(allocated)), "fallocate", path)
        try Files.check(fsync(descriptor), "fsync", path)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Writes at the end, with one write.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        if end + bytes.count > allocated {
            let step = min(allocated, PreallocatedFile.largestStepBytes)
            try Files.check(linux_fallocate(descriptor, Int64(allocated), Int64(step)), "fallocate", path)
            allocated += step
        }
        guard pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(end)) == bytes.count else {
            throw Files.Failure(operation: "pwrite", path: path.string, errno: errno)
        }
        end += bytes.count
    }

    func sync() throws { try Files.check(fdatasync(descriptor), "fdatasync", path) }
}
