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
        _ = bytes.withUnsafeBytes { write($0, at: 0) }
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

    /// Writes, grows the file if need be, and returns the pages touched.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Range<Int> {
        let range = offset..<offset + bytes.count
        Self.forEachPart(of: range) { page, inPage, inBuffer in
            pages[page, default: Self.zeroPage].withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[inPage]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[inBuffer]))
            }
        }
        if !bytes.isEmpty { length = max(length, range.upperBound) }
        return Self.pages(of: range)
    }

    /// Gives the range disk blocks, grows the file if need be, and returns the pages added.
    mutating func allocate(_ range: Range<Int>) -> [Int] {
        let added = Self.pages(of: range).filter { pages[$0] == nil }
        for page in added { pages[page] = Self.zeroPage }
        length = max(length, range.upperBound)
        return added
    }

    /// Cuts or grows (by a hole), and returns the pages that are gone or were cut in two.
    mutating func setLength(_ newLength: Int) -> [Int] {
        defer { length = newLength }
        guard newLength < length else { return [] }
        let firstGone = (newLength + Self.pageBytes - 1) / Self.pageBytes
        var changed = pages.keys.filter { $0 >= firstGone }
        for page in changed { pages[page] = nil }
        let (page, inPage) = newLength.quotientAndRemainder(dividingBy: Self.pageBytes)
        if inPage > 0, pages[page] != nil {
            pages[page]?.replaceSubrange(inPage..., with: repeatElement(0, count: Self.pageBytes - inPage))
            changed.append(page)
        }
        return changed
    }

    /// Takes some pages, and the length, from another state of the same file.
    mutating func adopt(_ numbers: Set<Int>, of other: PagedBytes) {
        _ = setLength(other.length)
        for number in numbers { pages[number] = other.pages[number] }
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
