#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Lines of an input, in memory bounded by the longest of them.
struct LineReader {
    /// The number of the line read last, from 1.
    private(set) var number: UInt64 = 0
    /// Where that line begins in the (unpacked) input.
    private(set) var offset: UInt64 = 0
    private let input: InputBuffer

    init(_ input: InputBuffer) { self.input = input }

    /// Calls with the next line, without its newline; nil at the end.
    mutating func next<R>(_ body: (RawSpan) throws -> R) throws -> R? {
        var searched = 0
        while true {
            if let newline = newline(from: searched) { return try take(newline, newline + 1, body) }
            if input.hasEnded { return input.count > 0 ? try take(input.count, input.count, body) : nil }
            searched = input.count
            guard try input.grow() else {
                throw BadLine(
                    Place(number: number + 1, line: nil, offset: input.offset), code: "too_large",
                    "the line is longer than \(InputBuffer.maximumBytes >> 20) MiB; a JSON document on one line is read with "
                        + "--format json")
            }
        }
    }

    /// Some of what comes behind the line read last: nothing at the end.
    func following() throws -> [UInt8] {
        while input.count == 0, !input.hasEnded { _ = try input.grow() }
        return input.withUnsafeBytes { Array($0) }
    }

    private mutating func take<R>(_ length: Int, _ next: Int, _ body: (RawSpan) throws -> R) throws -> R {
        number += 1
        offset = input.offset
        // The line stays where it is until the window grows.
        defer { input.drop(next) }
        return try input.withBytes(first: length, body)
    }

    private func newline(from: Int) -> Int? {
        guard from < input.count else { return nil }
        return input.withUnsafeBytes { bytes in
            memchr(bytes.baseAddress! + from, Int32(UInt8(ascii: "\n")), bytes.count - from).map {
                UnsafeRawPointer($0) - bytes.baseAddress!
            }
        }
    }
}
