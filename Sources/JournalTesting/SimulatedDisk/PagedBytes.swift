/// A file's contents: bytes in pages, holes reading as zeros. A value, whose copies share the pages they have alike.
struct PagedBytes: Sendable {
    static let pageBytes = 4096

    private(set) var length = 0
    /// The pages that have disk blocks, by their number; each of `pageBytes` bytes, zeros beyond `length`.
    private var pages: [Int: [UInt8]] = [:]
    private static let zeroPage = [UInt8](repeating: 0, count: pageBytes)

    init() {}

    init(_ bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        bytes.withUnsafeBytes { write($0, at: 0) }
    }

    func forEachPage(_ body: (Int, [UInt8]) -> Void) {
        for (number, bytes) in pages { body(number, bytes) }
    }

    /// How many pages have disk blocks.
    var allocatedPages: Int { pages.count }

    var bytes: [UInt8] {
        var result = [UInt8](repeating: 0, count: length)
        _ = result.withUnsafeMutableBytes { read(into: $0, at: 0) }
        return result
    }

    /// Which pages a range of bytes touches.
    static func pages(of range: Range<Int>) -> Range<Int> {
        range.isEmpty ? 0..<0 : range.lowerBound / pageBytes..<(range.upperBound + pageBytes - 1) / pageBytes
    }

    /// How many pages a write or an allocation of the range would have to add.
    func missingPages(in range: Range<Int>) -> Int {
        Self.pages(of: range).count { pages[$0] == nil }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = max(0, min(buffer.count, length - offset))
        Self.forEachPart(of: offset..<offset + count) { page, inPage, inBuffer in
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[inBuffer])
            if let bytes = pages[page] {
                target.copyBytes(from: bytes[inPage])
            } else {
                target.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
        return count
    }

    /// Writes, and grows the file if need be.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        let range = offset..<offset + bytes.count
        Self.forEachPart(of: range) { page, inPage, inBuffer in
            pages[page, default: Self.zeroPage].withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[inPage]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[inBuffer]))
            }
        }
        if !bytes.isEmpty { length = max(length, range.upperBound) }
    }

    /// Gives the range disk blocks, and grows the file if need be.
    mutating func allocate(_ range: Range<Int>) {
        for page in Self.pages(of: range) where pages[page] == nil { pages[page] = Self.zeroPage }
        length = max(length, range.upperBound)
    }

    /// Cuts or grows (by a hole). What was cut off reads as zeros when it grows again.
    mutating func setLength(_ newLength: Int) {
        defer { length = newLength }
        let firstGone = (newLength + Self.pageBytes - 1) / Self.pageBytes
        for page in pages.keys where page >= firstGone { pages[page] = nil }
        let (page, inPage) = newLength.quotientAndRemainder(dividingBy: Self.pageBytes)
        if inPage > 0, pages[page] != nil {
            pages[page]?.replaceSubrange(inPage..., with: repeatElement(0, count: Self.pageBytes - inPage))
        }
    }

    /// Splits a range at the borders of pages: the page, where in it, and where in a buffer of the range's bytes.
    private static func forEachPart(
        of range: Range<Int>, _ body: (_ page: Int, _ inPage: Range<Int>, _ inBuffer: Range<Int>) -> Void
    ) {
        var position = range.lowerBound
        while position < range.upperBound {
            let (page, start) = position.quotientAndRemainder(dividingBy: pageBytes)
            let end = min(pageBytes, start + range.upperBound - position)
            let inBuffer = position - range.lowerBound
            body(page, start..<end, inBuffer..<inBuffer + end - start)
            position += end - start
        }
    }
}
