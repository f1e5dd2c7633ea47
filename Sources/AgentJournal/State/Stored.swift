/// A memory's event, held while it is decoded.
struct Stored: Sendable {
    private enum Bytes: Sendable {
        case inChunk(Arena.Chunk, offset: UInt32, length: UInt32)
        case own([UInt8])
    }

    private let bytes: Bytes
    let sequence: UInt64
    let recordedMicroseconds: Int64

    init(_ entry: Layer.Entry, in arena: Arena) {
        bytes = .inChunk(
            arena.chunks[Int(entry.place.chunk)], offset: entry.place.offset, length: entry.place.length)
        sequence = entry.sequence
        recordedMicroseconds = entry.recordedMicroseconds
    }

    init(_ event: [UInt8], sequence: UInt64, recordedMicroseconds: Int64) {
        bytes = .own(event)
        self.sequence = sequence
        self.recordedMicroseconds = recordedMicroseconds
    }

    /// The fields and the bytes. What is in the state was checked when it was read.
    func withFields<R>(_ body: (EventFields, UnsafeRawBufferPointer) -> R) -> R {
        func decode(_ event: UnsafeRawBufferPointer) -> R { body(EventFields(checked: event), event) }
        return switch bytes {
        case .inChunk(let chunk, let offset, let length): chunk.withBytes(offset, length, decode)
        case .own(let event): event.withUnsafeBytes(decode)
        }
    }

    func memory() -> Memory {
        withFields { Memory($0, $1, sequence: sequence, recordedMicroseconds: recordedMicroseconds) }
    }
}
