import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("A table") struct TableTests {
    private let journal = JournalUUID(high: 1, low: 2)

    /// What a table says of a key.
    private enum Entry: Equatable {
        case put([UInt8])
        case delete
        case deletePrefix
    }

    private final class Model: TableSource {
        let entries: [(key: [UInt8], entry: Entry)]
        private var index = 0
        private var held = RawBuffer(capacity: 64)
        private var heldValue = RawBuffer(capacity: 64)

        init(_ entries: [[UInt8]: Entry]) {
            self.entries = entries.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
                ($0.key, $0.value)
            }
            hold()
        }

        private func hold() {
            held.removeAll()
            heldValue.removeAll()
            guard index < entries.count else { return }
            entries[index].key.withUnsafeBytes { held.append($0) }
            if case .put(let value) = entries[index].entry { value.withUnsafeBytes { heldValue.append($0) } }
        }

        var key: UnsafeRawBufferPointer? { index < entries.count ? held.bytes : nil }
        var value: UnsafeRawBufferPointer { heldValue.bytes }
        var operation: TableOperation {
            switch entries[index].entry {
            case .put: .put
            case .delete: .delete
            case .deletePrefix: .deletePrefix
            }
        }
        func advance() throws(LogError) {
            index += 1
            hold()
        }
    }

    /// A block of entries that share so many bytes with the key before, each with a value of one byte.
    private func crafted(_ entries: [(shared: UInt8, rest: String)]) -> TableBlock? {
        var raw = RawBuffer(capacity: 256)
        for entry in entries {
            let bytes = [entry.shared, UInt8(entry.rest.utf8.count), 1 << 2] + Array(entry.rest.utf8) + [7]
            bytes.withUnsafeBytes { raw.append($0) }
        }
        return TableBlock(raw, entryCount: entries.count)
    }

    @Test func keysOfABlockThatAreInOrderAreRead() throws {
        let block = try #require(crafted([(0, "ab"), (1, "c"), (0, "ad"), (2, "e"), (0, "b")]))
        let keys = (0..<block.count).map { String(decoding: block.key($0), as: UTF8.self) }
        #expect(keys == ["ab", "ac", "ad", "ade", "b"])
        #expect((0..<block.count).allSatisfy { Array(block.value($0)) == [7] })
    }

    @Test(
        "keys of a block that are not in order, or not there, are refused",
        arguments: [
            [(0, "ab"), (0, "ab")], [(0, "ab"), (2, "")], [(0, "b"), (0, "a")], [(0, "ab"), (1, "")],
            [(0, "ab"), (1, "a")], [(0, "ab"), (3, "c")], [(1, "a")], [(0, "")],
            [(0, "a"), (1, "b"), (1, "b")],
        ] as [[(UInt8, String)]])
    func keysOutOfOrderAreRefused(_ entries: [(UInt8, String)]) {
        #expect(crafted(entries.map { (shared: $0.0, rest: $0.1) }) == nil)
    }

    /// Keys of section `C` add up; of others the newer counts.
    private func combine(
        _ key: UnsafeRawBufferPointer, _ older: UnsafeRawBufferPointer, _ newer: UnsafeRawBufferPointer
    ) -> [UInt8]? {
        key[0] == UInt8(ascii: "C") ? [older[0] &+ newer[0]] : nil
    }

    private func write(
        _ disk: SimulatedDisk, _ name: String, base: TableCursor? = nil, _ changes: any TableSource,
        keepsDeletions: Bool = false, level: Int32? = 6, blockBytes: Int = 300
    ) throws -> TableReader {
        let path = FilePath("/" + name)
        let file = try disk.openFile(path, .createNew)
        let writer = TableWriter(
            file, journal: journal, sequence: 7, salt: 99, level: level, blockBytes: { _ in blockBytes })
        try TableMerge.run(base, changes, keepsDeletions: keepsDeletions, combine: combine, into: writer)
        let length = try writer.finish(meta: Array("meta".utf8))
        #expect(try file.length() == length)
        let table = try open(disk, name)
        try table.verify()
        return table
    }

    private func open(_ disk: SimulatedDisk, _ name: String, limit: Int = 1 << 20) throws -> TableReader {
        let path = FilePath("/" + name)
        return try TableReader(
            try disk.openFile(path, .readOnly), path: path, journal: journal, cache: BlockCache(limit: limit))
    }

    private func contents(_ table: TableReader) throws -> [[UInt8]: Entry] {
        var found: [[UInt8]: Entry] = [:]
        let cursor = TableCursor(table)
        try cursor.load()
        while let key = cursor.key {
            switch cursor.operation {
            case .put: found[Array(key)] = .put(Array(cursor.value))
            case .delete: found[Array(key)] = .delete
            case .deletePrefix: found[Array(key)] = .deletePrefix
            }
            try cursor.advance()
        }
        return found
    }

    private func entries(_ seed: UInt64, _ count: Int, deletions: Bool) -> [[UInt8]: Entry] {
        var random = SplitMix(seed)
        var found: [[UInt8]: Entry] = [:]
        for _ in 0..<count {
            let section = ["C", "M", "S"].randomElement(using: &random)!
            let name = Int.random(in: 0..<20, using: &random)
            let number = Int.random(in: 0..<200, using: &random)
            let key = Array("\(section)n\(name)/\(number)".utf8)
            switch Int.random(in: 0..<(deletions ? 10 : 6), using: &random) {
            case 6..<9 where section != "C": found[key] = .delete
            case 9 where section == "M": found[Array("Mn\(name)/".utf8)] = .deletePrefix
            default:
                found[key] = .put(
                    (0..<(section == "C" ? 1 : Int.random(in: 0..<60, using: &random))).map { _ in
                        UInt8.random(in: 0...255, using: &random)
                    })
            }
        }
        return found
    }

    /// What `newer` upon `older` gives.
    private func apply(_ newer: [[UInt8]: Entry], to older: [[UInt8]: Entry]) -> [[UInt8]: Entry] {
        var result = older
        for (prefix, entry) in newer where entry == .deletePrefix {
            result = result.filter { !$0.key.starts(with: prefix) }
        }
        for (key, entry) in newer {
            switch entry {
            case .put(let value):
                if key[0] == UInt8(ascii: "C"), case .put(let before) = result[key] {
                    result[key] = .put([before[0] &+ value[0]])
                } else {
                    result[key] = entry
                }
            case .delete: result[key] = nil
            case .deletePrefix: break
            }
        }
        return result
    }

    @Test(
        "gives back what was written, whole, by key, and in both directions", arguments: [nil, 6] as [Int32?])
    func roundTrip(level: Int32?) throws {
        let disk = SimulatedDisk()
        let model = entries(1, 3000, deletions: false)
        let table = try write(disk, "a", Model(model), level: level)
        #expect(try contents(table) == model)
        #expect(table.meta == Array("meta".utf8))
        #expect(table.sequence == 7 && table.entryCount == UInt64(model.count))
        for (key, entry) in model {
            #expect(try table.find(key).map { Entry.put(Array($0.value)) } == entry)
        }
        for missing in ["", "A", "Mn3/50x", "Zzz"] { #expect(try table.find(Array(missing.utf8)) == nil) }
        let sorted = model.keys.sorted { $0.lexicographicallyPrecedes($1) }
        let cursor = TableCursor(table)
        try cursor.seek(Array("~".utf8))
        #expect(cursor.isAtEnd)
        var backward: [[UInt8]] = []
        while try cursor.retreat() { backward.append(Array(cursor.key!)) }
        #expect(backward.reversed() == sorted)
        try cursor.seek(Array("Mn5/".utf8))
        #expect(Array(cursor.key!) == sorted.first { !$0.lexicographicallyPrecedes(Array("Mn5/".utf8)) })
    }

    @Test("merged with changes is what the changes give", arguments: 1...40)
    func merges(seed: UInt64) throws {
        let disk = SimulatedDisk()
        let base = entries(seed, [0, 5, 400, 2000][Int(seed % 4)], deletions: false)
        let older = entries(seed + 1000, [1, 30, 300][Int(seed % 3)], deletions: true)
        let newer = entries(seed + 2000, [1, 30, 300][Int(seed / 3 % 3)], deletions: true)
        let below = try write(disk, "base", Model(base))
        let run = try write(disk, "run", Model(older), keepsDeletions: true, level: nil)
        #expect(try contents(run) == older)
        let cursor = TableCursor(run)
        try cursor.load()
        let changes = try MergedSource([cursor, Model(newer)], combine: combine)
        let merged = try write(disk, "merged", base: TableCursor(below), changes)
        #expect(try contents(merged) == apply(newer, to: apply(older, to: base)))
    }

    @Test("is copied block by block where nothing changed")
    func copies() throws {
        let disk = SimulatedDisk()
        let base = entries(5, 3000, deletions: false)
        let below = try write(disk, "base", Model(base), blockBytes: 20_000)
        disk.resetCalls()
        let merged = try write(
            disk, "merged", base: TableCursor(below), Model([Array("Mn3/5".utf8): .put([1])]),
            blockBytes: 20_000)
        #expect(try contents(merged) == apply([Array("Mn3/5".utf8): .put([1])], to: base))
        // Compressed data that are the same in both files were copied: all but a few blocks.
        let (a, b) = (try disk.contents(of: "/base"), try disk.contents(of: "/merged"))
        var same = 0
        var offset = 0
        let piece = 64
        let pieces = Set(stride(from: 0, to: b.count - piece, by: 1).map { Array(b[$0..<($0 + piece)]) })
        while offset + piece < a.count {
            if pieces.contains(Array(a[offset..<(offset + piece)])) { same += piece }
            offset += piece
        }
        #expect(same * 10 > a.count * 5)
    }

    @Test("of nothing is a table too")
    func empty() throws {
        let disk = SimulatedDisk()
        let table = try write(disk, "a", Model([:]))
        #expect(try contents(table) == [:])
        #expect(try table.find([1]) == nil)
        #expect(try !TableCursor(table).retreat())
    }

    @Test("with any bit flipped, or cut anywhere, is found damaged")
    func damage() throws {
        let disk = SimulatedDisk()
        _ = try write(disk, "a", Model(entries(3, 60, deletions: false)))
        let bytes = try disk.contents(of: "/a")
        for bit in 0..<(bytes.count * 8) {
            // Reserved bytes of the header are under its checksum too, so every bit counts.
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            let found = logError {
                try disk.replaceContents(of: "/b", with: damaged)
                try open(disk, "b").verify()
            }
            #expect(found?.kind == .damaged, "bit \(bit)")
        }
        for length in 0..<bytes.count {
            try disk.replaceContents(of: "/b", with: Array(bytes[..<length]))
            #expect(logError { try open(disk, "b").verify() }?.kind == .damaged)
        }
    }

    @Test("keeps to the bound of its cache")
    func cache() throws {
        let disk = SimulatedDisk()
        let model = entries(1, 3000, deletions: false)
        _ = try write(disk, "a", Model(model))
        let cache = BlockCache(limit: 5000)
        let table = try TableReader(
            try disk.openFile("/a", .readOnly), path: "/a", journal: journal, cache: cache)
        for key in model.keys {
            #expect(try table.find(key) != nil)
            #expect(cache.bytes <= 5000)
        }
        #expect(cache.bytes > 2000)
        cache.drop(table.id)
        #expect(cache.bytes == 0)
    }
}
