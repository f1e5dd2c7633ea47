package import JournalFileSystem
import Synchronization
package import SystemPackage

/// A table that is read: its footer, root and meta block are in memory, everything else is read when asked for.
package final class TableReader: Sendable {
    package let path: FilePath
    private let file: any File
    private let header: TableHeader
    private let footer: TableFooter
    private let cache: BlockCache
    /// Tells its blocks from another table's in the cache.
    let id = TableReader.ids.add(1, ordering: .relaxed).newValue
    private static let ids = Atomic<UInt64>(0)
    let root: TableBlock
    /// What its writer noted for the whole.
    package let meta: [UInt8]
    /// The file's length in bytes.
    package let length: UInt64
    /// Its filter, once it was asked for; nil inside when it has none.
    private let filter = Monitor<TableFilter??>(nil)
    /// A block that says that it is longer, raw, is damage: what it says is not believed before memory is taken for it.
    private let maximumBlockBytes: Int

    /// The journal that it belongs to.
    package var journal: JournalUUID { header.journal }
    /// The last event that it covers.
    package var sequence: UInt64 { header.sequence }
    package var entryCount: UInt64 { footer.entryCount }
    var salt: UInt32 { header.salt }

    /// Reads header, footer, root and meta block.
    ///
    /// - Throws: `damaged` when they are not what was written, or belong to another journal; `unsupported`; `system`.
    /// - Complexity: four small reads, whatever the table's size.
    package init(
        _ file: any File, path: FilePath, journal: JournalUUID?, cache: BlockCache,
        maximumBlockBytes: Int = TableFormat.maximumBlockBytes
    ) throws(LogError) {
        self.maximumBlockBytes = maximumBlockBytes
        self.file = file
        self.path = path
        self.cache = cache
        length = try asLogError { () throws(FileSystemError) in try file.length() }
        let start = try TableReader.reading(path, 0) { () throws(FileSystemError) in
            try file.read(TableFormat.headerLength, at: 0)
        }
        do throws(TableHeader.Problem) {
            header = try start.span.withUnsafeBytes { (bytes) throws(TableHeader.Problem) in
                try TableHeader(bytes)
            }
        } catch {
            switch error {
            case .damaged: throw TableReader.damage(path, 0, "the header is not what was written")
            case .newer:
                throw LogError(
                    .unsupported, "\(path) was written by a newer version of AgentJournal; use that",
                    path: path)
            }
        }
        guard journal == nil || header.journal == journal else {
            throw TableReader.damage(path, 16, "it belongs to another journal, \(header.journal)")
        }
        let fixed = UInt64(TableFormat.headerLength + TableFormat.footerLength)
        guard length >= fixed else { throw TableReader.damage(path, length, "the file is cut off") }
        let footerOffset = length - UInt64(TableFormat.footerLength)
        let end = try TableReader.reading(path, footerOffset) { () throws(FileSystemError) in
            try file.read(TableFormat.footerLength, at: footerOffset)
        }
        guard let footer = end.withUnsafeBytes({ TableFooter($0) }), footer.salt == header.salt,
            footer.sequence == header.sequence
        else { throw TableReader.damage(path, footerOffset, "the footer is not what was written") }
        self.footer = footer
        let salt = header.salt
        root = try TableReader.load(
            footer.root, .root, file, path, salt: salt, end: footerOffset, maximumBlockBytes)
        let metaBlock = try TableReader.load(
            footer.meta, .meta, file, path, salt: salt, end: footerOffset, maximumBlockBytes)
        guard metaBlock.count == 1 else {
            throw TableReader.damage(path, footer.meta.offset, "the meta block has not one entry")
        }
        meta = Array(metaBlock.value(0))
    }

    private init(_ other: TableReader, path: FilePath) {
        self.path = path
        (file, header, footer, cache) = (other.file, other.header, other.footer, other.cache)
        (root, meta, length) = (other.root, other.meta, other.length)
        maximumBlockBytes = other.maximumBlockBytes
    }

    /// The table under the name that its file has been given since it was opened.
    func renamed(to path: FilePath) -> TableReader { TableReader(self, path: path) }

    deinit { cache.drop(id) }

    static func damage(_ path: FilePath, _ offset: UInt64, _ what: String) -> LogError {
        LogError(.damaged, "The snapshot is damaged: \(what)", path: path, offset: offset)
    }

    /// Runs a call that reads. A file that cannot be read (a bad sector, another owner's file, a directory of that name) is
    /// as good as one that is not what was written: the log may have what it holds.
    static func reading<R>(
        _ path: FilePath, _ offset: UInt64, _ body: () throws(FileSystemError) -> R
    ) throws(LogError) -> R {
        do {
            return try body()
        } catch {
            switch error.errno {
            case .ioError, .permissionDenied, .isDirectory, .invalidArgument, .tooManySymbolicLinkLevels,
                .noSuchAddressOrDevice:
                var unreadable = damage(path, offset, "it cannot be read: \(error)")
                unreadable.cause = error
                throw unreadable
            default: throw LogError(system: error)
            }
        }
    }

    // MARK: Blocks

    func block(_ place: BlockPlace, _ kind: TableFormat.BlockKind) throws(LogError) -> TableBlock {
        let key = BlockCache.Key(table: id, offset: place.offset)
        if let block = cache.find(key) { return block }
        let block = try load(place, kind)
        cache.insert(block, key)
        return block
    }

    /// Reads a block past the cache.
    func load(_ place: BlockPlace, _ kind: TableFormat.BlockKind) throws(LogError) -> TableBlock {
        try TableReader.load(
            place, kind, file, path, salt: header.salt, end: length - UInt64(TableFormat.footerLength),
            maximumBlockBytes)
    }

    private static func load(
        _ place: BlockPlace, _ kind: TableFormat.BlockKind, _ file: any File, _ path: FilePath,
        salt: UInt32, end: UInt64, _ maximumBlockBytes: Int
    ) throws(LogError) -> TableBlock {
        var stored = RawBuffer(capacity: 0)
        let blockHeader = try read(
            place, kind, file, path, salt: salt, end: end, maximumBlockBytes, into: &stored)
        let data = UnsafeRawBufferPointer(rebasing: stored.bytes[TableFormat.blockHeaderLength...])
        var raw = RawBuffer(capacity: 0)
        if blockHeader.isStored {
            raw.append(data)
        } else {
            let inflater = Inflater()
            inflater.restart()
            guard inflater.inflate(data, rawLength: Int(blockHeader.rawLength), into: &raw) else {
                throw damage(path, place.offset, "the block does not inflate to its raw length")
            }
        }
        guard let block = TableBlock(raw, entryCount: Int(blockHeader.entryCount)) else {
            throw damage(path, place.offset, "the block is no series of entries in order")
        }
        return block
    }

    /// Reads a block as it is stored, header first, and checks it.
    private static func read(
        _ place: BlockPlace, _ kind: TableFormat.BlockKind, _ file: any File, _ path: FilePath,
        salt: UInt32, end: UInt64, _ maximumBlockBytes: Int, into stored: inout RawBuffer
    ) throws(LogError) -> BlockHeader {
        let headerLength = TableFormat.blockHeaderLength
        guard place.length >= headerLength, place.offset <= end, UInt64(place.length) <= end - place.offset
        else { throw damage(path, place.offset, "a block lies outside the file") }
        stored.removeAll()
        let room = stored.reserve(Int(place.length))
        let got = try reading(path, place.offset) { () throws(FileSystemError) in
            try file.read(into: room, at: place.offset)
        }
        stored.grow(by: got)
        guard got == Int(place.length),
            let blockHeader = BlockHeader(stored.bytes, salt: salt, offset: place.offset),
            blockHeader.kind == kind.rawValue, Int(blockHeader.storedLength) == got - headerLength,
            Int(blockHeader.rawLength) <= maximumBlockBytes,
            !blockHeader.isStored || blockHeader.rawLength == blockHeader.storedLength
        else { throw damage(path, place.offset, "a block's header is not what was written") }
        let data = UnsafeRawBufferPointer(rebasing: stored.bytes[headerLength...])
        guard Checksum.crc32(0, data) == blockHeader.dataCRC else {
            throw damage(path, place.offset, "a block's checksum is wrong")
        }
        return blockHeader
    }

    /// Calls with a data block as it is stored, to be copied.
    func withStored(
        _ place: BlockPlace, _ body: (BlockHeader, UnsafeRawBufferPointer) throws(LogError) -> Void
    ) throws(LogError) {
        var stored = RawBuffer(capacity: 0)
        let blockHeader = try TableReader.read(
            place, .data, file, path, salt: header.salt,
            end: length - UInt64(TableFormat.footerLength), maximumBlockBytes, into: &stored)
        let data = UnsafeRawBufferPointer(rebasing: stored.bytes[TableFormat.blockHeaderLength...])
        try body(blockHeader, data)
    }

    // MARK: Looking up

    /// An entry, held in memory while it is used.
    package struct Found: Sendable {
        package let block: TableBlock
        package let index: Int
        package var value: UnsafeRawBufferPointer { block.value(index) }
        package var operation: TableOperation { block.operation(index) }
    }

    /// The entry with this key, if the filter does not tell that there is none.
    ///
    /// - Complexity: where there is a filter, constant for nearly all keys that the table does not hold; else that of `find`.
    package func findFiltered(_ key: [UInt8]) throws(LogError) -> Found? {
        if let filter = try loadFilter() {
            let mayBe = try key.span.withUnsafeBytes { (key) throws(LogError) in
                try filter.mayHold(key, in: self)
            }
            if !mayBe { return nil }
        }
        return try find(key)
    }

    func loadFilter() throws(LogError) -> TableFilter? {
        if let known = filter.withLock({ $0 }) { return known }
        let found = try TableFilter(self)
        filter.withLock { $0 = .some(found) }
        return found
    }

    /// The entry with this key.
    ///
    /// - Complexity: two blocks are read, if they are not in the cache.
    package func find(_ key: [UInt8]) throws(LogError) -> Found? {
        let cursor = TableCursor(self)
        try cursor.seek(key)
        guard let found = cursor.key, key.withUnsafeBytes({ TableKey.compare($0, found) == 0 }) else {
            return nil
        }
        return cursor.found
    }

    /// How many entries' keys begin with one of these bytes.
    ///
    /// - Complexity: reads them all.
    package func entryCount(_ sections: [UInt8]) throws(LogError) -> Int {
        var count = 0
        for section in sections {
            let cursor = TableCursor(self, isCaching: false)
            try cursor.seek([section])
            while let key = cursor.key, key[0] == section {
                count += 1
                try cursor.advance()
            }
        }
        return count
    }

    /// Reads every byte of the file and checks that it is a table, and that its filter lacks none of its keys.
    ///
    /// - Throws: `damaged` with the place of the first thing that is wrong.
    package func verify() throws(LogError) {
        var expected = UInt64(TableFormat.headerLength)
        var count: UInt64 = 0
        var filteredKeys = 0
        let filter = try loadFilter()
        let last = RawKey()
        for number in 0..<root.count {
            let indexPlace = try TableCursor.place(root.value(number), self).place
            let index = try load(indexPlace, .index)
            for entry in 0..<index.count {
                let (place, firstKey) = try TableCursor.place(index.value(entry), self)
                guard place.offset == expected else {
                    throw TableReader.damage(
                        path, place.offset, "a block is not where the one before it ends")
                }
                expected = place.offset + UInt64(place.length)
                let block = try load(place, .data)
                guard block.count > 0, TableKey.compare(block.key(0), firstKey) == 0,
                    TableKey.compare(block.key(block.count - 1), index.key(entry)) == 0,
                    last.isEmpty || TableKey.isLess(last.bytes, firstKey)
                else { throw TableReader.damage(path, place.offset, "a block is not what the index says") }
                last.set(block.key(block.count - 1))
                count += UInt64(block.count)
                if let filter, filter.sections.contains(firstKey[0]) {
                    for number in 0..<block.count where try !filter.mayHold(block.key(number), in: self) {
                        throw TableReader.damage(path, place.offset, "the filter lacks a key of the block")
                    }
                    filteredKeys += block.count
                }
            }
            guard index.count > 0, TableKey.compare(root.key(number), last.bytes) == 0,
                indexPlace.offset == expected
            else {
                throw TableReader.damage(path, indexPlace.offset, "an index block is not what the root says")
            }
            expected = indexPlace.offset + UInt64(indexPlace.length)
        }
        guard count == footer.entryCount, footer.root.offset == expected,
            footer.meta.offset == expected + UInt64(footer.root.length),
            footer.meta.offset + UInt64(footer.meta.length) + UInt64(TableFormat.footerLength) == length
        else {
            throw TableReader.damage(path, expected, "the parts of the file do not fill it")
        }
        guard filteredKeys == filter?.keys ?? 0 else {
            throw TableReader.damage(path, 0, "the filter is of \(filter!.keys) keys, not \(filteredKeys)")
        }
    }
}

/// A key that is kept.
private final class RawKey {
    private var buffer = RawBuffer(capacity: 64)
    var bytes: UnsafeRawBufferPointer { buffer.bytes }
    var isEmpty: Bool { buffer.count == 0 }

    func set(_ key: UnsafeRawBufferPointer) {
        buffer.removeAll()
        buffer.append(key)
    }
}
