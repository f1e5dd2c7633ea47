#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Little-endian integers in raw memory, bounds-checked.
extension UnsafeRawBufferPointer {
    /// Reads an integer at `offset`, which need not be aligned.
    @inline(__always)
    func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count)
        return T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Whether all bytes are zero: the first one is, and each is what the one before it is.
    ///
    /// By `memcmp`, because a preallocated tail is megabytes of zeros.
    func isAllZero() -> Bool {
        guard let base = baseAddress, count > 0 else { return true }
        return self[0] == 0 && memcmp(base, base + 1, count - 1) == 0
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Stores an integer at `offset`, which need not be aligned.
    @inline(__always)
    func setLittle<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ offset: Int) {
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count)
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}

/// Rounds up to the next multiple of 8: where the next frame begins.
@inline(__always)
func aligned8(_ offset: UInt64) -> UInt64 { (offset &+ 7) & ~7 }
