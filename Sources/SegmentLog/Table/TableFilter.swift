import JournalFileSystem

/// How a table says which keys it may hold, so that nearly all that it does not hold are told without reading their blocks.
///
/// A blocked Bloom filter (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007): a key sets seven bits
/// in one line of 512. With ten bits a key, one in seventy or fewer of the keys that are not there is taken for one that may be.
///
///     X              salt (4 bytes), number of keys, number of lines (varints), the first bytes of the keys that it is of
///     X page         256 lines of 64 bytes, in the last page fewer; page is a number of 4 bytes, big-endian, from 0
///
/// The salt is the table's own. A version that knows no filters copies these entries to the table that it makes next, where
/// they say nothing of the keys that are new: there the salt is another, and the filter is passed over.
enum FilterFormat {
    static let section = UInt8(ascii: "X")
    static let lineBytes = 64
    static let linesPerPage = 256
    static let bitsPerKey = 10
    static let probes = 7

    /// How many keys so many lines are enough for.
    static func room(lines: Int) -> Int { lines * lineBytes * 8 / bitsPerKey }

    static func pageKey(_ page: Int) -> [UInt8] {
        [section] + withUnsafeBytes(of: UInt32(page).bigEndian) { Array($0) }
    }

    /// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Of a key's length, and then of each eight bytes of it, little-endian, the last ones filled up with zeros.
    static func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash = mix(UInt64(key.count))
        var offset = 0
        while offset + 8 <= key.count {
            hash = mix(hash ^ key.little(offset, as: UInt64.self))
            offset += 8
        }
        guard offset < key.count else { return hash }
        var rest: UInt64 = 0
        for (index, byte) in key[offset...].enumerated() { rest |= UInt64(byte) << (8 * UInt64(index)) }
        return mix(hash ^ rest)
    }

    /// The line of a hash, and seven numbers of nine bits, the lowest first: its bits there.
    static func place(_ hash: UInt64, lines: Int) -> (line: Int, bits: UInt64) {
        let line = hash.multipliedFullWidth(by: UInt64(lines)).high
        return (Int(line), mix(hash &+ 0x9E37_79B9_7F4A_7C15))
    }
}

/// A filter that is being made. All of it is in memory, ten to fifteen bits for each key.
struct FilterBuilder {
    private(set) var bytes: [UInt8]
    private var lines: Int { bytes.count / FilterFormat.lineBytes }

    /// Empty, with room for half as many keys more.
    init(keys: Int) {
        let bits = (keys + keys / 2) * FilterFormat.bitsPerKey
        let lineBits = 8 * FilterFormat.lineBytes
        let lines = max(1, (bits + lineBits - 1) / lineBits)
        bytes = Array(repeating: 0, count: lines * FilterFormat.lineBytes)
    }

    /// As it lies in a table.
    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func insert(_ key: UnsafeRawBufferPointer) {
        let (line, bits) = FilterFormat.place(FilterFormat.hash(key), lines: lines)
        bytes.withUnsafeMutableBytes { bytes in
            var bits = bits
            for _ in 0..<FilterFormat.probes {
                bytes[line * FilterFormat.lineBytes + Int(bits & 511) >> 3] |= 1 << UInt8(bits & 7)
                bits >>= 9
            }
        }
    }

    /// Calls with the entries of a table whose keys it has.
    func forEachEntry<E: Error>(
        salt: UInt32, keys: UInt64, sections: [UInt8],
        _ body: (_ key: [UInt8], _ value: UnsafeRawBufferPointer) throws(E) -> Void
    ) throws(E) {
        var head = RawBuffer(capacity: 32)
        withUnsafeBytes(of: salt.littleEndian) { head.append($0) }
        for number in [keys, UInt64(lines)] {
            head.grow(by: Varint.write(number, into: head.reserve(Varint.maximumLength)))
        }
        sections.withUnsafeBytes { head.append($0) }
        try body([FilterFormat.section], head.bytes)
        let pageBytes = FilterFormat.linesPerPage * FilterFormat.lineBytes
        try bytes.span.withUnsafeBytes { (bytes) throws(E) in
            for page in 0..<((bytes.count + pageBytes - 1) / pageBytes) {
                let end = min(bytes.count, (page + 1) * pageBytes)
                try body(
                    FilterFormat.pageKey(page),
                    UnsafeRawBufferPointer(rebasing: bytes[(page * pageBytes)..<end]))
            }
        }
    }
}

/// The filter of a table, whose pages are read when they are asked for.
final class TableFilter: Sendable {
    /// How many keys it is of.
    let keys: Int
    /// The first bytes of these.
    let sections: [UInt8]
    private let lines: Int
    private let kept: Monitor<Kept>

    /// The pages in memory. Of many, those that were read first go first.
    private struct Kept {
        var pages: [Int: TableReader.Found] = [:]
        var order: [Int] = []
        var next = 0

        mutating func insert(_ found: TableReader.Found, _ page: Int) {
            guard pages.updateValue(found, forKey: page) == nil else { return }
            guard order.count == TableFilter.keptPages else {
                order.append(page)
                return
            }
            pages[order[next]] = nil
            order[next] = page
            next = (next + 1) % order.count
        }
    }

    /// 32 MiB: those of 17 to 25 million keys.
    private static let keptPages = 2048

    /// - Returns: nil when the table has none, or one that another table was made with.
    init?(_ table: TableReader) throws(LogError) {
        guard let found = try table.find([FilterFormat.section]) else { return nil }
        let value = found.value
        guard value.count > 4 else { throw TableFilter.damage(table) }
        guard value.little(0, as: UInt32.self) == table.salt else { return nil }
        var offset = 4
        // What it says is not believed before memory is taken for it.
        guard let keys = Varint.read(value, &offset), let lines = Varint.read(value, &offset), lines > 0,
            lines <= table.length / UInt64(FilterFormat.lineBytes),
            keys <= FilterFormat.room(lines: Int(lines)), offset < value.count
        else { throw TableFilter.damage(table) }
        self.keys = Int(keys)
        self.lines = Int(lines)
        sections = Array(value[offset...])
        kept = Monitor(Kept())
    }

    private static func damage(_ table: TableReader) -> LogError {
        TableReader.damage(table.path, 0, "its filter of keys is not what was written")
    }

    /// Whether the table may hold a key; false only when it does not.
    ///
    /// - Complexity: constant, and reads 16 KiB where the page is not in memory.
    func mayHold(_ key: UnsafeRawBufferPointer, in table: TableReader) throws(LogError) -> Bool {
        guard let first = key.first, sections.contains(first) else { return true }
        var (line, bits) = FilterFormat.place(FilterFormat.hash(key), lines: lines)
        let page = try page(line / FilterFormat.linesPerPage, of: table).value
        line %= FilterFormat.linesPerPage
        for _ in 0..<FilterFormat.probes {
            let byte = page[line * FilterFormat.lineBytes + Int(bits & 511) >> 3]
            if byte & 1 << UInt8(bits & 7) == 0 { return false }
            bits >>= 9
        }
        return true
    }

    private func page(_ number: Int, of table: TableReader) throws(LogError) -> TableReader.Found {
        if let found = kept.withLock({ $0.pages[number] }) { return found }
        let found = try read(number, of: table)
        kept.withLock { $0.insert(found, number) }
        return found
    }

    private func read(_ number: Int, of table: TableReader) throws(LogError) -> TableReader.Found {
        let perPage = FilterFormat.linesPerPage
        let bytes = min(perPage, lines - number * perPage) * FilterFormat.lineBytes
        guard let found = try table.find(FilterFormat.pageKey(number)), found.value.count == bytes else {
            throw TableFilter.damage(table)
        }
        return found
    }

    /// All of it, to be gone on with; nil when there is no room for so many keys more.
    func builder(adding more: Int, of table: TableReader) throws(LogError) -> FilterBuilder? {
        guard keys + more <= FilterFormat.room(lines: lines) else { return nil }
        var bytes: [UInt8] = []
        for number in 0..<((lines + FilterFormat.linesPerPage - 1) / FilterFormat.linesPerPage) {
            bytes += try read(number, of: table).value
        }
        return FilterBuilder(bytes: bytes)
    }
}
