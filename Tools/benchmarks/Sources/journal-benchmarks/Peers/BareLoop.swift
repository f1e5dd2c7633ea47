import CLinux
import Glibc
import SystemPackage

/// The limit of one durable writer: a loop that writes given bytes and syncs each piece, and does nothing else.
struct BareLoop {
    /// The pieces to be written, one after the other.
    var pieces: [[UInt8]]

    /// As a segment of the journal is: small at first, then twice as large, at most 8 MiB more at a time.
    private static let firstBytes = 256 << 10
    private static let largestStepBytes = 8 << 20

    /// Writes all pieces to a new file.
    func run(_ path: FilePath) async throws -> Sample {
        let descriptor = open(path.string, O_RDWR | O_CREAT | O_EXCL, 0o600)
        try Files.check(descriptor < 0 ? -1 : 0, "open", path)
        defer { close(descriptor) }
        var allocated = BareLoop.firstBytes
        try Files.check(linux_fallocate(descriptor, 0, Int64(allocated)), "fallocate", path)
        try Files.check(fsync(descriptor), "fsync", path)
        return try await Sample.measure(pieces.count) {
            var end = 0
            for piece in pieces {
                if end + piece.count > allocated {
                    let step = min(allocated, BareLoop.largestStepBytes)
                    try Files.check(
                        linux_fallocate(descriptor, Int64(allocated), Int64(step)), "fallocate", path)
                    allocated += step
                }
                guard pwrite(descriptor, piece, piece.count, end) == piece.count else {
                    throw Files.Failure(operation: "pwrite", path: path.string, errno: errno)
                }
                try Files.check(fdatasync(descriptor), "fdatasync", path)
                end += piece.count
            }
        }
    }
}
