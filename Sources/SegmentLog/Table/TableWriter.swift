package import JournalFileSystem

/// Writes a table, from the first key to the last.
///
/// Nothing is durable before the caller syncs the file.
package final class TableWriter {
    private let file: any File
    private let header: TableHeader
    private let deflater: Deflater?
    private let blockBytes: (UInt8) -> Int
    private var data = BlockBuilder()
    private var index = BlockBuilder()
    private var root = BlockBuilder()
    private var output = RawBuffer(capacity: TableWriter.writeBytes + (128 << 10))
    /// Where `output` begins in the file.
    private var written: UInt64 = 0
    /// How many entries the closed blocks hold, by the first byte of their keys.
    private var entryCounts: [UInt8: UInt64] = [:]
    private var isAbsorbing = false
    /// The filter that the table gets, and the first bytes of the keys that it is of.
    private var filter: FilterBuilder?
    private var filtered: [UInt8] = []
    /// Whether the filter was begun without the keys of blocks that could be copied.
    private var mustSeeKeys = false
    /// Called after each piece that was written, with its length: to be gentle to others who use the disk.
    private let didWrite: (Int) throws(FileSystemError) -> Void

    /// So much is written, and by snapshots synced, at a time: a commit on the same disk waits for no more than that.
    private static let writeBytes = 1 << 20
    /// A block that is copied as it is may be preceded by one that is not full, but not by a smaller one than this.
    private static let smallestBlockBytes = 8 << 10

    /// - Parameters:
    ///   - file: Empty.
    ///   - level: zlib's; nil stores the blocks as they are.
    ///   - blockBytes: How many raw bytes close a block, by the first byte of its keys, which all in a block share.
    package init(
        _ file: any File, journal: JournalUUID, sequence: UInt64, salt: UInt32, level: Int32?,
        blockBytes: @escaping (UInt8) -> Int,
        didWrite: @escaping (Int) throws(FileSystemError) -> Void = { (_) throws(FileSystemError) in }
    ) {
        self.file = file
        header = TableHeader(journal: journal, sequence: sequence, salt: salt)
        deflater = level.map { Deflater(level: $0) }
        self.blockBytes = blockBytes
        self.didWrite = didWrite
        header.encoded().withUnsafeBytes { output.append($0) }
    }

    /// Gives the table a filter of the keys that begin with some bytes. Before the first of these is added.
    ///
    /// - Parameters:
    ///   - sections: These bytes, all below that of the filter itself.
    ///   - base: The table whose blocks are copied, if there is one. Its filter is gone on with while that has room.
    ///   - more: How many keys are not in `base`, at most.
    ///   - isAnew: Whether keys of `base` go, so that its filter tells too much.
    package func filter(
        _ sections: [UInt8], upon base: TableReader?, adding more: Int, isAnew: Bool = false
    ) throws(LogError) {
        filtered = sections
        var keys = more
        if let base {
            if let below = try base.loadFilter(), below.sections == sections {
                if !isAnew, let begun = try below.builder(adding: more, of: base) {
                    filter = begun
                    return
                }
                keys += below.keys
            } else {
                keys += try base.entryCount(sections)
            }
        }
        mustSeeKeys = true
        filter = FilterBuilder(keys: keys)
    }

    /// Adds an entry. Its key is greater than all before it, and not empty.
    package func add(
        _ key: UnsafeRawBufferPointer, _ operation: TableOperation = .put, _ value: UnsafeRawBufferPointer
    ) throws(FileSystemError) {
        if data.count > 0 {
            let isFull = !isAbsorbing && data.raw.count >= blockBytes(key[0])
            if isFull || data.firstKey.bytes[0] != key[0] { try closeBlock() }
        }
        if filtered.contains(key[0]) { filter?.insert(key) }
        data.add(key, operation, value)
    }

    /// Whether blocks of keys that begin with this byte may be copied: the filter has their keys already.
    func mayCopyBlocks(_ section: UInt8) -> Bool { !mustSeeKeys || !filtered.contains(section) }

    /// Whether a block of another table can be copied now without leaving too small a one before it.
    package var canCopyBlock: Bool { data.count == 0 || data.raw.count >= TableWriter.smallestBlockBytes }

    /// Copies a block of another table as it is.
    func copy(_ block: CopiedBlock) throws(FileSystemError) {
        try closeBlock()
        let place = append(block.header, block.data)
        try note(place, first: block.firstKey, last: block.lastKey, count: Int(block.header.entryCount))
    }

    /// Until the end of `body`, entries go into the present block, however long it becomes; then it is closed.
    package func absorbing(_ body: () throws(LogError) -> Void) throws(LogError) {
        isAbsorbing = true
        defer { isAbsorbing = false }
        try body()
        do { try closeBlock() } catch { throw LogError(system: error) }
    }

    /// How many entries there are whose keys begin with this byte. Closes the present block.
    package func entryCount(_ section: UInt8) throws(FileSystemError) -> UInt64 {
        try closeBlock()
        return entryCounts[section] ?? 0
    }

    /// Writes the index, the root, `meta` and the footer. The file is complete then, and not yet synced.
    package func finish(meta: [UInt8]) throws(FileSystemError) -> UInt64 {
        try closeBlock()
        try writeFilter()
        try closeIndex()
        let rootPlace = append(root, .root)
        var metaBlock = BlockBuilder()
        meta.withUnsafeBytes { value in
            withUnsafeBytes(of: UInt8(0)) { metaBlock.add($0, .put, value) }
        }
        let metaPlace = append(metaBlock, .meta)
        let footer = TableFooter(
            salt: header.salt, sequence: header.sequence, root: rootPlace, meta: metaPlace,
            entryCount: entryCounts.values.reduce(0, +))
        footer.encoded().withUnsafeBytes { output.append($0) }
        try flush(isLast: true)
        return written
    }

    private func writeFilter() throws(FileSystemError) {
        let keys = filtered.reduce(0) { $0 + (entryCounts[$1] ?? 0) }
        guard let filter, keys > 0 else { return }
        try filter.forEachEntry(salt: header.salt, keys: keys, sections: filtered) {
            (key, value) throws(FileSystemError) in
            key.withUnsafeBytes { data.add($0, .put, value) }
            try closeBlock()
        }
    }

    private func closeBlock() throws(FileSystemError) {
        guard data.count > 0 else { return }
        let place = append(data, .data)
        try note(place, first: data.firstKey.bytes, last: data.lastKey.bytes, count: data.count)
        data.removeAll()
    }

    /// The index's entry of a block: its last key; where it is, and its first key.
    private func note(
        _ place: BlockPlace, first: UnsafeRawBufferPointer, last: UnsafeRawBufferPointer, count: Int
    ) throws(FileSystemError) {
        var value = RawBuffer(capacity: 2 * Varint.maximumLength + first.count)
        TableWriter.append(place, to: &value)
        value.append(first)
        index.add(last, .put, value.bytes)
        entryCounts[first[0], default: 0] += UInt64(count)
        if index.raw.count >= TableFormat.indexBlockBytes { try closeIndex() }
        if output.count >= TableWriter.writeBytes { try flush() }
    }

    private func closeIndex() throws(FileSystemError) {
        guard index.count > 0 else { return }
        let place = append(index, .index)
        var value = RawBuffer(capacity: 2 * Varint.maximumLength)
        TableWriter.append(place, to: &value)
        root.add(index.lastKey.bytes, .put, value.bytes)
        index.removeAll()
    }

    private static func append(_ place: BlockPlace, to value: inout RawBuffer) {
        for number in [place.offset, UInt64(place.length)] {
            let length = Varint.write(number, into: value.reserve(Varint.maximumLength))
            value.grow(by: length)
        }
    }

    /// Puts a block into the output, compressed when that makes it smaller.
    private func append(_ block: borrowing BlockBuilder, _ kind: TableFormat.BlockKind) -> BlockPlace {
        let start = output.count
        output.appendZeros(TableFormat.blockHeaderLength)
        let dataStart = output.count
        var isStored = true
        // The bits of a filter are as good as random.
        let isFilter = kind == .data && block.firstKey.bytes[0] == FilterFormat.section
        if let deflater, !isFilter, block.raw.count > 0 {
            deflater.restart()
            deflater.compress(block.raw.bytes, into: &output)
            isStored = output.count - dataStart >= block.raw.count
        }
        if isStored {
            output.resize(to: dataStart)
            output.append(block.raw.bytes)
        }
        let data = UnsafeRawBufferPointer(rebasing: output.bytes[dataStart...])
        let blockHeader = BlockHeader(
            dataCRC: Checksum.crc32(0, data), storedLength: UInt32(data.count),
            rawLength: UInt32(block.raw.count), kind: kind, isStored: isStored,
            entryCount: UInt32(block.count))
        return encode(blockHeader, at: start)
    }

    private func append(_ blockHeader: BlockHeader, _ data: UnsafeRawBufferPointer) -> BlockPlace {
        let start = output.count
        output.appendZeros(TableFormat.blockHeaderLength)
        output.append(data)
        return encode(blockHeader, at: start)
    }

    private func encode(_ blockHeader: BlockHeader, at start: Int) -> BlockPlace {
        let offset = written + UInt64(start)
        let place = UnsafeMutableRawBufferPointer(
            rebasing: output.mutableBytes[start..<(start + TableFormat.blockHeaderLength)])
        blockHeader.encode(into: place, salt: header.salt, offset: offset)
        return BlockPlace(offset: offset, length: UInt32(output.count - start))
    }

    private func flush(isLast: Bool = false) throws(FileSystemError) {
        let count = output.count
        try file.write(output.bytes, at: written)
        written += UInt64(count)
        output.removeAll()
        // The last piece is synced with the whole file.
        if !isLast { try didWrite(count) }
    }
}

/// A block as it lies in another table.
struct CopiedBlock {
    var header: BlockHeader
    var data: UnsafeRawBufferPointer
    var firstKey: UnsafeRawBufferPointer
    var lastKey: UnsafeRawBufferPointer
}
