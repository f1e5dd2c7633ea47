import Foundation
import JournalFileSystem
import SystemPackage
import Testing

@Suite("Files below a directory that no path leaves")
struct ConfinedTests {
    /// A directory `in` that is reached through a link `way`, and one beside it, `out`, with a file and a folder.
    private func run(_ body: (any FileSystem, _ inside: FilePath, _ outside: FilePath) throws -> Void) throws
    {
        try withTemporaryDirectory { directory in
            let plain = PosixFileSystem()
            let (inside, outside) = (directory.appending("in"), directory.appending("out"))
            for path in [inside, outside, inside.appending("folder"), outside.appending("folder")] {
                try plain.createDirectory(path)
            }
            for path in ["file", "folder/file"] { try plain.make(outside.appending(path), "precious") }
            let way = directory.appending("way")
            try link(way, "in")
            try body(plain.confined(to: way), way, outside)
            for path in ["file", "folder/file"] {
                #expect(try plain.openFile(outside.appending(path), .readOnly).text() == "precious")
            }
            #expect(Set(try plain.names(inDirectory: outside)) == ["file", "folder"])
            #expect(try plain.names(inDirectory: outside.appending("folder")) == ["file"])
        }
    }

    private func link(_ path: FilePath, _ target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path.string, withDestinationPath: target)
    }

    /// Every call about a path, each as a name and what it does.
    private func calls(_ fileSystem: any FileSystem, _ path: FilePath) -> [(String, () throws -> Void)] {
        [
            ("read", { _ = try fileSystem.openFile(path, .readOnly) }),
            ("write", { _ = try fileSystem.openFile(path, .readWrite) }),
            ("create", { _ = try fileSystem.openFile(path, .createIfMissing) }),
            ("create anew", { _ = try fileSystem.openFile(path, .createNew) }),
            ("list", { _ = try fileSystem.names(inDirectory: path) }),
            ("sync", { try fileSystem.syncDirectory(path) }),
        ]
    }

    @Test("the directory itself may be reached through a link, and all works in it")
    func throughALink() throws {
        try run { fileSystem, inside, _ in
            let file = inside.appending("folder/file")
            try fileSystem.make(file, "text")
            #expect(try fileSystem.openFile(file, .readOnly).text() == "text")
            #expect(try fileSystem.status(of: file)?.kind == .file)
            #expect(try fileSystem.status(of: inside)?.kind == .directory)
            try fileSystem.rename(file, to: inside.appending("other"))
            #expect(Set(try fileSystem.names(inDirectory: inside)) == ["folder", "other"])
            try fileSystem.removeFile(inside.appending("other"))
            try fileSystem.createDirectory(inside.appending("folder/deeper"))
            #expect(try fileSystem.names(inDirectory: inside.appending("folder")) == ["deeper"])
            try fileSystem.syncDirectory(inside)
            try fileSystem.syncDirectory(inside.appending("folder"))
        }
    }

    @Test(
        "a link to a file, to nothing, and to a directory: no call follows it",
        arguments: ["file", "folder", "nothing"])
    func lastName(_ target: String) throws {
        try run { fileSystem, inside, outside in
            let path = inside.appending("name")
            try link(path, outside.appending(target).string)
            #expect(try fileSystem.status(of: path)?.kind == .other)
            for (name, call) in calls(fileSystem, path) {
                let error = try #require(throws: FileSystemError.self, "\(name)") { try call() }
                if error.errno == .fileExists { continue }
                #expect(error.description.contains("\(path) is a symbolic link"), "\(name): \(error)")
            }
            // The link itself may go.
            try fileSystem.removeFile(path)
        }
    }

    @Test("a directory that is a link is not passed through")
    func onTheWay() throws {
        try run { fileSystem, inside, outside in
            let path = inside.appending("name")
            try link(path, outside.appending("folder").string)
            let file = path.appending("file")
            try fileSystem.make(inside.appending("mine"), "text")
            let others: [(String, () throws -> Void)] = [
                ("status", { _ = try fileSystem.status(of: file) }),
                ("remove", { try fileSystem.removeFile(file) }),
                ("rename from", { try fileSystem.rename(file, to: inside.appending("taken")) }),
                ("rename to", { try fileSystem.rename(inside.appending("mine"), to: file) }),
                ("make a directory", { try fileSystem.createDirectory(path.appending("made")) }),
            ]
            for (name, call) in calls(fileSystem, file) + others {
                let error = try #require(throws: FileSystemError.self, "\(name)") { try call() }
                // A rename names where it was from.
                if name == "rename to" { continue }
                #expect(error.description.contains("\(path) is a symbolic link"), "\(name): \(error)")
            }
            // Up and out is no way either.
            #expect(throws: FileSystemError.self) {
                _ = try fileSystem.openFile(inside.appending("folder/../../out/file"), .readOnly)
            }
        }
    }

    @Test("a file with a second name is refused, and one whose name is gone is not")
    func hardLinks() throws {
        try run { fileSystem, inside, outside in
            let path = inside.appending("name")
            try FileManager.default.linkItem(atPath: outside.appending("file").string, toPath: path.string)
            for mode in [FileOpenMode.readOnly, .readWrite, .createIfMissing] {
                let error = try #require(throws: FileSystemError.self) {
                    _ = try fileSystem.openFile(path, mode)
                }
                #expect(error.errno == .tooManyLinks)
                #expect(error.description.contains("has 2 names"))
            }
            try fileSystem.removeFile(path)
            let file = try fileSystem.make(path, "text")
            try fileSystem.removeFile(path)
            #expect(try file.text() == "text")
        }
    }

    @Test("a FIFO and a socket are refused at once, in every mode")
    func pipes() throws {
        try run { fileSystem, inside, _ in
            let (fifo, pipe) = (inside.appending("fifo"), inside.appending("socket"))
            #expect(mkfifo(fifo.string, 0o600) == 0)
            #expect(mknod(pipe.string, S_IFSOCK | 0o600, 0) == 0)
            for path in [fifo, pipe] {
                for mode in [FileOpenMode.readOnly, .readWrite, .createIfMissing] {
                    let error = try #require(throws: FileSystemError.self) {
                        _ = try fileSystem.openFile(path, mode)
                    }
                    #expect(error.description.contains("is no regular file"), "\(error)")
                }
                #expect(throws: FileSystemError.self) { _ = try fileSystem.names(inDirectory: path) }
            }
        }
    }

    /// Who it belongs to, and its permissions.
    private func owner(_ path: FilePath) -> [UInt32] {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { return [] }
        return [status.st_uid, status.st_gid, UInt32(status.st_mode) & 0o7777]
    }

    @Test(
        "what root makes belongs to the directory's owner",
        .enabled(if: isRoot, "only root may give files away"))
    func giving() throws {
        try withTemporaryDirectory { directory in
            #expect(chown(directory.string, 12345, 23456) == 0)
            let root = directory.appending("journal")
            let fileSystem = PosixFileSystem().confined(to: root)
            // The journal's directory: as the one above it.
            try fileSystem.createDirectory(root)
            #expect(owner(root) == [12345, 23456, 0o700])
            try fileSystem.createDirectory(root.appending("log"))
            try fileSystem.make(root.appending("lock"))
            try fileSystem.openFile(root.appending("log/a"), .createNew).close()
            #expect(owner(root.appending("log")) == [12345, 23456, 0o700])
            #expect(owner(root.appending("lock")) == [12345, 23456, 0o600])
            #expect(owner(root.appending("log/a")) == [12345, 23456, 0o600])
            // One that root made for itself once is given back.
            #expect(chown(root.appending("lock").string, 0, 0) == 0)
            try fileSystem.openFile(root.appending("lock"), .createIfMissing).close()
            #expect(owner(root.appending("lock")) == [12345, 23456, 0o600])
        }
    }

    @Test("in a directory that a group shares, files are shared; in one that all may read, they are not")
    func sharing() throws {
        try withTemporaryDirectory { root in
            let fileSystem = PosixFileSystem().confined(to: root)
            for (mode, file, folder) in [
                (0o755, 0o600, 0o700), (0o770, 0o660, 0o770), (0o750, 0o600, 0o700), (0o777, 0o666, 0o777),
                (0o1777, 0o660, 0o770),
            ] as [(mode_t, UInt32, UInt32)] {
                #expect(chmod(root.string, mode) == 0)
                let (path, directory) = (root.appending("f\(mode)"), root.appending("d\(mode)"))
                try fileSystem.make(path)
                try fileSystem.createDirectory(directory)
                #expect(owner(path).last == file, "\(String(mode, radix: 8))")
                #expect(owner(directory).last == folder, "\(String(mode, radix: 8))")
            }
        }
    }
}
