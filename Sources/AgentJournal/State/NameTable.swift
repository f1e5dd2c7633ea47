/// Numbers for conversation names, found by the bytes of a name without making a string or an array of them.
///
/// Open addressing with linear probing; grows at three quarters full. (The standard dictionary can be asked only with a
/// key of its own type, which would cost an allocation for every replayed event.)
struct NameTable {
    private(set) var names: [[UInt8]] = []
    private var hashes: [UInt64] = []
    /// Name number plus one; 0 is free. Its count is a power of two.
    private var slots: [UInt32] = Array(repeating: 0, count: 64)
    /// Most events belong to the conversation of the one before.
    private var latest: Int?
    /// Names come from outside: a seed of the process keeps them from being made to collide.
    private let seed = UInt64.random(in: .min ... .max)

    func find(_ name: UnsafeRawBufferPointer) -> Int? {
        if let latest, isName(latest, name) { return latest }
        let hash = hash(name)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if hashes[number] == hash, isName(number, name) { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// The number of a name, a new one if it has none.
    mutating func findOrAdd(_ name: UnsafeRawBufferPointer) -> Int {
        let number = find(name) ?? add(name)
        latest = number
        return number
    }

    private mutating func add(_ name: UnsafeRawBufferPointer) -> Int {
        names.append(Array(name))
        hashes.append(hash(name))
        if names.count * 4 > slots.count * 3 {
            slots = Array(repeating: 0, count: slots.count * 2)
            for number in names.indices { place(number) }
        } else {
            place(names.count - 1)
        }
        return names.count - 1
    }

    private mutating func place(_ number: Int) {
        var slot = Int(truncatingIfNeeded: hashes[number]) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = UInt32(number) + 1
    }

    private func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(seed)
        hasher.combine(bytes: bytes)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    @inline(__always)
    private func isName(_ number: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        names[number].withUnsafeBytes { NameTable.isEqual($0, bytes) }
    }

    /// All of it inlined: across a call, a reference to the name would be counted, which takes as long as to compare one.
    @inline(__always)
    private static func isEqual(_ name: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        guard name.count == other.count else { return false }
        var offset = 0
        while offset + 8 <= name.count {
            let word = name.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard word == other.loadUnaligned(fromByteOffset: offset, as: UInt64.self) else { return false }
            offset += 8
        }
        while offset < name.count {
            guard name[offset] == other[offset] else { return false }
            offset += 1
        }
        return true
    }
}
