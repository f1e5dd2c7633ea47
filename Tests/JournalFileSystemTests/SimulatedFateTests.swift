import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@Suite("What was not synced, each for itself")
struct SimulatedFateTests {
    private func text(_ path: FilePath, in fileSystem: SimulatedDisk) -> String? {
        (try? fileSystem.contents(of: path)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A file of sixteen synced bytes, eight of which are written over, and eight written behind.
    private func written() throws -> SimulatedDisk {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "0123456789abcdef")
        try file.sync()
        try fileSystem.syncDirectory("/")
        try file.write("ABCDEFGH", at: 8)
        try file.write("IJKLMNOP", at: 16)
        return fileSystem
    }

    @Test("bytes, lengths and names are changes of their own")
    func changes() throws {
        let fileSystem = try written()
        #expect(fileSystem.unsyncedChanges == ["8 bytes at offset 8", "length 24", "8 bytes at offset 16"])
        try fileSystem.openFile("/a", .readWrite).syncData()
        #expect(fileSystem.unsyncedChanges == [])
        try fileSystem.rename("/a", to: "/b")
        try fileSystem.removeFile("/b")
        #expect(fileSystem.unsyncedChanges == ["name b", "no a", "no b"])
        try fileSystem.syncDirectory("/")
        #expect(fileSystem.unsyncedChanges == [])
    }

    @Test(
        "a write is kept, lost, torn, or leaves zeros; a length without its bytes shows zeros",
        arguments: [
            ([.kept, .lost, .lost], "01234567ABCDEFGH"),
            ([.lost, .kept, .kept], "0123456789abcdefIJKLMNOP"),
            ([.lost, .lost, .kept], "0123456789abcdef"),
            ([.lost, .kept, .lost], "0123456789abcdef\0\0\0\0\0\0\0\0"),
            ([.front(3), .lost, .lost], "01234567ABCbcdef"),
            ([.back(3), .lost, .lost], "0123456789aDEFGH"),
            ([.zeros, .lost, .lost], "01234567\0\0\0\0\0\0\0\0"),
        ] as [([SimulatedDisk.Fate], String)])
    func fates(_ fates: [SimulatedDisk.Fate], _ expected: String) throws {
        let found = try written().crash(fates: fates)
        #expect(text("/a", in: found) == expected)
        #expect(found.unsyncedChanges == [])
        #expect(text("/a", in: found.crash(keeping: .nothingUnsynced)) == expected)
    }

    @Test("garbage is in the place of what was written, the same with the same seed")
    func garbage() throws {
        let fileSystem = try written()
        let found = try fileSystem.crash(fates: [.garbage(1), .lost, .lost]).contents(of: "/a")
        #expect(found.prefix(8) == Array("01234567".utf8)[...])
        #expect(found.suffix(8) != Array("89abcdef".utf8)[...])
        #expect(found == (try fileSystem.crash(fates: [.garbage(1), .lost, .lost]).contents(of: "/a")))
        #expect(found != (try fileSystem.crash(fates: [.garbage(2), .lost, .lost]).contents(of: "/a")))
    }

    @Test("a renaming can be there by half, and a creation lost that a later one outlasts")
    func names() throws {
        let fileSystem = SimulatedDisk()
        try fileSystem.make("/a", "text").sync()
        try fileSystem.syncDirectory("/")
        try fileSystem.rename("/a", to: "/b")
        try fileSystem.make("/c").sync()
        #expect(fileSystem.unsyncedChanges == ["name b", "no a", "name c"])
        #expect(fileSystem.crash(fates: [.kept, .lost, .lost]).paths == ["/a", "/b"])
        #expect(fileSystem.crash(fates: [.lost, .kept, .kept]).paths == ["/c"])
        #expect(text("/b", in: fileSystem.crash(fates: [.kept, .kept, .lost])) == "text")
    }

    @Test("what a failed sync should have written, no later sync writes; what came after it does")
    func failedSync() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "old.old.")
        try file.sync()
        try fileSystem.syncDirectory("/")
        try file.write("new.", at: 0)
        fileSystem.failNext(.syncData, with: .inputOutputError)
        #expect(throws: FileSystemError.self) { try file.syncData() }
        try file.write("NEW.", at: 4)
        try file.syncData()
        #expect(text("/a", in: fileSystem) == "new.NEW.")
        #expect(text("/a", in: fileSystem.crash(keeping: .nothingUnsynced)) == "old.NEW.")
        #expect(fileSystem.unsyncedChanges == ["4 bytes at offset 0"])
        #expect(text("/a", in: fileSystem.crash(fates: [.kept])) == "new.NEW.")
    }

    @Test("words of a mapped page count once a sector, with what was stored last")
    func words() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/page", String(repeating: "x", count: 64))
        try file.sync()
        try fileSystem.syncDirectory("/")
        let page = try file.mapSharedPage(length: 64, writable: true)
        for value in 1...5 as ClosedRange<UInt64> { page.store64(value, at: 8) }
        #expect(fileSystem.unsyncedChanges == ["64 bytes at offset 0"])
        let bytes = try fileSystem.crash(fates: [.kept]).contents(of: "/page")
        #expect(bytes[8..<16] == [5, 0, 0, 0, 0, 0, 0, 0])
    }
}
