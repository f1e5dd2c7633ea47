import CBareZlib
import CLinux
import Glibc
import SystemPackage

/// The limit of one durable writer whose log is compressed and checked: a loop that deflates what the journal deflated, frame by
/// frame and with the search that most of them had, takes the checksums, writes and syncs, and does nothing else.
struct DeflatingLoop {
    /// How the journal has zlib search (docs/architecture.md, "Where this differs from the first design").
    enum Search {
        /// Memories that are committed alone.
        case full
        /// Those of four or more adders together.
        case short
        /// 32 or more short memories together.
        case shortest

        var level: Int32 { self == .full ? 8 : 2 }

        func tune(_ stream: inout z_stream) {
            switch self {
            case .full: deflateTune(&stream, 8, 32, 128, 128)
            case .short: deflateTune(&stream, 4, 258, 258, 24)
            case .shortest: deflateTune(&stream, 4, 8, 258, 8)
            }
        }
    }

    /// The raw payload of each frame.
    var payloads: [[UInt8]]
    /// How many memories they are.
    var count: Int
    var search: Search
    /// Whether other processes could have the file open: then each frame takes and leaves two locks, and it is looked whether the
    /// file and the one with the locks are still there.
    var isShared = false

    /// Writes all frames to a new file.
    func run(_ path: FilePath) async throws -> Sample {
        let writer = try DeflatingWriter(path, search, isShared: isShared)
        return try await Sample.measure(count) { for payload in payloads { try writer.commit(payload) } }
    }
}

/// A log of compressed and checked frames without anything else. Of one thread.
final class DeflatingWriter {
    private let search: DeflatingLoop.Search
    private let file: PreallocatedFile
    private let locks: PreallocatedFile?
    private var stream = z_stream()
    private var frame: [UInt8] = []
    /// What the present window was given.
    private var since = 0

    /// What a frame has beside its compressed payload.
    private static let headerLength = 32
    private static let restartBytes = 512 << 10

    /// Begins a new file.
    init(_ path: FilePath, _ search: DeflatingLoop.Search, isShared: Bool = false) throws {
        self.search = search
        file = try PreallocatedFile(path)
        locks = isShared ? try PreallocatedFile(FilePath(path.string + ".lock")) : nil
        guard
            deflateInit2_(
                &stream, search.level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, zlibVersion(),
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw UsageError("zlib could not begin") }
        search.tune(&stream)
    }

    deinit { deflateEnd(&stream) }

    /// Deflates, writes and syncs one frame.
    func commit(_ payload: [UInt8]) throws {
        if let locks {
            try Files.check(linux_lock(locks.descriptor, 0, 1), "lock", "the locks")
            try Files.check(linux_look(locks.descriptor), "stat", "the locks")
            try Files.check(linux_look(file.descriptor), "stat", "the file")
        }
        try write(payload)
        if let locks {
            try Files.check(linux_lock(locks.descriptor, 0, 0), "unlock", "the locks")
            try Files.check(linux_lock(locks.descriptor, 1, 1), "lock", "the locks")
        }
        try file.sync()
        if let locks { try Files.check(linux_lock(locks.descriptor, 1, 0), "unlock", "the locks") }
    }

    private func write(_ payload: [UInt8]) throws {
        if since >= DeflatingWriter.restartBytes {
            deflateReset(&stream)
            search.tune(&stream)
            since = 0
        }
        since += payload.count
        let room = DeflatingWriter.headerLength + Int(deflateBound(&stream, UInt(payload.count))) + 64
        if frame.count < room { frame = [UInt8](repeating: 0, count: 2 * room) }
        try frame.withUnsafeMutableBufferPointer { frame in
            payload.withUnsafeBufferPointer { payload in
                stream.next_in = UnsafeMutablePointer(mutating: payload.baseAddress)
                stream.avail_in = UInt32(payload.count)
                stream.next_out = frame.baseAddress! + DeflatingWriter.headerLength
                stream.avail_out = UInt32(frame.count - DeflatingWriter.headerLength)
                _ = deflate(&stream, Z_SYNC_FLUSH)
            }
            precondition(stream.avail_in == 0 && stream.avail_out > 0, "the payload was not deflated")
            let end = frame.count - Int(stream.avail_out) - 4
            var sums = [
                crc32_z(0, payload, payload.count),
                crc32_z(
                    0, frame.baseAddress! + DeflatingWriter.headerLength, end - DeflatingWriter.headerLength),
                UInt(end),
            ]
            sums.append(crc32_z(0, frame.baseAddress, DeflatingWriter.headerLength))
            let header = UnsafeMutableRawBufferPointer(
                start: frame.baseAddress, count: DeflatingWriter.headerLength)
            sums.withUnsafeBytes { header.copyMemory(from: $0) }
            try file.append(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(frame)[..<((end + 7) & ~7)]))
        }
    }
}
