import AgentJournal
import Foundation
import JournalFileSystem
import Logging
import SegmentLog
import Synchronization
import SystemPackage
import Testing

/// Journals of many shapes, written by this code and read by the independent reader in Python, which shares no code
/// with it: both must find the same memories, byte for byte.
@Suite("The independent reader", .enabled(if: FormatReader.isThere, "python3 is not there"))
struct FormatReaderTests {
    @Test("exports what this code exports", arguments: 0..<(Thoroughness.isExhaustive ? 24 : 4))
    func sameExport(seed: Int) async throws {
        try await withDirectory { root in
            let live = root.appending(path: "live")
            var writer = try await Shapes(seed: UInt64(seed), directory: live)
            // What a copy sees while it is written: nothing is closed, the last segment has its reserved tail.
            for round in 0..<3 {
                for _ in 0..<12 { try await writer.step() }
                let copy = root.appending(path: "open \(round)")
                try FileManager.default.copyItem(at: live, to: copy)
                try await Self.compare(copy, "open, round \(round)")
                let torn = root.appending(path: "torn \(round)")
                try FileManager.default.copyItem(at: copy, to: torn)
                try Self.tear(torn, &writer.random)
                try await Self.compare(torn, "torn, round \(round)")
                // Recovered: written again into a new segment, with what is beyond the old one's end left there.
                for directory in [copy, torn] {
                    try await Journal.open(at: FilePath(directory.path), options: Self.options()).close()
                    try await Self.compare(directory, "recovered, round \(round)")
                }
                if round == 1 { try await writer.reopen() }
            }
            try await writer.close()
            try await Self.compare(live, "closed")
            try Self.pack(live)
            try await Self.compare(live, "packed")
        }
    }

    @Test("names damage where this code does, and gives nothing")
    func sameDamage() async throws {
        try await withDirectory { root in
            let live = root.appending(path: "live")
            var writer = try await Shapes(seed: 99, directory: live)
            for _ in 0..<30 { try await writer.step() }
            try await writer.close()
            for round in 0..<(Thoroughness.isExhaustive ? 100 : 12) {
                if round == 6 { try Self.pack(live) }
                let copy = root.appending(path: "\(round)")
                try FileManager.default.copyItem(at: live, to: copy)
                let segments = try Self.segments(copy)
                let file = segments[Int(writer.random.next() % UInt64(segments.count))]
                var bytes = [UInt8](try Data(contentsOf: file))
                guard bytes.count > 1024 else { continue }
                let offset = 1024 + Int(writer.random.next() % UInt64(bytes.count - 1024))
                bytes[offset] ^= 1 << UInt8(round % 8)
                try Data(bytes).write(to: file)
                let own = await Self.export(copy)
                let other = try FormatReader.run("export", copy)
                switch own {
                case .success(let export):
                    #expect(other.status == 0 && other.output == export, "offset \(offset)")
                case .failure(let error):
                    #expect(error.code == .damaged)
                    #expect(other.status == 1 && other.output.isEmpty, "offset \(offset): \(other.message)")
                }
            }
        }
    }

    @Test(
        "exports what this code exports, from snapshots, with the history or without it",
        arguments: 0..<(Thoroughness.isExhaustive ? 24 : 4))
    func snapshots(seed: Int) async throws {
        try await withDirectory { root in
            let live = root.appending(path: "live")
            var writer = try await Shapes(seed: UInt64(300 + seed), directory: live)
            for round in 0..<8 {
                for _ in 0..<8 { try await writer.step() }
                let what: String
                switch (round + seed) % 4 {
                case 0:
                    what = "a snapshot"
                    try await writer.journalForTesting.snapshot()
                    for _ in 0..<3 { try await writer.step() }
                case 1:
                    what = "compacted"
                    try await writer.journalForTesting.compact(keepingHistory: .all)
                case 2:
                    what = "compacted by time"
                    try await writer.journalForTesting.compact(keepingHistory: .duration(.seconds(7_200)))
                    for _ in 0..<3 { try await writer.step() }
                default:
                    what = "the snapshot alone"
                    try await writer.journalForTesting.compact(keepingHistory: .none)
                }
                let copy = root.appending(path: "\(round)")
                try FileManager.default.copyItem(at: live, to: copy)
                try await Self.compare(copy, "\(what), round \(round)")
                // Without the snapshots there is the same or an error, never less.
                try FileManager.default.removeItem(at: copy.appending(path: "snapshots"))
                try await Self.compareOrRefuse(copy, "\(what), round \(round), no snapshots")
                if round % 3 == 2 { try await writer.reopen() }
            }
            try await writer.close()
            try await Self.compare(live, "closed")
        }
    }

    @Test("goes on from the older of two snapshots when the newer one is damaged")
    func damagedSnapshot() async throws {
        try await withDirectory { root in
            let live = root.appending(path: "live")
            var writer = try await Shapes(seed: 78, directory: live)
            for _ in 0..<20 { try await writer.step() }
            try await writer.journalForTesting.compact(keepingHistory: .none)
            for _ in 0..<20 { try await writer.step() }
            try await writer.journalForTesting.snapshot()
            for _ in 0..<5 { try await writer.step() }
            try await writer.close()
            let names = try Self.files(live, "snapshots").map(\.lastPathComponent)
            try #require(names.count == 2)
            let right = try await Self.export(live).get()
            let bytes = [UInt8](try Data(contentsOf: live.appending(path: "snapshots/\(names[1])")))
            for round in 0..<(Thoroughness.isExhaustive ? 200 : 6) {
                let copy = root.appending(path: "\(round)")
                try FileManager.default.copyItem(at: live, to: copy)
                let newest = copy.appending(path: "snapshots/\(names[1])")
                var changed = bytes
                let place = Int(writer.random.next() % UInt64(bytes.count))
                switch round % 3 {
                case 0: changed[place] ^= 1 << UInt8(round % 8)
                case 1: changed.removeLast(bytes.count - place)
                default: changed = Array(bytes[..<place]) + [0] + bytes[place...]
                }
                try Data(changed).write(to: newest)
                try await Self.compare(copy, "damaged at \(place)")
                #expect(try FormatReader.run("export", copy).output == right)
                try FileManager.default.removeItem(at: newest)
                try await Self.compare(copy, "removed")
                try Data(changed).write(to: copy.appending(path: "snapshots/\(names[0])"))
                try await Self.compareOrRefuse(copy, "none that can be read")
                #expect(try FormatReader.run("export", copy).status == 1)
                try FileManager.default.removeItem(at: copy)
            }
            // The log ends before the snapshot does.
            let short = root.appending(path: "short")
            try FileManager.default.copyItem(at: live, to: short)
            for segment in try Self.files(short, "log").dropFirst() {
                try FileManager.default.removeItem(at: segment)
            }
            try FileManager.default.removeItem(at: short.appending(path: "lock"))
            try await Self.compareOrRefuse(short, "short")
            #expect(try FormatReader.run("export", short).status == 1)
        }
    }

    @Test("finds what this code finds, whatever file of a journal with snapshots is damaged")
    func sameDamageWithSnapshots() async throws {
        try await withDirectory { root in
            let live = root.appending(path: "live")
            var writer = try await Shapes(seed: 80, directory: live)
            for _ in 0..<20 { try await writer.step() }
            try await writer.journalForTesting.compact(keepingHistory: .none)
            for _ in 0..<10 { try await writer.step() }
            try await writer.journalForTesting.snapshot()
            for _ in 0..<10 { try await writer.step() }
            try await writer.close()
            let right = try await Self.export(live).get()
            for round in 0..<(Thoroughness.isExhaustive ? 200 : 12) {
                let copy = root.appending(path: "\(round)")
                try FileManager.default.copyItem(at: live, to: copy)
                let files = try Self.files(copy, "log") + Self.files(copy, "snapshots")
                let file = writer.random.pick(files)
                var bytes = [UInt8](try Data(contentsOf: file))
                let offset = Int(writer.random.next() % UInt64(bytes.count))
                bytes[offset] ^= 1 << UInt8(round % 8)
                try Data(bytes).write(to: file)
                let other = try FormatReader.run("export", copy)
                switch await Self.export(copy) {
                case .success(let export):
                    // The reader reads more: all of a snapshot, and a segment from its beginning.
                    #expect(
                        other.status == 1 ? other.output.isEmpty : other.output == export, "\(file) \(offset)"
                    )
                    #expect(export == right || file.path.contains("/log/"), "\(file) \(offset)")
                case .failure(let error):
                    #expect(error.code == .damaged, "\(file) \(offset): \(error)")
                    #expect(other.status == 1 && other.output.isEmpty, "\(file) \(offset): \(error)")
                }
                try FileManager.default.removeItem(at: copy)
            }
        }
    }

    private static func pack(_ directory: URL) throws {
        let options = LogOptions(fileSystem: PosixFileSystem(), now: { 0 }, formatTime: { "\($0)" })
        let log = try SegmentLog.open(FilePath(directory.path), options)
        for segment in try log.packPlan().segments { _ = try log.pack(segment.name) }
        try log.close()
    }

    // MARK: Comparing

    private static func options() -> Journal.Options {
        var options = Journal.Options()
        options.logger.logLevel = .critical
        options.segmentBytes = 4096
        return options
    }

    private static func compare(_ directory: URL, _ what: String) async throws {
        let own = try await export(directory).get()
        let other = try FormatReader.run("export", directory)
        #expect(other.status == 0, "\(what): \(other.message)")
        #expect(other.output == own, "\(what): \(other.output.count) bytes, \(own.count) here")
    }

    /// Both export the same, or both find damage.
    private static func compareOrRefuse(_ directory: URL, _ what: String) async throws {
        switch await export(directory) {
        case .success: try await compare(directory, what)
        case .failure(let error):
            #expect(error.code == .damaged, "\(what)")
            let other = try FormatReader.run("export", directory)
            #expect(other.status == 1 && other.output.isEmpty, "\(what): \(other.message)")
        }
    }

    private static func export(_ directory: URL) async -> Result<[UInt8], JournalError> {
        var options = options()
        options.access = .readOnly
        do throws(JournalError) {
            let journal = try await Journal.open(at: FilePath(directory.path), options: options)
            var bytes: [UInt8] = []
            let view = try journal.view()
            do {
                try view.export { bytes += $0 }
            } catch {
                guard let error = error as? JournalError else { throw JournalError(.system, "\(error)") }
                throw error
            }
            try await journal.close()
            return .success(bytes)
        } catch {
            return .failure(error)
        }
    }

    private static func segments(_ directory: URL) throws -> [URL] { try files(directory, "log") }

    private static func files(_ directory: URL, _ name: String) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: directory.appending(path: name), includingPropertiesForKeys: nil
        )
        .sorted { $0.path < $1.path }
    }

    /// Tears the last commit: cuts it, or loses its beginning, its end, or one bit.
    private static func tear(_ directory: URL, _ random: inout Random) throws {
        let file = try #require(try segments(directory).last)
        var options = LogOptions(fileSystem: PosixFileSystem(), now: { 0 }, formatTime: { "\($0)" })
        options.access = .readOnly
        let log = try SegmentLog.open(FilePath(directory.path), options)
        let reader = log.reader(after: 0)
        var last: FrameCursor.Frame?
        while let frame = try reader.next() {
            if reader.path?.lastComponent?.string == file.lastPathComponent { last = frame }
        }
        try log.close()
        guard let last else { return }
        var bytes = [UInt8](try Data(contentsOf: file))
        let range = Int(last.offset)..<Int(last.offset) + FrameHeader.length + Int(last.header.storedLength)
        let place = range.lowerBound + Int(random.next() % UInt64(range.count))
        switch random.next() % 4 {
        case 0: bytes.removeLast(bytes.count - place)
        case 1: bytes.replaceSubrange(place..<bytes.count, with: repeatElement(0, count: bytes.count - place))
        case 2:
            bytes.replaceSubrange(
                range.lowerBound...place, with: repeatElement(0, count: place + 1 - range.lowerBound))
        default: bytes[place] ^= 1
        }
        try Data(bytes).write(to: file)
    }

    private func withDirectory(_ body: (URL) async throws -> Void) async throws {
        let root = FileManager.default.temporaryDirectory.appending(
            path: "agent-journal-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        try await body(root)
    }
}

/// Runs the reader.
enum FormatReader {
    static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Tools/format-reader/format_reader.py")

    static let isThere = (try? run(["-c", "pass"]).status) == 0

    struct Answer {
        var status: Int32
        var output: [UInt8]
        var message: String
    }

    static func run(_ command: String, _ directory: URL) throws -> Answer {
        try run([script.path, command, directory.path])
    }

    /// Random payloads, each with what the reader says of it; random_payloads.py says how.
    static func randomPayloads(_ count: Int, seed: Int) throws -> Answer {
        let program = script.deletingLastPathComponent().appending(path: "random_payloads.py")
        return try run([program.path, "\(count)", "\(seed)"])
    }

    private static func run(_ arguments: [String]) throws -> Answer {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        let output = Pipe()
        let errors = FileManager.default.temporaryDirectory.appending(
            path: "agent-journal-\(UUID().uuidString)")
        _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: errors) }
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        let message = String(decoding: try Data(contentsOf: errors), as: UTF8.self)
        return Answer(status: process.terminationStatus, output: bytes, message: message)
    }
}
