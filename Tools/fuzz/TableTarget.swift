import JournalFileSystem
import JournalTesting
import SystemPackage

@testable import SegmentLog

/// A table: blocks, indexes, root, footer.
struct TableTarget: Target {
    static let name = "table"
    private static let path: FilePath = "/table"

    struct Entry: Equatable {
        var key: [UInt8]
        var operation: TableOperation
        var value: [UInt8]
    }

    /// The first byte says what is repaired.
    func run(_ input: [UInt8]) throws {
        var (repair, bytes) = Repair.split(input)
        repair.table(&bytes)
        let disk = SimulatedDisk()
        try disk.replaceContents(of: TableTarget.path, with: bytes)
        do throws(LogError) {
            let table = try open(disk)
            let isSound = isSound(table)
            do throws(LogError) {
                let entries = try forward(table)
                if isSound { try check(table, entries, disk) }
            } catch {
                expect(!isSound, "a table that verifies can be read: \(error)")
                throw error
            }
        } catch {
            expect(error.kind == .damaged || error.kind == .unsupported, "damage is called that: \(error)")
        }
    }

    private func open(_ disk: SimulatedDisk) throws(LogError) -> TableReader {
        let file = try asLogError { () throws(FileSystemError) in
            try disk.openFile(TableTarget.path, .readOnly)
        }
        return try TableReader(
            file, path: TableTarget.path, journal: nil, cache: BlockCache(limit: 1 << 20))
    }

    private func isSound(_ table: TableReader) -> Bool {
        do throws(LogError) {
            try table.verify()
            return true
        } catch {
            expect(error.kind == .damaged, "damage is called that: \(error)")
            return false
        }
    }

    private func forward(_ table: TableReader) throws(LogError) -> [Entry] {
        let cursor = TableCursor(table)
        try cursor.load()
        var entries: [Entry] = []
        while let key = cursor.key {
            entries.append(Entry(key: Array(key), operation: cursor.operation, value: Array(cursor.value)))
            try cursor.advance()
            // Index entries of a crafted table may name one block again and again.
            if entries.count > 100_000 { break }
        }
        return entries
    }

    /// Of a table that verifies: all ways of reading it agree, and what is written from it is the same.
    private func check(_ table: TableReader, _ entries: [Entry], _ disk: SimulatedDisk) throws(LogError) {
        expectSame(UInt64(entries.count), table.entryCount, "entries counted")
        for (before, after) in zip(entries, entries.dropFirst()) {
            expect(before.key.lexicographicallyPrecedes(after.key), "keys are in order")
        }
        let cursor = TableCursor(table)
        if let last = entries.last { try cursor.seek(last.key + [0]) }
        expect(cursor.isAtEnd, "behind the last key is the end")
        var backward: [Entry] = []
        while try cursor.retreat() {
            backward.append(
                Entry(key: Array(cursor.key!), operation: cursor.operation, value: Array(cursor.value)))
        }
        expectSame(backward.reversed(), entries, "backward is forward reversed")
        for entry in entries {
            let found = try table.find(entry.key)
            expect(found.map { Array($0.value) } == entry.value, "each key is found")
            expect(try table.findFiltered(entry.key) != nil, "no filter hides it")
            expect(
                try table.find(entry.key + [0]) == nil || entries.contains { $0.key == entry.key + [0] },
                "no other is")
        }
        try checkWriting(table, entries)
    }

    private func checkWriting(_ table: TableReader, _ entries: [Entry]) throws(LogError) {
        let disk = SimulatedDisk()
        try asLogError { () throws(FileSystemError) in
            let file = try disk.openFile(TableTarget.path, .createNew)
            let writer = TableWriter(
                file, journal: table.journal, sequence: table.sequence, salt: 7, level: 1,
                blockBytes: { _ in 100 })
            for entry in entries {
                try entry.key.span.withUnsafeBytes { (key) throws(FileSystemError) in
                    try entry.value.span.withUnsafeBytes { (value) throws(FileSystemError) in
                        try writer.add(key, entry.operation, value)
                    }
                }
            }
            _ = try writer.finish(meta: table.meta)
        }
        let again = try open(disk)
        try again.verify()
        expectSame(try forward(again), entries, "a table written again")
        expectSame(again.meta, table.meta, "a meta block written again")
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = [:]
        for (name, blockBytes) in [("small-blocks", 60), ("one-block", 1 << 20)] {
            for level in [nil, 6] as [Int32?] {
                let bytes = try table(blockBytes, level)
                for repair in [Repair(), .all, .all.subtracting(.ends)] {
                    seeds["\(name)-\(level == nil ? "stored" : "deflated")-\(repair.rawValue)"] =
                        [repair.rawValue] + bytes
                }
            }
        }
        for repair in [Repair(), .all] {
            seeds["filter-\(repair.rawValue)"] = [repair.rawValue] + (try table(60, 6, hasFilter: true))
        }
        return seeds
    }

    private func table(_ blockBytes: Int, _ level: Int32?, hasFilter: Bool = false) throws -> [UInt8] {
        let disk = SimulatedDisk()
        let writer = TableWriter(
            try disk.openFile(TableTarget.path, .createNew), journal: JournalUUID(high: 1, low: 2),
            sequence: 7,
            salt: 99, level: level, blockBytes: { _ in blockBytes })
        if hasFilter { try writer.filter([UInt8(ascii: "C")], upon: nil, adding: 8) }
        for section in ["C", "M", "S"] {
            for number in 0..<8 {
                let key = Array("\(section)name/\(number)".utf8)
                let value = [UInt8](repeating: UInt8(number), count: number * 3)
                let operation: TableOperation = number == 5 ? .delete : .put
                try key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { try writer.add(key, operation, $0) }
                }
            }
        }
        _ = try writer.finish(meta: Array("meta".utf8))
        return try disk.contents(of: TableTarget.path)
    }
}
