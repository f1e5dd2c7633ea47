import Foundation
import JournalFileSystem
import SegmentLog
import SystemPackage
import Testing

/// The walk through a golden journal at the end of docs/format.md shows the bytes that are in its files.
struct WalkThroughTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func theBytesShownAreThoseOfTheFiles() throws {
        let text = try String(contentsOf: Self.root.appending(path: "docs/format.md"), encoding: .utf8)
        let start = try #require(text.range(of: "## A journal in bytes"))
        let lines = text[start.upperBound...].split(separator: "\n")
        let golden = try #require(lines.firstNonNil { Self.quoted($0, "Tests/") })
        let journal = Self.root.appending(path: golden)
        var payloads = try Self.payloads(of: journal)[...]
        var shown = Shown(name: "", bytes: [])
        var files: Set<String> = []

        for line in lines {
            if line.hasPrefix("`"), let file = Self.quoted(line, "log/") ?? Self.quoted(line, "lock") {
                shown.expectNothingHidden()
                shown = Shown(name: file, bytes: Array(try Data(contentsOf: journal.appending(path: file))))
                files.insert(file)
            } else if line.hasPrefix("The payload of the frame") {
                shown.expectNothingHidden()
                shown = Shown(name: "payload", bytes: payloads.popFirst() ?? [])
            } else if line.hasPrefix("    {\"checksum\"") {
                let identity = try Data(contentsOf: journal.appending(path: "journal.json"))
                #expect(String(decoding: identity, as: UTF8.self) == line.dropFirst(4) + "\n")
                files.insert("journal.json")
            } else if let (offset, bytes) = Self.hex(line) {
                shown.expect(bytes, at: offset)
            }
        }
        shown.expectNothingHidden()
        #expect(payloads.isEmpty, "a frame's payload is not shown")
        let segments = try FileManager.default.contentsOfDirectory(
            atPath: journal.appending(path: "log").path)
        #expect(files == Set(segments.map { "log/\($0)" } + ["journal.json", "lock"]))
    }

    /// The bytes of a file, and which of them the document shows.
    private struct Shown {
        let name: String
        let bytes: [UInt8]
        private var isShown: [Bool]

        init(name: String, bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
            isShown = Array(repeating: false, count: bytes.count)
        }

        mutating func expect(_ expected: [UInt8], at offset: Int) {
            let range = offset..<(offset + expected.count)
            guard range.upperBound <= bytes.count else {
                Issue.record("\(name) ends before offset \(range.upperBound)")
                return
            }
            #expect(Array(bytes[range]) == expected, "\(name), offset \(offset)")
            for index in range { isShown[index] = true }
        }

        /// Whatever is not shown is zero. Of `lock` the record alone is shown: the rest is of a host and a moment.
        func expectNothingHidden() {
            guard name != "lock" else { return }
            let hidden = bytes.indices.first { !isShown[$0] && bytes[$0] != 0 }
            #expect(hidden == nil, "\(name): offset \(hidden ?? 0) is not shown")
        }
    }

    /// What stands in backquotes, if it begins so.
    private static func quoted(_ line: Substring, _ prefix: String) -> String? {
        let parts = line.split(separator: "`", omittingEmptySubsequences: false)
        return parts.indices.firstNonNil { index in
            index % 2 == 1 && parts[index].hasPrefix(prefix) ? String(parts[index]) : nil
        }
    }

    /// `    00000008  01 00  text`: the offset and the bytes.
    private static func hex(_ line: Substring) -> (Int, [UInt8])? {
        guard line.hasPrefix("    "), let offset = Int(line.dropFirst(4).prefix(8), radix: 16) else {
            return nil
        }
        let field = line.dropFirst(14).prefix(47)
        return (offset, field.split(separator: " ").compactMap { UInt8($0, radix: 16) })
    }

    private static func payloads(of journal: URL) throws -> [[UInt8]] {
        var options = LogOptions(fileSystem: PosixFileSystem(), now: { 0 }, formatTime: { "\($0)" })
        options.access = .readOnly
        let log = try SegmentLog.open(FilePath(journal.path), options)
        let reader = log.reader(after: 0)
        var payloads: [[UInt8]] = []
        while try reader.next() != nil { payloads.append(Array(reader.payload)) }
        try log.close()
        return payloads
    }
}

extension Sequence {
    fileprivate func firstNonNil<Value>(_ transform: (Element) -> Value?) -> Value? {
        for element in self {
            if let value = transform(element) { return value }
        }
        return nil
    }
}
