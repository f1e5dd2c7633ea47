import AgentJournal
import Foundation
import JournalFileSystem
import Logging
import JournalTesting
import SegmentLog
import SystemPackage
import Testing

/// Journals that were written once and are kept as files: every later version must read them as they were meant.
///
/// Beside each `Golden/<name>/` stands `Golden/<name>.jsonl`, its export. Those named in `Recipe` are written the same
/// way each time, on a simulated disk. To write new ones, set `AGENT_JOURNAL_WRITE_GOLDEN` and run these tests; never
/// write over one that a release has read.
@Suite("Golden journals")
struct GoldenTests {
    static let golden = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    static let isWriting = ProcessInfo.processInfo.environment["AGENT_JOURNAL_WRITE_GOLDEN"] != nil

    enum Recipe: String, CaseIterable {
        /// Something of everything, in several segments, closed and reopened.
        case shapes
        /// The power went, everything written was kept, and the last commit is torn.
        case unclean
        /// The power went, everything written was kept, and it was opened again: the last commit, which nothing vouches
        /// for, stands in a new segment, and behind the end of the old one too.
        case recovered
        /// Something of everything, in several segments, of which all but the last are packed.
        case packed
        /// Something of everything, with a snapshot in the middle.
        case snapshot
        /// Compacted without history, then gone on: a snapshot, and the log behind it.
        case compacted
        /// What was forgotten is erased, and it went on.
        case erased
        /// A damaged frame took others with it, and it was repaired.
        case repaired

        private static let directory: FilePath = "/golden"

        /// The files, by their paths within the journal.
        func files() async throws -> [String: [UInt8]] {
            var disk = SimulatedDisk()
            var options = Journal.Options()
            options.fileSystem = disk
            // In one segment for the others, so that frames precede the torn one in it.
            let isClosed = self != .unclean && self != .recovered
            options.segmentBytes = isClosed ? 4096 : 1 << 20
            options.logger.logLevel = .critical
            options.compressionLevel = 6
            var writer = try await Shapes(seed: 2026, directory: Self.directory, options: options)
            for _ in 0..<14 { try await writer.step() }
            try await writer.reopen()
            if self == .snapshot { try await writer.journalForTesting.snapshot() }
            if self == .erased {
                try await writer.journalForTesting.conversation("emptied").add("gone", idempotencyKey: "gone")
                try await writer.journalForTesting.conversation("emptied").clear()
                try await writer.journalForTesting.compact(erasingForgotten: true)
            }
            if self == .compacted { try await writer.journalForTesting.compact(keepingHistory: .none) }
            for _ in 0..<10 { try await writer.step() }
            if isClosed {
                try await writer.close()
                if self == .packed { try Self.pack(disk) }
                if self == .repaired {
                    let segment = disk.paths.first { $0.string.hasSuffix(".segment") }!
                    try disk.corrupt(segment, at: 1600, xor: 1)
                    options.random = { 0x0123_4567_89AB_CDEF }
                    options.clock = { Timestamp("2027-01-01T00:00:00Z")! }
                    _ = try Journal.repair(at: Self.directory, options: options, dryRun: false)
                    for path in disk.paths where path.string.contains("/damaged/") { try disk.remove(path) }
                }
            } else {
                disk = disk.crash(keeping: .everything)
                try Self.cut(disk, torn: self == .unclean)
                if self == .recovered {
                    options.fileSystem = disk
                    options.random = { 0x0123_4567_89AB_CDEF }
                    options.clock = { Timestamp("2027-01-01T00:00:00Z")! }
                    try await Journal.open(at: Self.directory, options: options).close()
                }
                try await writer.close()
            }
            var files: [String: [UInt8]] = [:]
            for path in disk.paths {
                files[String(path.string.dropFirst(Self.directory.string.count + 1))] = try disk.contents(
                    of: path)
            }
            return files
        }

        /// Packs what can be packed.
        private static func pack(_ disk: SimulatedDisk) throws {
            var options = LogOptions(
                fileSystem: disk, now: { 1_800_000_000_000_000 }, formatTime: { "\($0)" })
            options.random = { 0x0123_4567_89AB_CDEF }
            let log = try SegmentLog.open(directory, options)
            for segment in try log.packPlan().segments { _ = try log.pack(segment.name) }
            try log.close()
        }

        /// Cuts the zeros behind the last segment's end off, and of the last frame one byte.
        private static func cut(_ disk: SimulatedDisk, torn: Bool) throws {
            let segment = disk.paths.last { $0.string.hasSuffix(".segment") }!
            let bytes = try disk.contents(of: segment)
            let end = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
            try disk.truncate(segment, to: torn ? end - 1 : (end + 7) & ~7)
        }
    }

    static var names: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: golden.path).filter { $0.hasSuffix(".jsonl") }
                .map { String($0.dropLast(6)) }.sorted()
        }
    }

    @Test("are read as they were when they were written")
    func read() async throws {
        let names = try Self.names
        #expect(Set(names).isSuperset(of: Recipe.allCases.map(\.rawValue)))
        for name in names {
            let journal = Self.golden.appending(path: name)
            var options = Journal.Options()
            options.access = .readOnly
            options.logger.logLevel = .critical
            let opened = try await Journal.open(at: FilePath(journal.path), create: .never, options: options)
            var export: [UInt8] = []
            try opened.view().export { export += $0 }
            try await opened.close()
            let recorded = [UInt8](try Data(contentsOf: Self.golden.appending(path: name + ".jsonl")))
            #expect(export == recorded, "\(name)")
            if FormatReader.isThere {
                #expect(try FormatReader.run("export", journal).output == recorded, "\(name)")
            }
        }
    }

    @Test(
        "are written the same way, byte for byte",
        .enabled(if: Zlib.isTheOne, "another zlib compresses otherwise"))
    func written() async throws {
        for recipe in Recipe.allCases {
            let journal = Self.golden.appending(path: recipe.rawValue)
            let files = try await recipe.files()
            if Self.isWriting { try await Self.write(files, recipe, to: journal) }
            let there = try FileManager.default.subpathsOfDirectory(atPath: journal.path)
            #expect(Set(there).subtracting(["log", "snapshots"]) == Set(files.keys), "\(recipe)")
            for (path, bytes) in files {
                var kept = [UInt8](try Data(contentsOf: journal.appending(path: path)))
                var bytes = bytes
                if path == LockFile.fileName {
                    // What processes share while it is open is nothing that a journal is read by.
                    kept = Array(kept[LockFile.markOffset..<LockFile.length])
                    bytes = Array(bytes[LockFile.markOffset..<LockFile.length])
                }
                #expect(kept == bytes, "\(recipe), \(path)")
            }
        }
    }

    private static func write(_ files: [String: [UInt8]], _ recipe: Recipe, to journal: URL) async throws {
        try? FileManager.default.removeItem(at: journal)
        for (path, bytes) in files {
            let file = journal.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        }
        // The recorded export is the independent reader's, not ours.
        let answer = try FormatReader.run("export", journal)
        #expect(answer.status == 0, "\(answer.message)")
        try Data(answer.output).write(to: golden.appending(path: recipe.rawValue + ".jsonl"))
    }
}

enum Zlib {
    /// Whether this machine's zlib deflates as the one did that the golden journals were written with.
    static let isTheOne: Bool = {
        var output = RawBuffer()
        let raw = (0..<20_000).map { UInt8(truncatingIfNeeded: ($0 * $0) >> 5) }
        raw.withUnsafeBytes { Deflater().compress($0, into: &output) }
        return Checksum.crc32(0, output.bytes) == crc
    }()

    static let crc: UInt32 = 0x2F5D_DAD3
}
