import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

/// Where a behaviour is tried: the real file system, or the one in memory, which must not differ from it.
enum Place: CaseIterable, CustomTestStringConvertible {
    case posix, inMemory

    var testDescription: String { self == .posix ? "real" : "in memory" }

    /// Runs `body` in an empty directory.
    func run(_ body: (any FileSystem, FilePath) throws -> Void) throws {
        switch self {
        case .posix:
            try withTemporaryDirectory { try body(PosixFileSystem(), $0) }
        case .inMemory:
            let fileSystem = SimulatedDisk()
            try fileSystem.createDirectory("/test")
            try body(fileSystem, "/test")
        }
    }
}

/// Makes a directory, and removes it with all that is in it.
func withTemporaryDirectory(_ body: (FilePath) throws -> Void) throws {
    let fileSystem = PosixFileSystem()
    let number = UInt64.random(in: 0 ... .max)
    let directory = temporaryDirectory.appending("agent-journal-test-\(String(number, radix: 16))")
    try fileSystem.createDirectory(directory)
    defer { removeTree(directory) }
    try body(directory)
}

extension File {
    func write(_ text: String, at offset: UInt64 = 0) throws {
        try write(Array(text.utf8), at: offset)
    }

    func write(_ bytes: [UInt8], at offset: UInt64 = 0) throws {
        try bytes.withUnsafeBytes { try write($0, at: offset) }
    }

    func read(_ count: Int, at offset: UInt64 = 0) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        let read = try bytes.withUnsafeMutableBytes { try self.read(into: $0, at: offset) }
        return Array(bytes.prefix(read))
    }

    func text() throws -> String {
        String(decoding: try read(Int(length())), as: UTF8.self)
    }
}

extension FileSystem {
    /// Makes a file with that text.
    @discardableResult func make(_ path: FilePath, _ text: String = "") throws -> any File {
        let file = try openFile(path, .createIfMissing)
        try file.write(text)
        return file
    }
}

/// The errno that `body` fails with; nil when it does not fail.
func errno(_ body: () throws -> Void) -> Errno? {
    do {
        try body()
        return nil
    } catch let error as FileSystemError {
        return error.errno
    } catch {
        return error as? Errno
    }
}
