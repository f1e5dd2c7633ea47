/// Where the bytes of events are kept in memory: large chunks that only grow, so that a memory costs no allocation of
/// its own, and that stay valid for whoever still reads from them.
struct Arena {
    private static let chunkBytes = 256 << 10

    /// A piece of memory that is written once, from front to back.
    ///
    /// `@unchecked Sendable`: bytes below `count` never change after they were written under the state's lock, and a
    /// reader learns of them under the same lock.
    final class Chunk: @unchecked Sendable {
        fileprivate let bytes: UnsafeMutableRawBufferPointer
        fileprivate var count = 0

        fileprivate init(capacity: Int) { bytes = .allocate(byteCount: capacity, alignment: 8) }
        deinit { bytes.deallocate() }

        func withBytes<R>(_ offset: UInt32, _ length: UInt32, _ body: (UnsafeRawBufferPointer) throws -> R)
            rethrows -> R
        {
            try body(UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<(Int(offset) + Int(length))]))
        }
    }

    /// Where an event's bytes are.
    struct Place {
        var chunk: UInt32
        var offset: UInt32
        var length: UInt32
    }

    private(set) var chunks: [Chunk] = []

    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Place {
        if chunks.last.map({ $0.bytes.count - $0.count < bytes.count }) ?? true {
            chunks.append(Chunk(capacity: max(Arena.chunkBytes, bytes.count)))
        }
        let chunk = chunks.last!
        let place = Place(
            chunk: UInt32(chunks.count - 1), offset: UInt32(chunk.count), length: UInt32(bytes.count))
        UnsafeMutableRawBufferPointer(rebasing: chunk.bytes[chunk.count...]).copyMemory(from: bytes)
        chunk.count += bytes.count
        return place
    }

    func withBytes<R>(_ place: Place, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try chunks[Int(place.chunk)].withBytes(place.offset, place.length, body)
    }
}
