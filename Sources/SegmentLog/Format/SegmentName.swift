/// The name of a segment's file: `<first sequence, 20 digits>-<segment id, 8 digits>.segment`.
package struct SegmentName: Hashable, Sendable, CustomStringConvertible {
    package var firstSequence: UInt64
    package var id: UInt32

    package init(firstSequence: UInt64, id: UInt32) {
        self.firstSequence = firstSequence
        self.id = id
    }

    /// Nil when `name` is not exactly such a name.
    package init?(_ name: String) {
        let bytes = Array(name.utf8)
        guard bytes.count == 37, name.hasSuffix(".segment"), bytes[20] == UInt8(ascii: "-"),
            (bytes[0..<20] + bytes[21..<29]).allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            ),
            let first = UInt64(name.prefix(20)), let id = UInt32(name.dropFirst(21).prefix(8))
        else { return nil }
        self.init(firstSequence: first, id: id)
    }

    package var description: String {
        decimal(firstSequence, digits: 20) + "-" + decimal(id, digits: 8) + ".segment"
    }

    /// The name while the segment is being made: readers ignore it, the next writer removes it.
    package static let unfinishedSuffix = ".new"

    /// The name of an unfinished segment; nil when `name` is not exactly such a name.
    init?(unfinished name: String) {
        guard name.hasSuffix(SegmentName.unfinishedSuffix) else { return nil }
        self.init(String(name.dropLast(SegmentName.unfinishedSuffix.utf8.count)))
    }
}
