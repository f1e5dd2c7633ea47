import JournalFileSystem
import SystemPackage
import Testing

@Suite("A file")
struct FileTests {
    @Test("gives back what was written, anywhere", arguments: Place.allCases)
    func readsWhatWasWritten(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = try fileSystem.openFile(directory.appending("a"), .createNew)
            #expect(try file.length() == 0)
            #expect(try file.read(10) == [])
            try file.write("hello world")
            try file.write("W", at: 6)
            #expect(try file.text() == "hello World")
            #expect(try file.read(100, at: 6) == Array("World".utf8))
            #expect(try file.read(2, at: 3) == Array("lo".utf8))
            #expect(try file.read(5, at: 11) == [])
            #expect(try file.read(5, at: 1000) == [])
            #expect(try file.read(0) == [])
            try file.write([], at: 50)
            #expect(try file.length() == 11)
        }
    }

    @Test("has zeros where nothing was written", arguments: Place.allCases)
    func holesAreZeros(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = try fileSystem.openFile(directory.appending("a"), .createNew)
            let tail: [UInt8] = (0..<5000).map { UInt8(truncatingIfNeeded: $0 | 1) }
            try file.write(tail, at: 10_001)
            #expect(try file.length() == 15_001)
            #expect(try file.read(20_000) == [UInt8](repeating: 0, count: 10_001) + tail)
        }
    }

    @Test("allocated: is as long, reads zeros, keeps what was there", arguments: Place.allCases)
    func allocate(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("a")
            let file = try fileSystem.make(path, "abc")
            try file.allocate(0..<100_000)
            #expect(try file.length() == 100_000)
            #expect(try file.read(100_000) == Array("abc".utf8) + [UInt8](repeating: 0, count: 99_997))
            let status = try #require(try fileSystem.status(of: path))
            #expect(status.length == 100_000)
            #expect(status.allocatedBytes >= 100_000)
            try file.allocate(10..<20)
            try file.allocate(7..<7)
            #expect(try file.length() == 100_000)
        }
    }

    @Test("cut and grown again does not show what was cut off", arguments: Place.allCases)
    func truncate(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = try fileSystem.openFile(directory.appending("a"), .createNew)
            try file.write([UInt8](repeating: 7, count: 10_000))
            try file.truncate(to: 5000)
            #expect(try file.length() == 5000)
            try file.truncate(to: 9000)
            #expect(
                try file.read(10_000)
                    == [UInt8](repeating: 7, count: 5000) + [UInt8](repeating: 0, count: 4000))
            try file.sync()
            try file.syncData()
        }
    }

    @Test("opened twice is one file", arguments: Place.allCases)
    func openedTwice(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("a")
            let first = try fileSystem.make(path, "one")
            let second = try fileSystem.openFile(path, .readOnly)
            try first.write("two")
            #expect(try second.text() == "two")
            #expect(try first.identity() == second.identity())
            #expect(try fileSystem.status(of: path)?.identity == first.identity())
            let other = try fileSystem.make(directory.appending("b"))
            #expect(try other.identity() != first.identity())
            #expect(try first.linkedLength() == 3)
            try fileSystem.removeFile(path)
            #expect(try first.linkedLength() == nil && second.linkedLength() == nil)
            #expect(try other.linkedLength() == 0)
        }
    }

    @Test("closed refuses everything", arguments: Place.allCases)
    func closed(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = try fileSystem.make(directory.appending("a"), "text")
            file.close()
            file.close()
            #expect(errno { _ = try file.read(1) } == .badFileDescriptor)
            #expect(errno { try file.write("x") } == .badFileDescriptor)
            #expect(errno { try file.syncData() } == .badFileDescriptor)
            #expect(errno { _ = try file.length() } == .badFileDescriptor)
            #expect(errno { _ = try file.lock(0..<1, .shared, wait: false) } == .badFileDescriptor)
            #expect(errno { _ = try file.mapSharedPage(length: 1, writable: false) } == .badFileDescriptor)
        }
    }

    @Test("opened for reading cannot be changed", arguments: Place.allCases)
    func readOnly(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("a")
            try fileSystem.make(path, "text")
            let file = try fileSystem.openFile(path, .readOnly)
            #expect(errno { try file.write("x") } == .badFileDescriptor)
            #expect(errno { try file.allocate(0..<100) } == .badFileDescriptor)
            #expect(errno { try file.truncate(to: 0) } == .invalidArgument)
            #expect(errno { _ = try file.mapSharedPage(length: 4, writable: true) } == .permissionDenied)
            #expect(try file.text() == "text")
        }
    }

    @Test("refuses offsets that no file has", arguments: Place.allCases)
    func hugeOffsets(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = try fileSystem.make(directory.appending("a"))
            #expect(errno { try file.write("x", at: .max) } == .fileTooLarge)
            #expect(errno { _ = try file.read(1, at: .max) } == .fileTooLarge)
            #expect(errno { try file.truncate(to: .max) } == .fileTooLarge)
            #expect(errno { try file.allocate(0 ..< .max) } == .fileTooLarge)
        }
    }

    @Test("an error says what failed, on what, and why")
    func description() {
        let error = FileSystemError(operation: "fdatasync", path: "/journal/log/1", errno: .ioError)
        #expect(error.description == "fdatasync of /journal/log/1 failed: Input/output error")
    }
}
