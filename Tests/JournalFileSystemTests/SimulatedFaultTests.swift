import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@Suite("The disk in memory can")
struct SimulatedFaultTests {
    @Test("make each call fail once, and change nothing", arguments: SimulatedDisk.Operation.allCases)
    func everyOperation(_ operation: SimulatedDisk.Operation) throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "text")
        let page = try file.mapSharedPage(length: 4, writable: true)
        let tries: [SimulatedDisk.Operation: () throws -> Void] = [
            .openFile: { _ = try fileSystem.openFile("/new", .createNew) },
            .status: { _ = try fileSystem.status(of: "/a") },
            .listDirectory: { _ = try fileSystem.names(inDirectory: "/") },
            .createDirectory: { try fileSystem.createDirectory("/d") },
            .rename: { try fileSystem.rename("/a", to: "/b") },
            .removeFile: { try fileSystem.removeFile("/a") },
            .syncDirectory: { try fileSystem.syncDirectory("/") },
            .volume: { _ = try fileSystem.volume(holding: "/") },
            .read: { _ = try file.read(1) },
            .write: { try file.write("TEXT") },
            .length: { _ = try file.length() },
            .allocate: { try file.allocate(0..<10_000) },
            .truncate: { try file.truncate(to: 1) },
            .syncData: { try file.syncData() },
            .sync: { try file.sync() },
            .lock: { _ = try file.lock(0..<1, .exclusive, wait: false) },
            .unlock: { try file.unlock(0..<1) },
            .testLock: { _ = try file.isLockedByOther(0..<1, .shared) },
            .mapPage: { _ = try file.mapSharedPage(length: 4, writable: true) },
            .reservePage: { try page.reserve() },
            .identity: { _ = try file.identity() },
            .linkCount: { _ = try file.linkedLength() },
        ]
        let body = try #require(tries[operation])
        fileSystem.resetCalls()
        fileSystem.failNext(operation, with: .inputOutputError)
        #expect(errno(body) == .ioError)
        #expect(fileSystem.paths == ["/a"])
        #expect(try fileSystem.contents(of: "/a") == Array("text".utf8))
        #expect(try fileSystem.durableContents(of: "/a") == [])
        #expect(errno(body) == nil, "only once")
        #expect(fileSystem.callCounts == [operation: 2])
        #expect(fileSystem.calls.map(\.error) == [.ioError, nil])
    }

    @Test("let some calls pass first, and choose by path")
    func chosenCalls() throws {
        let fileSystem = SimulatedDisk()
        let a = try fileSystem.make("/a", "text")
        let b = try fileSystem.make("/b", "text")
        fileSystem.fail(.write, at: "/a", afterCalls: 1, times: 2, with: .noSpace)
        #expect(errno { try a.write("1") } == nil)
        #expect(errno { try b.write("2") } == nil)
        #expect(errno { try a.write("3") } == .noSpace)
        #expect(errno { try b.write("4") } == nil)
        #expect(errno { try a.write("5") } == .noSpace)
        #expect(errno { try a.write("6") } == nil)

        fileSystem.fail(nil, afterCalls: 1, with: .init(.resourceBusy))
        #expect(errno { _ = try a.length() } == nil)
        #expect(errno { _ = try b.length() } == .resourceBusy)

        fileSystem.failNext(nil, with: .inputOutputError)
        fileSystem.cancelFaults()
        #expect(errno { _ = try b.length() } == nil)
    }

    @Test("write only a part")
    func shortWrite() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "text")
        fileSystem.failNext(.write, with: .shortWrite(bytes: 2))
        #expect(errno { try file.write("TEXT") } == .noSpace)
        #expect(try file.text() == "TExt")
        fileSystem.failNext(.write, with: .init(.ioError, bytesWritten: 100))
        #expect(errno { try file.write("TEXT") } == .ioError)
        #expect(try file.text() == "TEXT")
    }

    @Test("fail to sync, and then forget that it should have", arguments: [false, true])
    func failedSync(dataOnly: Bool) throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "before")
        try file.sync()
        try file.write("after!")
        fileSystem.failNext(dataOnly ? .syncData : .sync, with: .inputOutputError)
        #expect(errno { try dataOnly ? file.syncData() : file.sync() } == .ioError)
        #expect(try file.text() == "after!")
        #expect(try fileSystem.durableContents(of: "/a") == Array("before".utf8))
        // A second sync succeeds, and is a lie, as it is on Linux.
        try file.sync()
        #expect(try fileSystem.durableContents(of: "/a") == Array("before".utf8))
        try file.write("again!")
        try file.sync()
        #expect(try fileSystem.durableContents(of: "/a") == Array("again!".utf8))
    }

    @Test("be full")
    func capacity() throws {
        let page = 4096
        let fileSystem = SimulatedDisk(capacityBytes: UInt64(4 * page))
        let file = try fileSystem.make("/a", "text")
        #expect(fileSystem.usedBytes == 4096)
        #expect(try fileSystem.volume(holding: "/").freeBytes == UInt64(3 * page))

        #expect(errno { try file.allocate(0..<UInt64(5 * page)) } == .noSpace)
        #expect(try file.text() == "text", "an allocation that fails changes nothing")
        try file.allocate(0..<UInt64(2 * page))
        #expect(fileSystem.usedBytes == UInt64(2 * page))

        let other = try fileSystem.make("/b")
        let long = [UInt8](repeating: 1, count: 3 * page)
        #expect(errno { try other.write(long, at: 10) } == .noSpace)
        #expect(try other.length() == UInt64(2 * page), "as much as there was room for")
        #expect(try other.read(20_000).suffix(2 * page - 10) == long.prefix(2 * page - 10))

        #expect(errno { _ = try fileSystem.openFile("/c", .createNew) } == .noSpace)
        #expect(errno { try fileSystem.createDirectory("/d") } == .noSpace)
        try file.write(Array(long.prefix(2 * page)))
        #expect(errno { try file.write("x", at: UInt64(2 * page)) } == .noSpace)

        try fileSystem.removeFile("/b")
        #expect(fileSystem.usedBytes == UInt64(4 * page), "still open")
        other.close()
        #expect(fileSystem.usedBytes == UInt64(2 * page))
        fileSystem.capacityBytes = nil
        try file.write(long, at: 100_000)
    }

    @Test("be damaged from outside, durably and without a call")
    func damage() throws {
        let fileSystem = SimulatedDisk()
        try fileSystem.replaceContents(of: "/x/y/a", with: [1, 2, 3])
        try fileSystem.corrupt("/x/y/a", at: 1, xor: 0x80)
        try fileSystem.replaceContents(of: "/x/y/b", with: [4])
        try fileSystem.truncate("/x/y/b", to: 3)
        try fileSystem.replaceContents(of: "/x/y/c", with: [5])
        try fileSystem.remove("/x/y/c")
        #expect(fileSystem.calls == [])
        for disk in [fileSystem, fileSystem.crash(keeping: .nothingUnsynced)] {
            #expect(disk.paths == ["/x/y/a", "/x/y/b"])
            #expect(try disk.contents(of: "/x/y/a") == [1, 0x82, 3])
            #expect(try disk.contents(of: "/x/y/b") == [4, 0, 0])
        }
        try fileSystem.truncate("/x/y/a", to: 0)
        #expect(try fileSystem.contents(of: "/x/y/a") == [])
        #expect(errno { try fileSystem.corrupt("/x/y/a", at: 0, xor: 1) } == .invalidArgument)
        #expect(errno { try fileSystem.remove("/x/y/c") } == .noSuchFileOrDirectory)
        #expect(errno { _ = try fileSystem.contents(of: "/x") } == .isDirectory)
    }

    @Test("be read-only, or of a kind that cannot be trusted")
    func volumes() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "text")
        fileSystem.setVolume(name: "nfs", kind: .untrusted, isReadOnly: true)
        let volume = try fileSystem.volume(holding: "/a")
        #expect(volume.name == "nfs")
        #expect(volume.kind == .untrusted)
        #expect(volume.isReadOnly)
        #expect(errno { _ = try fileSystem.openFile("/a", .readWrite) } == .readOnlyFileSystem)
        #expect(errno { _ = try fileSystem.openFile("/b", .createIfMissing) } == .readOnlyFileSystem)
        #expect(errno { try file.write("x") } == .readOnlyFileSystem)
        #expect(errno { try fileSystem.removeFile("/a") } == .readOnlyFileSystem)
        #expect(try fileSystem.openFile("/a", .readOnly).text() == "text")
    }

    @Test("tell what was called")
    func log() throws {
        let fileSystem = SimulatedDisk(pid: 5)
        let file = try fileSystem.openFile("/a", .createNew)
        try file.write("text", at: 3)
        try fileSystem.rename("/a", to: "/b")
        #expect(
            fileSystem.calls == [
                .init(pid: 5, operation: .openFile, path: "/a"),
                .init(pid: 5, operation: .write, path: "/a", offset: 3, length: 4),
                .init(pid: 5, operation: .rename, path: "/a", newPath: "/b"),
            ])
        #expect(SimulatedDisk.Operation.write.changesDisk)
        #expect(!SimulatedDisk.Operation.read.changesDisk)
    }
}
