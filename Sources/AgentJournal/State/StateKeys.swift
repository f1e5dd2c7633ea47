import Crypto
import SegmentLog

/// How the memory state lies in a table: keys of six sections, in this order, and their values. docs/format.md has them
/// to the byte.
///
///     C name                 flags, number of memories, last sequence
///     E hash                 sequence, recorded
///     K name 00 key          sequence, recorded, hash of what a repeated add is compared by
///     L label                sequence
///     M name 00 sequence     recorded, the event without its kind and conversation
///     S sequence             name; behind 00 when the memory is erased
///
/// No name holds a zero byte, so it ends one without changing the order. Sequences are big-endian, for their order.
enum StateKeys {
    static let conversations = UInt8(ascii: "C")
    static let erasedKeys = UInt8(ascii: "E")
    static let keys = UInt8(ascii: "K")
    static let labels = UInt8(ascii: "L")
    static let memories = UInt8(ascii: "M")
    static let sequences = UInt8(ascii: "S")

    /// An add with a key looks these up, and nearly always finds nothing: so a filter tells.
    static let filtered = [erasedKeys, keys]

    /// How many raw bytes make a block. Keys are looked up one at a time, memories read in runs.
    static func blockBytes(_ section: UInt8) -> Int {
        switch section {
        case keys, erasedKeys: 8 << 10
        case sequences, conversations: 16 << 10
        default: 32 << 10
        }
    }

    static func conversation(_ name: [UInt8]) -> [UInt8] { [conversations] + name }
    static func key(_ name: [UInt8], _ key: [UInt8]) -> [UInt8] { [keys] + name + [0] + key }
    static func erasedKey(_ hash: [UInt8]) -> [UInt8] { [erasedKeys] + hash }
    static func label(_ label: [UInt8]) -> [UInt8] { [labels] + label }
    static func memories(of name: [UInt8]) -> [UInt8] { [memories] + name + [0] }
    static func memory(_ name: [UInt8], _ sequence: UInt64) -> [UInt8] {
        memories(of: name) + bigEndian(sequence)
    }
    static func sequence(_ sequence: UInt64) -> [UInt8] { [sequences] + bigEndian(sequence) }

    static func bigEndian(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    /// The sequence at the end of a key of a memory.
    static func sequence(ofMemory key: UnsafeRawBufferPointer) -> UInt64 {
        UInt64(bigEndian: key.loadUnaligned(fromByteOffset: key.count - 8, as: UInt64.self))
    }

    /// The first 16 bytes of the SHA-256 of what a repeated idempotency key is compared by.
    static func hash(ofCompared bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hash = SHA256()
        hash.update(bufferPointer: bytes)
        return Array(hash.finalize().prefix(16))
    }

    /// By what the idempotency key of an erased memory is found: the first 16 bytes of HMAC-SHA256, under the journal's erasure
    /// key, of conversation, a zero byte and key.
    static func hash(ofKey key: [UInt8], in name: [UInt8], erasureKey: [UInt8]) -> [UInt8] {
        let code = HMAC<SHA256>.authenticationCode(
            for: name + [0] + key, using: SymmetricKey(data: erasureKey))
        return Array(code.prefix(EventFields.keyHashBytes))
    }

    /// Of an add whose memory is erased: behind this byte, with which no name begins, comes the conversation's name.
    static let erasedMark: UInt8 = 0

    /// Conversations' values add up; of all else the newer counts.
    static let combine: TableCombine = { key, older, newer in
        guard key[0] == conversations, let below = ConversationValue(older),
            let above = ConversationValue(newer)
        else { return nil }
        return above.upon(below).encoded
    }
}

/// The value of a conversation: how many memories it has, or by how many it differs from what lies below.
struct ConversationValue {
    /// Cleared here: the number does not add to what lies below.
    var isWhole: Bool
    var memories: Int
    var lastSequence: UInt64

    /// Wraps around where a crafted snapshot's numbers overflow.
    func upon(_ below: ConversationValue) -> ConversationValue {
        ConversationValue(
            isWhole: isWhole || below.isWhole, memories: isWhole ? memories : memories &+ below.memories,
            lastSequence: lastSequence)
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = [isWhole ? 1 : 0]
        bytes.appendVarint(zigzag(Int64(memories)))
        bytes.appendVarint(lastSequence)
        return bytes
    }

    init(isWhole: Bool, memories: Int, lastSequence: UInt64) {
        self.isWhole = isWhole
        self.memories = memories
        self.lastSequence = lastSequence
    }

    init?(_ bytes: UnsafeRawBufferPointer) {
        var offset = 1
        guard bytes.count > 1, bytes[0] <= 1, let count = Varint.read(bytes, &offset),
            let last = Varint.read(bytes, &offset), offset == bytes.count
        else { return nil }
        self.init(isWhole: bytes[0] == 1, memories: Int(unzigzag(count)), lastSequence: last)
    }
}

/// The value of an idempotency key.
struct KeyValue {
    var sequence: UInt64
    var recordedMicroseconds: Int64
    /// Empty of a memory that is erased.
    var hash: [UInt8]
    var isErased: Bool { hash.isEmpty }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendVarint(sequence)
        bytes.appendVarint(zigzag(recordedMicroseconds))
        return bytes + hash
    }

    init(sequence: UInt64, recordedMicroseconds: Int64, hash: [UInt8]) {
        self.sequence = sequence
        self.recordedMicroseconds = recordedMicroseconds
        self.hash = hash
    }

    /// Not inlined, because of a fault of Swift 6.3: where it was, and the hash not used, the optimizer freed the array before
    /// the bytes were copied into it (found by the address sanitizer in a release build).
    @inline(never)
    init?(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        guard let sequence = Varint.read(bytes, &offset), let recorded = Varint.read(bytes, &offset) else {
            return nil
        }
        self.init(
            sequence: sequence, recordedMicroseconds: unzigzag(recorded), hash: Array(bytes[offset...]))
    }
}

/// The value of a memory: its event, without what the key says already.
enum MemoryValue {
    private static let kindTag: UInt8 = 0x08

    /// What every event of an add to a conversation begins with, as this version writes it.
    static func prefix(_ name: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [kindTag, UInt8(EventFields.Kind.added), 0x12]
        bytes.appendVarint(UInt64(name.count))
        return bytes + name
    }

    /// - Parameter prefix: That of the event's conversation.
    static func encode(
        _ event: UnsafeRawBufferPointer, prefix: [UInt8], recordedMicroseconds: Int64,
        into output: inout RawBuffer
    ) {
        output.appendVarint(zigzag(recordedMicroseconds))
        let isUsual =
            event.count > prefix.count && event[prefix.count] != kindTag
            && prefix.withUnsafeBytes { TableKey.hasPrefix(event, $0) }
        if isUsual {
            output.append(UnsafeRawBufferPointer(rebasing: event[prefix.count...]))
            return
        }
        // Another writer may write a length in more bytes than it takes; then all of the event stays, which begins with its kind.
        output.append(event)
    }

    /// The event's bytes and its recorded time; nil when the value is not that of a memory with this sequence in the conversation.
    static func decode(
        _ value: UnsafeRawBufferPointer, name: [UInt8], _ sequence: UInt64
    ) -> (event: [UInt8], recorded: Int64)? {
        var offset = 0
        guard let recorded = Varint.read(value, &offset).map(unzigzag), offset < value.count,
            Timestamp.microsecondsRange.contains(recorded)
        else { return nil }
        let rest = value[offset...]
        let event = rest.first == kindTag ? Array(rest) : prefix(name) + rest
        let isMemory = event.withUnsafeBytes { event in
            guard let fields = try? EventFields(event, at: sequence, inErasedSegment: false),
                fields.kind == EventFields.Kind.added, let conversation = fields.conversation
            else { return false }
            return event[conversation].elementsEqual(name)
        }
        return isMemory ? (event, recorded) : nil
    }
}

/// What is known of erasures, as events and snapshots tell it.
struct ErasureState: Sendable, Hashable {
    /// What was forgotten up to here is erased.
    var through: UInt64 = 0
    /// An erasure up to here was begun.
    var begunThrough: UInt64 = 0
    /// Under which the idempotency keys of erased memories are hashed; empty before the first erasure.
    var key: [UInt8] = []

    /// Whether one was begun and not ended.
    var isUnfinished: Bool { begunThrough > through }
}

/// What a snapshot says of the whole, in its meta block.
struct StateMeta {
    var lastSequence: UInt64 = 0
    var recordedMicroseconds: Int64 = 0
    /// Memories that are there.
    var memories: UInt64 = 0
    /// History up to here was let go.
    var floor: UInt64 = 0
    var erasure = ErasureState()
    /// What was forgotten up to here is erased from this snapshot; from the segments perhaps not yet.
    var erasedThrough: UInt64 = 0

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendVarint(lastSequence)
        bytes.appendVarint(zigzag(recordedMicroseconds))
        bytes.appendVarint(memories)
        bytes.appendVarint(floor)
        guard erasure != ErasureState() || erasedThrough > 0 else { return bytes }
        bytes.appendVarint(erasure.through)
        bytes.appendVarint(erasure.begunThrough)
        bytes.appendVarint(erasedThrough)
        return bytes + erasure.key
    }

    init() {}

    /// Later versions may append to it.
    init?(_ bytes: [UInt8]) {
        let read = bytes.withUnsafeBytes { bytes -> (numbers: [UInt64], end: Int) in
            var offset = 0
            var numbers: [UInt64] = []
            while numbers.count < 7, let number = Varint.read(bytes, &offset) { numbers.append(number) }
            return (numbers, offset)
        }
        let numbers = read.numbers
        guard numbers.count >= 4 else { return nil }
        lastSequence = numbers[0]
        recordedMicroseconds = unzigzag(numbers[1])
        memories = numbers[2]
        floor = numbers[3]
        guard floor <= lastSequence, Timestamp.microsecondsRange.contains(recordedMicroseconds) else {
            return nil
        }
        guard numbers.count > 4 else { return }
        let key = bytes[read.end...].prefix(EventFields.erasureKeyBytes)
        guard numbers.count == 7, key.count == EventFields.erasureKeyBytes,
            max(numbers[4], numbers[5]) < lastSequence
        else { return nil }
        erasure = ErasureState(through: numbers[4], begunThrough: numbers[5], key: Array(key))
        erasedThrough = numbers[6]
    }
}

func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }
func unzigzag(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }

extension [UInt8] {
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}
