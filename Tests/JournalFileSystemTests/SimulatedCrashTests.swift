import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@Suite("After a power cut, the disk in memory")
struct SimulatedCrashTests {
    private func text(_ path: FilePath, in fileSystem: SimulatedDisk) -> String? {
        (try? fileSystem.contents(of: path)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("has of a file what was synced, with nothing or all of the rest")
    func contents() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.openFile("/a", .createNew)
        try fileSystem.syncDirectory("/")
        try file.write("synced")
        try file.syncData()
        try file.write("CHANGED and longer")
        #expect(text("/a", in: fileSystem.crash(keeping: .nothingUnsynced)) == "synced")
        #expect(text("/a", in: fileSystem.crash(keeping: .everything)) == "CHANGED and longer")
        #expect(text("/a", in: fileSystem) == "CHANGED and longer")
        try file.truncate(to: 2)
        #expect(text("/a", in: fileSystem.crash(keeping: .nothingUnsynced)) == "synced")
        try file.sync()
        #expect(text("/a", in: fileSystem.crash(keeping: .nothingUnsynced)) == "CH")
    }

    @Test("has no file whose directory was not synced, and an empty one whose contents were not")
    func entries() throws {
        let fileSystem = SimulatedDisk()
        try fileSystem.make("/entry only", "text")
        try fileSystem.syncDirectory("/")
        let file = try fileSystem.make("/contents only", "text")
        try file.sync()
        let after = fileSystem.crash(keeping: .nothingUnsynced)
        #expect(after.paths == ["/entry only"])
        #expect(text("/entry only", in: after) == "")
        #expect(fileSystem.crash(keeping: .everything).paths == ["/contents only", "/entry only"])
    }

    @Test("has a directory only with its own entry, and in it only the synced")
    func directories() throws {
        let fileSystem = SimulatedDisk()
        try fileSystem.createDirectory("/a")
        try fileSystem.createDirectory("/a/b")
        try fileSystem.make("/a/b/file", "text").sync()
        try fileSystem.syncDirectory("/a/b")
        #expect(try fileSystem.crash(keeping: .nothingUnsynced).names(inDirectory: "/") == [])
        try fileSystem.syncDirectory("/")
        #expect(try fileSystem.crash(keeping: .nothingUnsynced).names(inDirectory: "/a") == [])
        try fileSystem.syncDirectory("/a")
        #expect(text("/a/b/file", in: fileSystem.crash(keeping: .nothingUnsynced)) == "text")
    }

    @Test("has the old names when the directory was not synced after a rename or removal")
    func renames() throws {
        let fileSystem = SimulatedDisk()
        try fileSystem.make("/a", "old").sync()
        try fileSystem.make("/b", "other").sync()
        try fileSystem.syncDirectory("/")
        try fileSystem.make("/new", "new").sync()
        try fileSystem.rename("/new", to: "/a")
        try fileSystem.removeFile("/b")

        let before = fileSystem.crash(keeping: .nothingUnsynced)
        #expect(text("/a", in: before) == "old")
        #expect(text("/b", in: before) == "other")
        try fileSystem.syncDirectory("/")
        let after = fileSystem.crash(keeping: .nothingUnsynced)
        #expect(text("/a", in: after) == "new")
        #expect(after.paths == ["/a"])
    }

    @Test("does not show bytes that were cut off before a sync")
    func truncation() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a")
        try fileSystem.syncDirectory("/")
        try file.write([UInt8](repeating: 9, count: 10_000))
        try file.sync()
        try file.truncate(to: 100)
        try file.truncate(to: 10_000)
        try file.syncData()
        let expected = [UInt8](repeating: 9, count: 100) + [UInt8](repeating: 0, count: 9900)
        #expect(try fileSystem.durableContents(of: "/a") == expected)
        #expect(try fileSystem.crash(keeping: .nothingUnsynced).contents(of: "/a") == expected)
    }

    @Test("is another machine: what is done to one does not show in the other")
    func independence() throws {
        let fileSystem = SimulatedDisk(capacityBytes: 1 << 20)
        let file = try fileSystem.make("/a", "text")
        #expect(try file.lock(0..<1, .exclusive, wait: false))
        fileSystem.failNext(nil, with: .inputOutputError)
        for other in [fileSystem.crash(keeping: .everything), fileSystem.copy()] {
            #expect(other.calls == [])
            #expect(other.capacityBytes == 1 << 20)
            let opened = try other.openFile("/a", .readWrite)
            #expect(try opened.lock(0..<1, .exclusive, wait: false))
            try opened.write("TEXT")
            #expect(text("/a", in: fileSystem) == "text")
        }
        let rebooted = fileSystem.crash(keeping: .everything)
        #expect(!rebooted.isRunning(fileSystem.process))
        #expect(rebooted.isRunning(rebooted.process))
    }

    @Test("copied, loses no more than before")
    func copy() throws {
        let fileSystem = SimulatedDisk()
        let file = try fileSystem.make("/a", "synced")
        try file.sync()
        try fileSystem.syncDirectory("/")
        try file.write("SHOWN")
        let copy = fileSystem.copy()
        #expect(text("/a", in: copy) == "SHOWNd")
        #expect(text("/a", in: copy.crash(keeping: .nothingUnsynced)) == "synced")
    }

    @Test("can be had as after any call that was made")
    func history() throws {
        let fileSystem = SimulatedDisk()
        fileSystem.keepsHistory = true
        let file = try fileSystem.openFile("/a", .createNew)
        try fileSystem.syncDirectory("/")
        try file.write("one")
        try file.sync()
        try file.write("two")
        #expect(fileSystem.calls.map(\.operation) == [.openFile, .syncDirectory, .write, .sync, .write])
        let kept = fileSystem.calls.indices.map { index in
            text("/a", in: fileSystem.crash(afterCall: index, keeping: .nothingUnsynced))
        }
        #expect(kept == [nil, "", "", "one", "one"])
        let all = fileSystem.calls.indices.map { index in
            text("/a", in: fileSystem.crash(afterCall: index, keeping: .everything))
        }
        #expect(all == ["", "", "one", "one", "two"])
    }

    @Test("runs several processes, whose death drops their locks and nothing else")
    func processes() throws {
        let first = SimulatedDisk(pid: 7)
        let second = first.asProcess(pid: 8)
        #expect(first.pid == 7)
        #expect(first.isRunning(second.process))
        let file = try first.make("/lock", "text")
        let other = try second.openFile("/lock", .readWrite)
        #expect(try file.lock(0..<1, .exclusive, wait: false))
        #expect(try !other.lock(0..<1, .exclusive, wait: false))

        first.kill()
        #expect(!second.isRunning(first.process))
        #expect(try other.lock(0..<1, .exclusive, wait: false))
        #expect(text("/lock", in: second) == "text")
        #expect(errno { try file.write("x") } == .noSuchProcess)
        #expect(errno { _ = try first.openFile("/lock", .readOnly) } == .noSuchProcess)

        let again = second.asProcess(pid: 7)
        #expect(again.process != first.process)
        #expect(second.isRunning(again.process))
        #expect(!second.isRunning(first.process))
    }
}
