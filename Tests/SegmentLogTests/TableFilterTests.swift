import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("A table's filter of keys") struct TableFilterTests {
    private let journal = JournalUUID(high: 1, low: 2)
    private static let sections = [UInt8(ascii: "E"), UInt8(ascii: "K")]

    private func key(_ number: Int) -> [UInt8] { Array("Kconversation/\(number % 10)\0key-\(number)".utf8) }

    /// Keys in order, each with an empty value.
    private final class Keys: TableSource {
        private let keys: [[UInt8]]
        private var next = 0
        private var held = RawBuffer(capacity: 64)

        init(_ keys: [[UInt8]]) {
            self.keys = keys.sorted { $0.lexicographicallyPrecedes($1) }
            hold()
        }

        private func hold() {
            held.removeAll()
            if next < keys.count { keys[next].withUnsafeBytes { held.append($0) } }
        }
        var key: UnsafeRawBufferPointer? { next < keys.count ? held.bytes : nil }
        var operation: TableOperation { .put }
        var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
        func advance() throws(LogError) {
            next += 1
            hold()
        }
    }

    private func write(
        _ disk: SimulatedDisk, _ name: FilePath, salt: UInt32, base: TableReader? = nil, _ keys: [[UInt8]],
        isAnew: Bool = false, hasFilter: Bool = true
    ) throws -> TableReader {
        let writer = TableWriter(
            try disk.openFile(name, .createNew), journal: journal, sequence: 7, salt: salt, level: 1,
            blockBytes: { _ in 300 })
        if hasFilter {
            try writer.filter(Self.sections, upon: base, adding: keys.count, isAnew: isAnew)
        }
        try TableMerge.run(
            base.map { TableCursor($0, isCaching: false) }, Keys(keys), keepsDeletions: false,
            combine: { _, _, _ in nil }, into: writer)
        _ = try writer.finish(meta: Array("meta".utf8))
        return try open(disk, name)
    }

    private func open(_ disk: SimulatedDisk, _ name: FilePath) throws -> TableReader {
        try TableReader(
            try disk.openFile(name, .readOnly), path: name, journal: journal,
            cache: BlockCache(limit: 1 << 20))
    }

    private func mayHold(_ table: TableReader, _ key: [UInt8]) throws -> Bool {
        let filter = try #require(try table.loadFilter())
        return try key.withUnsafeBytes { try filter.mayHold($0, in: table) }
    }

    @Test("tells of nearly every key that is not there, and of none that is", arguments: [1, 100, 20_000])
    func tells(_ count: Int) throws {
        let table = try write(SimulatedDisk(), "/table", salt: 1, (0..<count).map(key))
        try table.verify()
        for number in 0..<count { #expect(try table.findFiltered(key(number)) != nil) }
        let taken = try (count..<(count + 20_000)).count { try mayHold(table, key($0)) }
        // One in seventy where it is full; that is one in thirty at the utmost.
        #expect(taken < 20_000 / 30)
        // Of other sections it says nothing.
        #expect(try mayHold(table, Array("Mother".utf8)))
    }

    @Test("goes on while it has room, and then begins anew")
    func grows() throws {
        let disk = SimulatedDisk()
        var table = try write(disk, "/0", salt: 1, (0..<1000).map(key))
        var lengths: Set<Int> = []
        for step in 1...10 {
            let new = ((step * 1000)..<((step + 1) * 1000)).map(key)
            table = try write(disk, FilePath("/\(step)"), salt: UInt32(step + 1), base: table, new)
            try table.verify()
            let filter = try #require(try table.loadFilter())
            #expect(filter.keys == (step + 1) * 1000)
            lengths.insert(try #require(try filter.builder(adding: 0, of: table)).bytes.count)
        }
        for number in 0..<11_000 { #expect(try table.findFiltered(key(number)) != nil) }
        let taken = try (11_000..<31_000).count { try mayHold(table, key($0)) }
        #expect(taken < 20_000 / 30)
        // It was gone on with, and grew.
        #expect((3...7).contains(lengths.count))
    }

    @Test("that a version without filters copied is passed over, and made anew")
    func isPassedOver() throws {
        let disk = SimulatedDisk()
        let table = try write(disk, "/first", salt: 1, (0..<500).map(key))
        // As such a version does: all entries are copied, and those of a new key are among them.
        var entries: [(key: [UInt8], value: [UInt8])] = [(key(500), [])]
        let cursor = TableCursor(table)
        try cursor.load()
        while let key = cursor.key {
            entries.append((Array(key), Array(cursor.value)))
            try cursor.advance()
        }
        let writer = TableWriter(
            try disk.openFile("/second", .createNew), journal: journal, sequence: 8, salt: 2, level: 1,
            blockBytes: { _ in 300 })
        for entry in entries.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            try entry.key.withUnsafeBytes { key in
                try entry.value.withUnsafeBytes { try writer.add(key, .put, $0) }
            }
        }
        _ = try writer.finish(meta: Array("meta".utf8))
        let copied = try open(disk, "/second")
        try copied.verify()
        #expect(try copied.loadFilter() == nil)
        #expect(try copied.findFiltered(key(500)) != nil)
        let third = try write(disk, "/third", salt: 3, base: copied, [key(501)])
        try third.verify()
        #expect(try #require(try third.loadFilter()).keys == 502)
        for number in 0...501 { #expect(try third.findFiltered(key(number)) != nil) }
    }

    @Test("holds nothing of keys that went")
    func forgets() throws {
        let disk = SimulatedDisk()
        let table = try write(disk, "/table", salt: 1, (0..<500).map(key))
        let again = try write(disk, "/again", salt: 2, base: table, [], isAnew: true)
        let kept = try #require(try again.loadFilter()?.builder(adding: 0, of: again))
        var expected = FilterBuilder(keys: 500)
        for number in 0..<500 { key(number).withUnsafeBytes { expected.insert($0) } }
        #expect(kept.bytes == expected.bytes)
    }

    @Test("that lacks a key, or is not what was written, is damage")
    func isChecked() throws {
        let disk = SimulatedDisk()
        var full = FilterBuilder(keys: 3)
        for number in 0..<3 { key(number).withUnsafeBytes { full.insert($0) } }
        var lacking = FilterBuilder(keys: 3)
        for number in 0..<2 { key(number).withUnsafeBytes { lacking.insert($0) } }
        func table(_ name: FilePath, _ entries: [(key: [UInt8], value: [UInt8])]) throws -> TableReader {
            let writer = TableWriter(
                try disk.openFile(name, .createNew), journal: journal, sequence: 8, salt: 2, level: 1,
                blockBytes: { _ in 300 })
            for entry in (0..<3).map({ (key: key($0), value: []) }) + entries {
                try entry.key.withUnsafeBytes { key in
                    try entry.value.withUnsafeBytes { try writer.add(key, .put, $0) }
                }
            }
            _ = try writer.finish(meta: [])
            return try open(disk, name)
        }
        func entries(_ filter: FilterBuilder, keys: UInt64) -> [(key: [UInt8], value: [UInt8])] {
            var found: [(key: [UInt8], value: [UInt8])] = []
            filter.forEachEntry(salt: 2, keys: keys, sections: Self.sections) {
                found.append(($0, Array($1)))
            }
            return found
        }
        let sound = entries(full, keys: 3)
        try table("/sound", sound).verify()
        let head = sound[0].value
        let damaged: [[(key: [UInt8], value: [UInt8])]] = [
            entries(lacking, keys: 3), entries(full, keys: 2), entries(full, keys: 1 << 40),
            // A page is missing, or short; lines or sections are.
            [sound[0]], [sound[0], (sound[1].key, Array(sound[1].value.dropLast()))],
            [(sound[0].key, Array(head[..<5]) + [0] + Array(head[6...])), sound[1]],
            [(sound[0].key, Array(head[..<5]) + [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x4B]), sound[1]],
            [(sound[0].key, Array(head[..<6])), sound[1]], [(sound[0].key, Array(head[..<4])), sound[1]],
        ]
        for (number, entries) in damaged.enumerated() {
            let table = try table(FilePath("/damaged-\(number)"), entries)
            let error = #expect(throws: LogError.self) { try table.verify() }
            #expect(error?.kind == .damaged, "table \(number)")
        }
    }
}
