/// A growable piece of raw memory that is used again and again, so that the hot paths allocate nothing.
///
/// Unlike an array it does not clear or copy what it grows over, and it has one owner, which frees it.
package struct RawBuffer: ~Copyable {
    private var storage: UnsafeMutableRawBufferPointer
    /// How many bytes are in use.
    package private(set) var count = 0

    package init(capacity: Int = 4096) {
        storage = .allocate(byteCount: max(capacity, 64), alignment: 16)
    }

    deinit { storage.deallocate() }

    /// The bytes in use.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<count]) }

    /// The bytes in use, to be changed.
    package var mutableBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: storage[..<count])
    }

    /// Forgets the contents; keeps the memory.
    package mutating func removeAll() { count = 0 }

    /// Makes room for `extra` more bytes and returns it; `grow(by:)` then says how many of them were filled.
    package mutating func reserve(_ extra: Int) -> UnsafeMutableRawBufferPointer {
        let needed = count + extra
        if needed > storage.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(needed, storage.count * 2), alignment: 16)
            larger.copyMemory(from: bytes)
            storage.deallocate()
            storage = larger
        }
        return UnsafeMutableRawBufferPointer(rebasing: storage[count..<needed])
    }

    /// Takes `extra` bytes, filled through `reserve(_:)`, into use.
    package mutating func grow(by extra: Int) {
        precondition(extra >= 0 && count + extra <= storage.count)
        count += extra
    }

    /// Sets the count, making room but filling nothing.
    package mutating func resize(to newCount: Int) {
        if newCount > count { _ = reserve(newCount - count) }
        count = newCount
    }

    package mutating func append(_ more: UnsafeRawBufferPointer) {
        guard more.count > 0 else { return }
        reserve(more.count).copyMemory(from: more)
        count += more.count
    }

    package mutating func appendZeros(_ number: Int) {
        guard number > 0 else { return }
        reserve(number).initializeMemory(as: UInt8.self, repeating: 0)
        count += number
    }

    /// Gives memory beyond `limit` back, so that one huge frame does not stay resident.
    package mutating func shrink(above limit: Int) {
        guard storage.count > limit, count <= limit else { return }
        let smaller = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 16)
        smaller.copyMemory(from: bytes)
        storage.deallocate()
        storage = smaller
    }
}
