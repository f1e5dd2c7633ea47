/// What was read of a source and is not used up yet: a window that grows as it must.
final class InputBuffer {
    /// Where the window begins in the (unpacked) input.
    private(set) var offset: UInt64 = 0
    private let source: any ByteSource
    private var buffer: [UInt8]
    private var start = 0
    private var end: Int
    /// Whether the window goes to the end of the input.
    private(set) var hasEnded = false

    /// A record is never that long: the content of a memory is 16 MiB at most, and base64 or escapes make it no more
    /// than six times longer.
    static let maximumBytes = 128 << 20
    /// So much at the beginning tells what a file is.
    private static let headBytes = 16

    /// Opens plain or gzipped input, and passes over a byte order mark.
    ///
    /// - Throws: `Failure` for other forms of compression and for what is no text, with the command that makes it one.
    init(_ file: FileSource) throws {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        // Pipes give what they have: a few bytes may take several reads.
        end = try InputBuffer.fill(&buffer, from: file)
        if buffer[..<end].starts(with: GzipSource.magic) {
            source = GzipSource(file, head: Array(buffer[..<end]), path: file.path)
            end = try InputBuffer.fill(&buffer, from: source)
            try InputForm.check(buffer[..<end], of: file.path, isUnpacked: true)
        } else {
            source = file
            try InputForm.check(buffer[..<end], of: file.path, isUnpacked: false)
        }
        self.buffer = buffer
        if buffer[..<end].starts(with: [0xEF, 0xBB, 0xBF]) { drop(3) }
    }

    private static func fill(_ buffer: inout [UInt8], from source: any ByteSource) throws -> Int {
        var end = 0
        while end < headBytes {
            let count = try buffer.withUnsafeMutableBytes { [end] in
                try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[end...]))
            }
            if count == 0 { break }
            end += count
        }
        return end
    }

    /// How many bytes the window has.
    var count: Int { end - start }

    /// Calls with the window's first bytes.
    func withBytes<R>(first count: Int, _ body: (RawSpan) throws -> R) rethrows -> R {
        let bytes = buffer
        return try body(bytes.span.bytes.extracting(start..<start + count))
    }

    /// Calls with the address of the window.
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
    }

    /// Uses up the window's first bytes.
    func drop(_ count: Int) {
        start += count
        offset += UInt64(count)
    }

    /// Reads on, so that the window has more at its end; sets `hasEnded` where there is no more.
    ///
    /// - Returns: false, and reads nothing, when the window has the most that it may.
    func grow() throws -> Bool {
        if start > 0 {
            buffer.withUnsafeMutableBytes { [start, end] bytes in
                bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
            end -= start
            start = 0
        }
        if end == buffer.count {
            guard buffer.count < InputBuffer.maximumBytes else { return false }
            buffer.append(contentsOf: repeatElement(0, count: buffer.count))
        }
        let count = try buffer.withUnsafeMutableBytes { [end] in
            try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[end...]))
        }
        if count == 0 { hasEnded = true }
        end += count
        return true
    }
}
