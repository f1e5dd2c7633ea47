#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// What an entry of a table says of its key.
package enum TableOperation: UInt8, Sendable {
    /// The key has this value.
    case put = 0
    /// The key is gone from what lies below. Only in a table that lies upon others.
    case delete = 1
    /// So are all keys that begin with this one.
    case deletePrefix = 2
}

/// A block's entries, inflated, with the places of keys and values, so that they can be searched and read in any order.
///
/// `@unchecked Sendable`: nothing in it changes after `init`.
package final class TableBlock: @unchecked Sendable {
    private struct Place {
        var key: UInt32
        var keyLength: UInt16
        var operation: TableOperation
        var value: UInt32
        var valueLength: UInt32
    }

    private let raw: RawBuffer
    private let keys: RawBuffer
    private let places: [Place]

    package var count: Int { places.count }
    /// What it takes in memory.
    let memoryBytes: Int

    /// Nil when the bytes are no series of entries in order.
    init?(_ raw: consuming RawBuffer, entryCount: Int) {
        var keys = RawBuffer(capacity: min(raw.count / 4, 64 * entryCount))
        var places: [Place] = []
        places.reserveCapacity(min(entryCount, raw.count / 3))
        let isValid = TableBlock.parse(raw.bytes, &keys, &places)
        memoryBytes = raw.count + keys.count + places.count * MemoryLayout<Place>.stride
        self.raw = raw
        self.keys = keys
        self.places = places
        guard isValid, places.count == entryCount else { return nil }
    }

    private static func parse(
        _ bytes: UnsafeRawBufferPointer, _ keys: inout RawBuffer, _ places: inout [Place]
    ) -> Bool {
        var offset = 0
        var last = 0..<0
        while offset < bytes.count {
            guard let shared = Varint.read(bytes, &offset), let rest = Varint.read(bytes, &offset),
                let tagged = Varint.read(bytes, &offset), shared <= UInt64(last.count),
                rest <= UInt64(bytes.count - offset),
                let operation = TableOperation(rawValue: UInt8(tagged & 3)),
                (1...Int(UInt16.max)).contains(Int(shared) + Int(rest))
            else { return false }
            let length = tagged >> 2
            let common = Int(shared)
            let suffix = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + Int(rest))])
            let start = keys.count
            // Only a crafted block's keys, which share all but nothing, come near the bound of their places.
            guard start <= Int(Int32.max) else { return false }
            // What two keys share is in order; so this one is above the last if what follows is.
            let isAbove = TableKey.isLess(
                UnsafeRawBufferPointer(rebasing: keys.bytes[(last.lowerBound + common)..<last.upperBound]),
                suffix)
            guard isAbove else { return false }
            // Room first: what is read of the buffer must not move while it is copied.
            let room = keys.reserve(common + suffix.count)
            room.copyMemory(
                from: UnsafeRawBufferPointer(
                    rebasing: keys.bytes[last.lowerBound..<(last.lowerBound + common)]))
            UnsafeMutableRawBufferPointer(rebasing: room[common...]).copyMemory(from: suffix)
            keys.grow(by: room.count)
            offset += suffix.count
            guard length <= UInt64(bytes.count - offset) else { return false }
            let key = start..<keys.count
            places.append(
                Place(
                    key: UInt32(start), keyLength: UInt16(key.count), operation: operation,
                    value: UInt32(offset), valueLength: UInt32(length)))
            offset += Int(length)
            last = key
        }
        return true
    }

    package func key(_ index: Int) -> UnsafeRawBufferPointer {
        let place = places[index]
        return UnsafeRawBufferPointer(
            rebasing: keys.bytes[Int(place.key)..<(Int(place.key) + Int(place.keyLength))])
    }

    /// Valid as long as the block is held.
    package func value(_ index: Int) -> UnsafeRawBufferPointer {
        let place = places[index]
        return UnsafeRawBufferPointer(
            rebasing: raw.bytes[Int(place.value)..<(Int(place.value) + Int(place.valueLength))])
    }

    package func operation(_ index: Int) -> TableOperation { places[index].operation }

    /// The first entry whose key is not below `key`; `count` when there is none.
    package func lowerBound(_ key: UnsafeRawBufferPointer) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if TableKey.isLess(self.key(middle), key) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The order of keys: by their bytes, a prefix before what it begins.
package enum TableKey {
    package static func isLess(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        compare(a, b) < 0
    }

    package static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let common = min(a.count, b.count)
        if common > 0 {
            let order = memcmp(a.baseAddress!, b.baseAddress!, common)
            if order != 0 { return Int(order) }
        }
        return a.count - b.count
    }

    package static func hasPrefix(_ key: UnsafeRawBufferPointer, _ prefix: UnsafeRawBufferPointer) -> Bool {
        guard key.count >= prefix.count else { return false }
        return prefix.isEmpty || memcmp(key.baseAddress!, prefix.baseAddress!, prefix.count) == 0
    }
}

/// Builds the raw bytes of one block.
struct BlockBuilder: ~Copyable {
    private(set) var raw = RawBuffer(capacity: 80 << 10)
    private(set) var firstKey = RawBuffer(capacity: 128)
    private(set) var lastKey = RawBuffer(capacity: 128)
    private(set) var count = 0

    mutating func add(
        _ key: UnsafeRawBufferPointer, _ operation: TableOperation, _ value: UnsafeRawBufferPointer
    ) {
        var shared = 0
        if count == 0 {
            firstKey.removeAll()
            firstKey.append(key)
        } else {
            let last = lastKey.bytes
            precondition(TableKey.isLess(last, key), "the keys of a table come in order")
            let most = min(last.count, key.count)
            while shared < most, last[shared] == key[shared] { shared += 1 }
        }
        let room = raw.reserve(3 * Varint.maximumLength + key.count - shared + value.count)
        var end = Varint.write(UInt64(shared), into: room)
        end += Varint.write(
            UInt64(key.count - shared), into: UnsafeMutableRawBufferPointer(rebasing: room[end...]))
        end += Varint.write(
            UInt64(value.count) << 2 | UInt64(operation.rawValue),
            into: UnsafeMutableRawBufferPointer(rebasing: room[end...]))
        raw.grow(by: end)
        raw.append(UnsafeRawBufferPointer(rebasing: key[shared...]))
        raw.append(value)
        lastKey.removeAll()
        lastKey.append(key)
        count += 1
    }

    mutating func removeAll() {
        raw.removeAll()
        raw.shrink(above: 1 << 20)
        count = 0
    }
}
