#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
import SystemPackage

/// Lines of a source, in memory bounded by the longest of them.
struct LineReader {
    /// The number of the line read last, from 1.
    private(set) var number: UInt64 = 0
    /// Where that line begins in the (unpacked) input.
    private(set) var offset: UInt64 = 0
    private var nextOffset: UInt64 = 0

    private let source: any ByteSource
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    private var hasEnded = false

    /// A line is never that long: the content of a memory is 16 MiB at most, and base64 or escapes make it no more
    /// than six times longer.
    static let maximumLineBytes = 128 << 20

    /// Opens plain or gzipped lines.
    init(_ file: FileSource) throws {
        buffer = [UInt8](repeating: 0, count: 256 << 10)
        // Pipes give what they have: two bytes may take two reads.
        while end < GzipSource.magic.count {
            let count = try buffer.withUnsafeMutableBytes { [end] in
                try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[end...]))
            }
            if count == 0 { break }
            end += count
        }
        if buffer[..<end].starts(with: GzipSource.magic) {
            source = GzipSource(file, head: Array(buffer[..<end]), path: file.path)
            end = 0
        } else {
            source = file
        }
    }

    /// Calls with the next line, without its newline; nil at the end.
    mutating func next<R>(_ body: (RawSpan) throws -> R) throws -> R? {
        var searched = start
        while true {
            if let newline = newline(from: searched) {
                return try take(start..<newline, to: newline + 1, body)
            }
            if hasEnded { return start < end ? try take(start..<end, to: end, body) : nil }
            searched = end - start
            try refill()
            searched += start
        }
    }

    private mutating func take<R>(_ line: Range<Int>, to next: Int, _ body: (RawSpan) throws -> R) throws -> R
    {
        number += 1
        offset = nextOffset
        nextOffset += UInt64(next - start)
        start = next
        return try body(buffer.span.bytes.extracting(line))
    }

    private func newline(from: Int) -> Int? {
        guard from < end else { return nil }
        return buffer.withUnsafeBytes { bytes in
            memchr(bytes.baseAddress! + from, Int32(UInt8(ascii: "\n")), end - from).map {
                UnsafeRawPointer($0) - bytes.baseAddress!
            }
        }
    }

    private mutating func refill() throws {
        if start > 0 {
            buffer.withUnsafeMutableBytes { [start, end] bytes in
                bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
            end -= start
            start = 0
        }
        if end == buffer.count {
            guard buffer.count < LineReader.maximumLineBytes else {
                throw BadLine(
                    number: number + 1, offset: nextOffset, code: "too_large",
                    message: "the line is longer than \(LineReader.maximumLineBytes >> 20) MiB")
            }
            buffer.append(contentsOf: repeatElement(0, count: buffer.count))
        }
        let count = try buffer.withUnsafeMutableBytes { [end] in
            try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[end...]))
        }
        if count == 0 { hasEnded = true }
        end += count
    }
}
