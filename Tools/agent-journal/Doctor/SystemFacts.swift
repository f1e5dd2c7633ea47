#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
import AgentJournal
import JournalFileSystem
import SystemPackage

/// What `doctor` asks of the system besides the file system.
enum SystemFacts {
    /// Whether this is the inside of a container, as far as its usual marks tell.
    static var isContainer: Bool {
        if ["/.dockerenv", "/run/.containerenv"].contains(where: { (path: String) in access(path, F_OK) == 0 }
        ) {
            return true
        }
        // What systemd-nspawn, LXC, Podman and others say to the first process.
        if environmentValue("container") != nil || environmentValue("KUBERNETES_SERVICE_HOST") != nil {
            return true
        }
        return (try? PosixFileSystem().volume(holding: "/"))?.kind == .containerLayer
    }

    /// When the first process began, which in a container is when the container was started. Nil where there is no /proc.
    static var firstProcessStart: Timestamp? {
        guard let boot = field("btime", of: "/proc/stat"), let ticks = startTicks(of: "/proc/1/stat") else {
            return nil
        }
        let perSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
        guard perSecond > 0 else { return nil }
        return Timestamp(microsecondsSince1970: (boot + ticks / perSecond) * 1_000_000)
    }

    /// The 22nd field of a process's line; the second stands in parentheses and may hold anything.
    private static func startTicks(of path: String) -> Int64? {
        guard let text = small(path), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(separator: " ")
        return fields.count > 20 ? Int64(fields[20]) : nil
    }

    private static func field(_ name: String, of path: String) -> Int64? {
        small(path)?.split(separator: "\n").first { $0.hasPrefix(name + " ") }
            .flatMap { Int64($0.dropFirst(name.count + 1)) }
    }

    private static func small(_ path: String) -> String? {
        guard let source = try? FileSource(path, interruption: nil),
            let bytes = try? source.readAll(limit: 1 << 20)
        else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Owner and mode of a directory, and whether this process may write there.
    static func permissions(of path: FilePath) -> (
        mode: UInt32, owner: UInt32, isOwn: Bool, isWritable: Bool
    )? {
        var status = stat()
        guard path.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
        let isWritable = path.withPlatformString { access($0, W_OK | X_OK) } == 0
        return (UInt32(status.st_mode) & 0o7777, status.st_uid, status.st_uid == geteuid(), isWritable)
    }

    /// How long a sync of a few kilobytes takes there, in microseconds: the median and the longest of some. The file made
    /// for it is removed.
    static func syncMicroseconds(in directory: FilePath) throws -> (median: Int64, longest: Int64) {
        let fileSystem = PosixFileSystem()
        let path = directory.appending(".agent-journal-doctor-\(getpid())")
        let file = try fileSystem.openFile(path, .createNew)
        defer {
            file.close()
            try? fileSystem.removeFile(path)
        }
        let block = [UInt8](repeating: 0x5A, count: 4096)
        let rounds = 16
        try file.allocate(0..<UInt64(block.count * rounds))
        try file.sync()
        let clock = ContinuousClock()
        var times: [Int64] = []
        for round in 0..<rounds {
            try file.write(block, at: UInt64(round * block.count))
            let elapsed = try clock.measure { try file.syncData() }
            times.append(Int64(elapsed / .microseconds(1)))
        }
        times.sort()
        return (times[rounds / 2], times[rounds - 1])
    }
}
