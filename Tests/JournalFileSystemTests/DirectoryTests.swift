import JournalFileSystem
import SystemPackage
import Testing

@Suite("Names and directories")
struct DirectoryTests {
    @Test("opening: what is there, what is not, what is a directory", arguments: Place.allCases)
    func openErrors(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = directory.appending("file")
            let folder = directory.appending("folder")
            let missing = directory.appending("missing")
            try fileSystem.make(file, "text")
            try fileSystem.createDirectory(folder)

            let table: [(FilePath, FileOpenMode, Errno?)] = [
                (missing, .readOnly, .noSuchFileOrDirectory),
                (missing, .readWrite, .noSuchFileOrDirectory),
                (missing.appending("x"), .createNew, .noSuchFileOrDirectory),
                (file.appending("x"), .readOnly, .notDirectory),
                (folder, .readOnly, .isDirectory),
                (folder, .readWrite, .isDirectory),
                (folder, .createIfMissing, .isDirectory),
                (folder, .createNew, .fileExists),
                (file, .createNew, .fileExists),
                (file, .readOnly, nil),
                (file, .readWrite, nil),
                (file, .createIfMissing, nil),
                (missing, .createIfMissing, nil),
            ]
            for (path, mode, expected) in table {
                let result = errno { _ = try fileSystem.openFile(path, mode) }
                #expect(result == expected, "\(path) \(mode)")
            }
            #expect(try fileSystem.openFile(file, .readOnly).text() == "text")
        }
    }

    @Test("status tells what is there", arguments: Place.allCases)
    func status(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("file")
            #expect(try fileSystem.status(of: path) == nil)
            #expect(try fileSystem.status(of: path.appending("missing")) == nil)
            try fileSystem.make(path, "12345")
            let status = try #require(try fileSystem.status(of: path))
            #expect(status.kind == .file)
            #expect(status.length == 5)
            #expect(status.modifiedMicroseconds > 0)
            #expect(try fileSystem.status(of: directory)?.kind == .directory)
            // Neither yes nor no: something is wrong with the path.
            #expect(errno { _ = try fileSystem.status(of: path.appending("x")) } == .notDirectory)
        }
    }

    @Test("a directory lists what is in it", arguments: Place.allCases)
    func names(_ place: Place) throws {
        try place.run { fileSystem, directory in
            #expect(try fileSystem.names(inDirectory: directory) == [])
            try fileSystem.make(directory.appending("b"))
            try fileSystem.make(directory.appending("é"))
            try fileSystem.createDirectory(directory.appending("a"))
            #expect(try fileSystem.names(inDirectory: directory).sorted() == ["a", "b", "é"])
            #expect(
                errno { _ = try fileSystem.names(inDirectory: directory.appending("x")) }
                    == .noSuchFileOrDirectory)
            #expect(
                errno { _ = try fileSystem.names(inDirectory: directory.appending("b")) } == .notDirectory)
        }
    }

    @Test("a directory is made once, and in one that is there", arguments: Place.allCases)
    func createDirectory(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("a")
            try fileSystem.createDirectory(path)
            #expect(errno { try fileSystem.createDirectory(path) } == .fileExists)
            #expect(
                errno { try fileSystem.createDirectory(directory.appending("x").appending("y")) }
                    == .noSuchFileOrDirectory)
            try fileSystem.syncDirectory(directory)
            #expect(
                errno { try fileSystem.syncDirectory(directory.appending("x")) } == .noSuchFileOrDirectory)
        }
    }

    @Test("renamed over another, the file is what the name then means", arguments: Place.allCases)
    func rename(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let new = directory.appending("new")
            let old = directory.appending("old")
            let replaced = try fileSystem.make(old, "old")
            let file = try fileSystem.make(new, "new")
            try fileSystem.rename(new, to: old)
            #expect(try fileSystem.names(inDirectory: directory) == ["old"])
            #expect(try fileSystem.openFile(old, .readOnly).text() == "new")
            #expect(try fileSystem.status(of: old)?.identity == file.identity())
            #expect(try replaced.text() == "old", "whoever has it open keeps it")
            #expect(errno { try fileSystem.rename(new, to: old) } == .noSuchFileOrDirectory)

            let folder = directory.appending("folder")
            try fileSystem.createDirectory(folder)
            #expect(errno { try fileSystem.rename(old, to: folder) } == .isDirectory)
            try fileSystem.rename(old, to: folder.appending("moved"))
            #expect(try fileSystem.names(inDirectory: directory) == ["folder"])
            #expect(try fileSystem.openFile(folder.appending("moved"), .readOnly).text() == "new")
        }
    }

    @Test("removed while open, a file lives until it is closed", arguments: Place.allCases)
    func remove(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("a")
            let file = try fileSystem.make(path, "text")
            try fileSystem.removeFile(path)
            #expect(try fileSystem.status(of: path) == nil)
            try file.write("more", at: 4)
            #expect(try file.text() == "textmore")
            #expect(errno { try fileSystem.removeFile(path) } == .noSuchFileOrDirectory)
            let again = try fileSystem.openFile(path, .createNew)
            #expect(try again.length() == 0)
            #expect(try again.identity() != file.identity())
            #expect(errno { try fileSystem.removeFile(directory) } != nil)
        }
    }

    @Test("a volume is known by its kind, and has room", arguments: Place.allCases)
    func volume(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let volume = try fileSystem.volume(holding: directory)
            #expect(!volume.name.isEmpty)
            #expect(volume.freeBytes > 0)
            #expect(!volume.isReadOnly)
            #expect(
                errno { _ = try fileSystem.volume(holding: directory.appending("x")) }
                    == .noSuchFileOrDirectory)
        }
    }
}
