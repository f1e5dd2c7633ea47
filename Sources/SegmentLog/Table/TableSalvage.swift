package import JournalFileSystem
package import SystemPackage

/// What can still be read of a damaged table: every data block that is sound, wherever it lies.
///
/// Neither root nor index is needed: the blocks follow one another, each with its length in a header of its own, and
/// behind a damaged header the next valid one is looked for. Its CRC covers the salt and the offset, so that bytes of a
/// value do not pass for one.
package struct TableSalvage: ~Copyable {
    private let path: FilePath
    private var window: FileWindow
    private let salt: UInt32
    private let end: UInt64
    private let inflater = Inflater()
    private let maximumBlockBytes: Int

    /// - Returns: nil when neither header nor footer says with which salt it was written, or it is another journal's.
    package init?(
        _ file: any File, path: FilePath, journal: JournalUUID?,
        maximumBlockBytes: Int = Int(Int32.max)
    ) throws(LogError) {
        self.maximumBlockBytes = maximumBlockBytes
        self.path = path
        window = FileWindow(file)
        let length = try asLogError { () throws(FileSystemError) in try file.length() }
        let start = try TableReader.reading(path, 0) { () throws(FileSystemError) in
            try file.read(TableFormat.headerLength, at: 0)
        }
        let footerOffset = length - min(length, UInt64(TableFormat.footerLength))
        let last = try TableReader.reading(path, footerOffset) { () throws(FileSystemError) in
            try file.read(TableFormat.footerLength, at: footerOffset)
        }
        let footer = last.withUnsafeBytes { TableFooter($0) }
        end = footer == nil ? length : footerOffset
        if let header = start.withUnsafeBytes({ try? TableHeader($0) }) {
            guard journal == nil || header.journal == journal else { return nil }
            salt = header.salt
        } else {
            guard let footer else { return nil }
            salt = footer.salt
        }
    }

    /// Calls `body` with each sound data block, in the order of the file.
    ///
    /// - Complexity: one reading of the file.
    package mutating func forEachBlock(_ body: (TableBlock) -> Void) throws(LogError) {
        var offset = UInt64(TableFormat.headerLength)
        while let (at, header) = try nextHeader(from: offset) {
            let length = UInt64(TableFormat.blockHeaderLength) + UInt64(header.storedLength)
            if header.kind == TableFormat.BlockKind.data.rawValue, length <= end - at,
                let block = try block(header, at: at)
            {
                body(block)
                offset = at + length
            } else if header.kind != TableFormat.BlockKind.data.rawValue, length <= end - at {
                offset = at + length
            } else {
                offset = at + 1
            }
        }
    }

    /// The first valid block header at or behind `from`.
    private mutating func nextHeader(from: UInt64) throws(LogError) -> (offset: UInt64, header: BlockHeader)?
    {
        let headerLength = TableFormat.blockHeaderLength
        let piece = 64 << 10
        let (salt, end) = (salt, end)
        var at = from
        while at + UInt64(headerLength) <= end {
            var found: (UInt64, BlockHeader)?
            var count = 0
            try window.withBytes(at: at, length: Int(min(UInt64(piece), end - at))) { bytes in
                count = bytes.count
                for index in 0..<max(0, count - headerLength + 1) {
                    // Most places are told by these four bytes, without a checksum.
                    guard (1...4).contains(bytes[index + 20]), bytes[index + 21] == 0, bytes[index + 22] <= 1,
                        bytes[index + 23] == 0
                    else { continue }
                    let place = UnsafeRawBufferPointer(rebasing: bytes[index..<(index + headerLength)])
                    if let header = BlockHeader(place, salt: salt, offset: at + UInt64(index)) {
                        found = (at + UInt64(index), header)
                        return
                    }
                }
            }
            if let found { return (found.0, found.1) }
            guard count >= headerLength else { return nil }
            at += UInt64(count - headerLength + 1)
        }
        return nil
    }

    /// The block behind a header, if its data are what was written.
    private mutating func block(_ header: BlockHeader, at offset: UInt64) throws(LogError) -> TableBlock? {
        guard Int(header.rawLength) <= maximumBlockBytes,
            !header.isStored || header.rawLength == header.storedLength
        else { return nil }
        let inflater = inflater
        return try window.withBytes(
            at: offset + UInt64(TableFormat.blockHeaderLength), length: Int(header.storedLength)
        ) { data -> TableBlock? in
            guard data.count == Int(header.storedLength), Checksum.crc32(0, data) == header.dataCRC else {
                return nil
            }
            var raw = RawBuffer(capacity: Int(header.rawLength) + 1)
            if header.isStored {
                raw.append(data)
            } else {
                inflater.restart()
                guard inflater.inflate(data, rawLength: Int(header.rawLength), into: &raw) else { return nil }
            }
            return TableBlock(raw, entryCount: Int(header.entryCount))
        }
    }
}
