import Foundation
import SystemPackage
import Testing

@testable import JournalFileSystem

@Suite("The real file system")
struct PosixTests {
    @Test("makes files and directories that only their owner can read")
    func permissions() throws {
        try withTemporaryDirectory { directory in
            let fileSystem = PosixFileSystem()
            let path = directory.appending("a")
            try fileSystem.make(path)
            func mode(_ path: FilePath) throws -> Int? {
                let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
                return (attributes[.posixPermissions] as? NSNumber)?.intValue
            }
            #expect(try mode(path) == 0o600)
            #expect(try mode(directory) == 0o700)
        }
    }

    @Test("tells that it may not", .disabled(if: isRoot, "root may do everything"))
    func accessDenied() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("a")
            let fileSystem = PosixFileSystem()
            try fileSystem.make(path)
            try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path.string)
            #expect(errno { _ = try fileSystem.openFile(path, .readOnly) } == .permissionDenied)
        }
    }

    /// In a process of its own: in this one other tests, which run at the same time, would get the number.
    @Test("does not take the number of a standard stream that is closed")
    func standardStreams() async {
        await #expect(processExitsWith: .success) {
            try withTemporaryDirectory { directory in
                close(0)
                let file = try PosixFileSystem().openPosixFile(directory.appending("a"), .createNew)
                let number = try file.descriptor.use("number", "a") { descriptor throws(FileSystemError) in
                    descriptor.rawValue
                }
                #expect(number > 2)
                try file.write("abc")
                #expect(try file.text() == "abc")
            }
        }
    }

    @Test("refuses what is neither file nor directory, and asks about what a link leads to")
    func otherKinds() throws {
        try withTemporaryDirectory { directory in
            let fileSystem = PosixFileSystem()
            #expect(errno { _ = try fileSystem.openFile("/dev/null", .readWrite) } == .invalidArgument)
            #expect(try fileSystem.status(of: "/dev/null")?.kind == .other)
            try fileSystem.make(directory.appending("a"), "text")
            let link = directory.appending("link")
            try FileManager.default.createSymbolicLink(atPath: link.string, withDestinationPath: "a")
            #expect(errno { _ = try fileSystem.openFile(link, .readOnly) } == .tooManySymbolicLinkLevels)
            #expect(try fileSystem.status(of: link)?.kind == .file)
        }
    }

    @Test("where blocks cannot be reserved, writes zeros behind what is there")
    func zerosInsteadOfBlocks() throws {
        try withTemporaryDirectory { directory in
            let file = try PosixFileSystem().openPosixFile(directory.appending("a"), .createNew)
            try file.write("abc")
            try file.extendWithZeros(to: 200_000)
            #expect(try file.read(300_000) == Array("abc".utf8) + [UInt8](repeating: 0, count: 199_997))
            try file.extendWithZeros(to: 10)
            #expect(try file.length() == 200_000)
        }
    }

    @Test("a descriptor stays open while a call uses it, and takes no more calls")
    func closingInsideUse() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("a")
            try PosixFileSystem().make(path, "right")
            let file = try PosixFileSystem().openPosixFile(path, .readOnly)
            let count = try file.descriptor.use("test", path) { descriptor throws(FileSystemError) in
                file.close()
                return withUnsafeTemporaryAllocation(byteCount: 5, alignment: 1) { buffer in
                    try? descriptor.read(fromAbsoluteOffset: 0, into: buffer)
                }
            }
            #expect(count == 5)
            #expect(errno { _ = try file.length() } == .badFileDescriptor)
        }
    }

    @Test("a file closed while others read it reads right or not at all")
    func closingInUse() throws {
        try withTemporaryDirectory { directory in
            let fileSystem = PosixFileSystem()
            let path = directory.appending("a")
            try fileSystem.make(path, "right")
            let wrong = directory.appending("b")
            try fileSystem.make(wrong, "wrong")
            let others = Monitor<Set<String>>([])
            for _ in 0..<200 {
                let file = try fileSystem.openFile(path, .readOnly)
                let reader = try spawnThread(name: "reader") {
                    while let text = try? file.text() {
                        others.withLock { _ = $0.insert(text) }
                    }
                }
                file.close()
                // Gets the number of the closed descriptor, if that was let go too early.
                _ = try? fileSystem.openFile(wrong, .readOnly).text()
                reader.join()
            }
            #expect(others.withLock { $0 }.isSubset(of: ["right"]))
        }
    }

    @Test("file systems are known by their magic numbers")
    func volumes() {
        let table: [(UInt64, String, Volume.Kind)] = [
            (0xEF53, "ext4", .local), (0x5846_5342, "xfs", .local), (0x0102_1994, "tmpfs", .memory),
            (0x794C_7630, "overlay", .containerLayer), (0x6969, "nfs", .untrusted),
            (0x6573_5546, "fuse", .untrusted), (0xFF53_4D42, "cifs", .untrusted),
            (0x1234, "unknown (0x1234)", .local),
        ]
        for (magic, name, kind) in table {
            let volume = Volume.identify(magic: magic, name: "")
            #expect(volume.name == name)
            #expect(volume.kind == kind)
        }
        #expect(Volume.identify(magic: 0, name: "apfs").kind == .local)
        #expect(Volume.identify(magic: 0, name: "smbfs").kind == .untrusted)
        #expect(Volume.identify(magic: 0, name: "new").name == "unknown (new)")
    }
}

@Suite("Processes")
struct ProcessTests {
    @Test("this one runs; one with another start time, of another boot, or no pid, does not")
    func running() {
        let fileSystem = PosixFileSystem()
        let process = fileSystem.process
        #expect(process.pid == ProcessInfo.processInfo.processIdentifier)
        #expect(fileSystem.processID == process.pid)
        #expect(process.startTime > 0)
        #expect(!process.host.isEmpty)
        #expect(!process.command.isEmpty)
        #expect(process.command.utf8.count <= 200)
        #expect(process.bootIdentity != 0)
        #expect(fileSystem.process == process)
        #expect(fileSystem.isRunning(process))

        var other = process
        other.startTime += 1
        #expect(!fileSystem.isRunning(other))
        other.startTime = 0
        #expect(fileSystem.isRunning(other), "not known when it started: the pid alone decides")
        other = process
        other.bootIdentity += 1
        #expect(!fileSystem.isRunning(other))
        other = process
        other.pid = 0
        #expect(!fileSystem.isRunning(other))
    }

    @Test("that has ended does not run")
    func ended() throws {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sh")
        child.arguments = ["-c", "exit 0"]
        try child.run()
        var identity = PosixFileSystem().process
        identity.pid = child.processIdentifier
        identity.startTime = 0
        child.waitUntilExit()
        #expect(!PosixFileSystem().isRunning(identity))
    }

    static let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"

    @Test(
        "are told apart by a line whose second field may hold anything",
        arguments: [
            ("1 (sh) S \(fields) 4711 7 8\n", ProcessStatus(hasEnded: false, startTime: 4711)),
            ("1 (a b) c) (d) Z \(fields) 12", ProcessStatus(hasEnded: true, startTime: 12)),
            ("1 () X \(fields) 18446744073709551615 1", ProcessStatus(hasEnded: true, startTime: .max)),
            ("1 () S \(fields) 18446744073709551620 1", nil),
            ("1 (sh) S 1 2 3", nil), ("1 (sh)", nil), ("", nil), (")", nil), (") ", nil), ("1 sh S", nil),
        ])
    func statLine(_ line: String, _ expected: ProcessStatus?) {
        #expect(ProcessStatus(parsing: Array(line.utf8).span) == expected)
    }

    @Test("show their command on one line")
    func command() {
        #expect(printable(Array("python\0agent.py\0--name\0a\nb\0".utf8)) == "python agent.py --name a b")
        #expect(printable([]) == "")
        #expect(printable([0xFF, 0x41]) == "\u{FFFD}A")
        let long = printable(Array(String(repeating: "é", count: 150).utf8))
        #expect(long == String(repeating: "é", count: 100))
        #expect(nonzeroHash([UInt8]().span) != 0)
        #expect(nonzeroHash(Array("a".utf8).span) != nonzeroHash(Array("b".utf8).span))
    }
}
