import JournalFileSystem

/// A place in a table, moved forward and back over its entries, or over whole blocks without inflating them.
package final class TableCursor {
    package let table: TableReader
    private let isCaching: Bool
    private var indexNumber = 0
    private var index: TableBlock?
    private var blockNumber = 0
    private var block: TableBlock?
    private var entry = 0

    /// - Parameter isCaching: Whether the blocks go through the cache; not for reading a whole table once.
    package init(_ table: TableReader, isCaching: Bool = true) {
        self.table = table
        self.isCaching = isCaching
    }

    /// The place of a block, and what follows it in an index entry's value.
    static func place(
        _ value: UnsafeRawBufferPointer, _ table: TableReader
    ) throws(LogError) -> (place: BlockPlace, rest: UnsafeRawBufferPointer) {
        var offset = 0
        guard let start = Varint.read(value, &offset), let length = Varint.read(value, &offset),
            length <= UInt64(UInt32.max)
        else { throw TableReader.damage(table.path, 0, "an index entry is cut off") }
        return (
            BlockPlace(offset: start, length: UInt32(length)),
            UnsafeRawBufferPointer(rebasing: value[offset...])
        )
    }

    // MARK: Where it is

    /// Whether there is no entry any more. A cursor begins at the first entry.
    package var isAtEnd: Bool { indexNumber >= table.root.count }

    private func read(_ value: UnsafeRawBufferPointer, _ kind: TableFormat.BlockKind) throws(LogError)
        -> TableBlock
    {
        let place = try TableCursor.place(value, table).place
        return isCaching ? try table.block(place, kind) : try table.load(place, kind)
    }

    private func loadIndex() throws(LogError) -> TableBlock {
        if let index { return index }
        let loaded = try read(table.root.value(indexNumber), .index)
        guard loaded.count > 0,
            TableKey.compare(loaded.key(loaded.count - 1), table.root.key(indexNumber)) == 0,
            isBehindIndexesBefore(loaded.key(0))
        else { throw TableReader.damage(table.path, 0, "an index block is not what the root says") }
        index = loaded
        return loaded
    }

    private func loadBlock() throws(LogError) -> TableBlock {
        if let block { return block }
        let index = try loadIndex()
        let loaded = try read(index.value(blockNumber), .data)
        guard loaded.count > 0,
            TableKey.compare(loaded.key(loaded.count - 1), index.key(blockNumber)) == 0,
            isBehindBlocksBefore(loaded.key(0), index)
        else { throw TableReader.damage(table.path, 0, "a block is not what the index says") }
        block = loaded
        return loaded
    }

    /// Whether a key is above all of the index blocks before this one. Whoever merges relies on the order.
    private func isBehindIndexesBefore(_ key: UnsafeRawBufferPointer) -> Bool {
        indexNumber == 0 || TableKey.isLess(table.root.key(indexNumber - 1), key)
    }

    /// Whether a key is above all of the blocks before this one.
    private func isBehindBlocksBefore(_ key: UnsafeRawBufferPointer, _ index: TableBlock) -> Bool {
        blockNumber == 0
            ? isBehindIndexesBefore(key) : TableKey.isLess(index.key(blockNumber - 1), key)
    }

    /// Reads the entry's block, so that `key`, `value` and `operation` are there.
    package func load() throws(LogError) {
        if !isAtEnd { _ = try loadBlock() }
    }

    /// The key here; nil at the end. After `load()`, `seek`, `advance`. Valid until the cursor moves.
    package var key: UnsafeRawBufferPointer? { isAtEnd ? nil : block?.key(entry) }
    package var value: UnsafeRawBufferPointer { block!.value(entry) }
    package var operation: TableOperation { block!.operation(entry) }
    /// The entry, to be kept.
    package var found: TableReader.Found { TableReader.Found(block: block!, index: entry) }

    // MARK: Moving

    /// Goes to the first entry whose key is not below `key`.
    package func seek(_ key: [UInt8]) throws(LogError) {
        try key.span.withUnsafeBytes { (key) throws(LogError) in try seek(key) }
    }

    package func seek(_ key: UnsafeRawBufferPointer) throws(LogError) {
        if let block, TableKey.isLess(block.key(0), key),
            !TableKey.isLess(block.key(block.count - 1), key)
        {
            entry = block.lowerBound(key)
            return
        }
        index = nil
        block = nil
        blockNumber = 0
        entry = 0
        indexNumber = table.root.lowerBound(key)
        guard !isAtEnd else { return }
        // The root has the last key of each index block, and the index that of each block: so it is in these, or the
        // first of these.
        let index = try loadIndex()
        blockNumber = index.lowerBound(key)
        guard blockNumber < index.count else {
            throw TableReader.damage(table.path, 0, "an index block is not what the root says")
        }
        let block = try loadBlock()
        entry = block.lowerBound(key)
        guard entry < block.count else {
            throw TableReader.damage(table.path, 0, "a block is not what the index says")
        }
    }

    /// Goes to the next entry.
    package func advance() throws(LogError) {
        let block = try loadBlock()
        entry += 1
        if entry == block.count { try skipBlock() }
        try load()
    }

    /// Goes to the start of the next block, without reading it.
    package func skipBlock() throws(LogError) {
        let count = try loadIndex().count
        entry = 0
        block = nil
        blockNumber += 1
        if blockNumber == count {
            blockNumber = 0
            index = nil
            indexNumber += 1
        }
    }

    /// Goes to the entry before; false, and stays, at the first.
    package func retreat() throws(LogError) -> Bool {
        if !isAtEnd, entry > 0 {
            entry -= 1
            return true
        }
        if !isAtEnd, blockNumber > 0 {
            blockNumber -= 1
        } else {
            guard indexNumber > 0 else { return false }
            indexNumber -= 1
            index = nil
            blockNumber = try loadIndex().count - 1
        }
        block = nil
        entry = try loadBlock().count - 1
        return true
    }

    // MARK: Whole blocks

    /// Whether the cursor is at a block's first entry.
    var isAtBlockStart: Bool { !isAtEnd && entry == 0 }

    /// The last key of the cursor's block, which need not be read for it.
    func lastKeyOfBlock() throws(LogError) -> UnsafeRawBufferPointer { try loadIndex().key(blockNumber) }

    /// Copies the block as it is, and goes to the next.
    func copyBlock(to writer: TableWriter) throws(LogError) {
        let index = try loadIndex()
        let (place, firstKey) = try TableCursor.place(index.value(blockNumber), table)
        let lastKey = index.key(blockNumber)
        guard firstKey.count > 0, !TableKey.isLess(lastKey, firstKey), isBehindBlocksBefore(firstKey, index)
        else {
            throw TableReader.damage(table.path, place.offset, "the index has a wrong first key of a block")
        }
        try table.withStored(place) { (header, data) throws(LogError) in
            try asLogError { () throws(FileSystemError) in
                try writer.copy(
                    CopiedBlock(header: header, data: data, firstKey: firstKey, lastKey: lastKey))
            }
        }
        try skipBlock()
    }
}
