import JournalFileSystem

/// A window over a file that is read forward, in large pieces.
struct FileWindow: ~Copyable {
    private static let readBytes = 256 << 10

    let file: any File
    /// So much is read at a time, at least.
    private var readBytes = FileWindow.readBytes
    private var buffer = RawBuffer(capacity: 0)
    private var start: UInt64 = 0

    init(_ file: any File) { self.file = file }

    /// Calls `body` with up to `length` bytes from `offset` on: fewer only where the file ends.
    mutating func withBytes<R>(
        at offset: UInt64, length: Int, _ body: (UnsafeRawBufferPointer) throws(LogError) -> R
    ) throws(LogError) -> R {
        if offset < start || offset + UInt64(length) > start + UInt64(buffer.count) {
            try load(at: offset, length: length)
        }
        let from = Int(offset - start)
        let upTo = min(from + length, buffer.count)
        return try body(UnsafeRawBufferPointer(rebasing: buffer.bytes[min(from, upTo)..<upTo]))
    }

    /// Forgets what was read: the file has grown since.
    ///
    /// - Parameter readBytes: How much to read at a time from now on, where it is known that it grew by little.
    mutating func invalidate(readBytes: Int = FileWindow.readBytes) {
        self.readBytes = readBytes
        buffer.removeAll()
    }

    private mutating func load(at offset: UInt64, length: Int) throws(LogError) {
        buffer.removeAll()
        buffer.shrink(above: 4 * FileWindow.readBytes)
        let wanted = max(length, readBytes)
        let room = buffer.reserve(wanted)
        let file = file
        let got = try asLogError { () throws(FileSystemError) in try file.read(into: room, at: offset) }
        buffer.grow(by: got)
        start = offset
    }
}
