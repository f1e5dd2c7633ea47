import JournalFileSystem
import SystemPackage
import Testing

@Suite("The shared page")
struct SharedPageTests {
    private func withTwoPages(
        _ place: Place, _ body: (any SharedPage, any SharedPage, any File) throws -> Void
    ) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("lock")
            let file = try fileSystem.make(path)
            try file.allocate(0..<4096)
            let other = try fileSystem.openFile(path, .readOnly)
            try body(
                file.mapSharedPage(length: 4096, writable: true),
                other.mapSharedPage(length: 4096, writable: false), file)
        }
    }

    @Test("shows in every mapping, and in the file, what one stores", arguments: Place.allCases)
    func visible(_ place: Place) throws {
        try withTwoPages(place) { page, other, file in
            #expect(other.load64(at: 0) == 0)
            try page.reserve()
            page.store64(0x0123_4567_89AB_CDEF, at: 8)
            #expect(other.load64(at: 8) == 0x0123_4567_89AB_CDEF)
            #expect(page.add32(5, at: 4088) == 5)
            #expect(page.add32(.max, at: 4088) == 4, "wraps")
            #expect(other.load32(at: 4088) == 4)
            #expect(other.load32(at: 4092) == 0)
            let expected = withUnsafeBytes(of: UInt64(0x0123_4567_89AB_CDEF)) { Array($0) }
            #expect(try file.read(8, at: 8) == expected)
            try file.write([1, 0, 0, 0, 0, 0, 0, 0], at: 16)
            #expect(other.load64(at: 16) == UInt64(littleEndian: 1))
        }
    }

    @Test("waiting ends when the word is another, at the wake, or with the time", arguments: Place.allCases)
    func waiting(_ place: Place) throws {
        try withTwoPages(place) { page, other, _ in
            other.wait32(at: 0, while: 1, timeoutMilliseconds: 600_000)
            other.wait32(at: 0, while: 0, timeoutMilliseconds: 1)
            other.wait32(at: 0, while: 0, timeoutMilliseconds: 0)
            other.wait32(at: 0, while: 0, timeoutMilliseconds: -5)

            let thread = try spawnThread(name: "waiter") {
                // Without the wake this would outlast every patience.
                while other.load32(at: 0) == 0 {
                    other.wait32(at: 0, while: 0, timeoutMilliseconds: 600_000)
                }
            }
            page.add32(1, at: 0)
            page.wakeAll(at: 0)
            thread.join()
        }
    }

    @Test("many threads add, none is lost", arguments: Place.allCases)
    func atomicAdds(_ place: Place) throws {
        try withTwoPages(place) { page, other, _ in
            let threads = try (0..<4).map { index in
                try spawnThread(name: "adder \(index)") {
                    for _ in 0..<1000 { page.add32(1, at: 64) }
                }
            }
            for thread in threads { thread.join() }
            #expect(other.load32(at: 64) == 4000)
        }
    }

    @Test("is not mapped where the file has no bytes", arguments: Place.allCases)
    func tooShort(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let file = try fileSystem.make(directory.appending("a"), "abc")
            #expect(errno { _ = try file.mapSharedPage(length: 4096, writable: true) } == .invalidArgument)
            #expect(errno { _ = try file.mapSharedPage(length: 0, writable: true) } == .invalidArgument)
        }
    }

    @Test("is not that of another file which has the name by now", arguments: Place.allCases)
    func replacedFile(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("lock")
            let file = try fileSystem.make(path, "12345678")
            try fileSystem.make(directory.appending("other"), "87654321")
            try fileSystem.rename(directory.appending("other"), to: path)
            #expect(errno { _ = try file.mapSharedPage(length: 8, writable: true) } == .staleNFSFileHandle)
            try fileSystem.removeFile(path)
            #expect(errno { _ = try file.mapSharedPage(length: 8, writable: true) } == .noSuchFileOrDirectory)
        }
    }
}
