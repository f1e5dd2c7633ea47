import Glibc
import SystemPackage

/// The memory store that one would make of a file: a line of JSON a message, appended and synced.
final class JSONLinesFile {
    static let settings = "O_APPEND, one write and one fsync an add"

    private let descriptor: Int32
    private let path: FilePath

    init(_ path: FilePath) throws {
        self.path = path
        descriptor = open(path.string, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0o600)
        try Files.check(descriptor < 0 ? -1 : 0, "open", path)
    }

    deinit { close(descriptor) }

    /// Appends lines; they are durable on return.
    func append(_ lines: some Sequence<Line>) throws {
        var bytes: [UInt8] = []
        for line in lines {
            bytes += line.text.utf8
            bytes.append(UInt8(ascii: "\n"))
        }
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Files.Failure(operation: "write", path: path.string, errno: errno)
        }
        try Files.check(fsync(descriptor), "fsync", path)
    }
}
