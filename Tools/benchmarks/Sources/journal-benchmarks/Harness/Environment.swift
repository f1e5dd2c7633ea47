import AgentJournal
import CBareZlib
import CLinux
import CSQLite
import Glibc
import SystemPackage

/// What the figures were measured on.
struct Environment {
    let processor: String
    let cores: Int
    let memoryGiB: Int
    let kernel: String
    let fileSystem: String
    let syncMicroseconds: Double
    let sqlite = String(cString: sqlite3_libversion())
    let zlib = String(cString: zlibVersion())

    /// - Throws: `UsageError` on a file system in memory, where durable figures mean nothing.
    init(_ scratch: Scratch) throws {
        cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        memoryGiB = Int(
            (Double(sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))) / Double(1 << 30))
                .rounded())
        kernel = Environment.firstLine("/proc/sys/kernel/osrelease")
        processor = Environment.processorName()
        fileSystem = try Environment.fileSystem(of: scratch.directory)
        syncMicroseconds = try Environment.syncLatency(scratch)
    }

    var summary: String {
        "\(cores) cores (\(processor)), \(memoryGiB) GiB, Linux \(kernel), \(fileSystem), fdatasync of 4 KiB "
            + "\(syncMicroseconds.fixed(0)) µs (median), SQLite \(sqlite), Redis \(RedisServer.version), zlib \(zlib)"
    }

    var json: JSON {
        JSON([
            ("processor", JSON(processor)), ("cores", JSON(cores)), ("memory_gib", JSON(memoryGiB)),
            ("kernel", JSON(kernel)), ("file_system", JSON(fileSystem)),
            ("sync_microseconds", JSON(syncMicroseconds)), ("sqlite", JSON(sqlite)),
            ("redis", JSON(RedisServer.version)), ("zlib", JSON(zlib)),
        ])
    }

    static func firstLine(_ path: String) -> String {
        lines(path).first ?? "unknown"
    }

    private static func lines(_ path: String) -> [String] {
        // Files in /proc have no length to ask for.
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static func processorName() -> String {
        guard let line = lines("/proc/cpuinfo").first(where: { $0.hasPrefix("model name") }) else {
            return "unknown"
        }
        return String(line.drop { $0 != ":" }.dropFirst(2))
    }

    private static let names: [UInt32: String] = [
        0xEF53: "ext4", 0x5846_5342: "XFS", 0x9123_683E: "Btrfs", 0x2FC1_2FC1: "ZFS",
        0x794C_7630: "overlayfs",
    ]
    /// File systems in memory: a sync there does nothing.
    private static let inMemory: Set<UInt32> = [0x0102_1994, 0x8584_58F6]

    private static func fileSystem(of path: FilePath) throws -> String {
        var kind: UInt32 = 0
        try Files.check(linux_file_system(path.string, &kind), "statfs", path)
        guard !inMemory.contains(kind) else {
            throw UsageError(
                "\(path) is on a file system in memory, where nothing is durable; choose a --directory on a disk"
            )
        }
        return names[kind] ?? "file system 0x" + String(kind, radix: 16)
    }

    /// Waits, three minutes at most, while the disk is throttled: until most syncs take less than half a millisecond.
    static func waitForSteadySyncs(_ scratch: Scratch) async throws {
        for attempt in 0..<18 {
            if attempt > 0 { try await Task.sleep(for: .seconds(10)) }
            if try syncLatency(scratch) < 500 { return }
            scratch.say("waiting for the disk, which is throttled")
        }
    }

    /// Microseconds, the median.
    private static func syncLatency(_ scratch: Scratch) throws -> Double {
        let path = scratch.directory.appending("sync-latency")
        let descriptor = open(path.string, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        try Files.check(descriptor < 0 ? -1 : 0, "open", path)
        defer {
            close(descriptor)
            unlink(path.string)
        }
        let page = [UInt8](repeating: 0x5A, count: 4096)
        try Files.check(linux_fallocate(descriptor, 0, 1 << 20), "fallocate", path)
        try Files.check(fsync(descriptor), "fsync", path)
        let latencies = try (0..<200).map { index in
            let start = ContinuousClock.now
            guard pwrite(descriptor, page, page.count, index * page.count) == page.count else {
                throw Files.Failure(operation: "pwrite", path: path.string, errno: errno)
            }
            try Files.check(fdatasync(descriptor), "fdatasync", path)
            return (ContinuousClock.now - start).inSeconds * 1e6
        }
        return latencies.median
    }
}

/// Something that whoever called can put right.
struct UsageError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
