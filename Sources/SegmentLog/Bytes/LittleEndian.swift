/// Little-endian integers in raw memory, bounds-checked.
extension UnsafeRawBufferPointer {
    /// Reads an integer at `offset`, which need not be aligned.
    @inline(__always)
    func little<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        precondition(offset >= 0 && offset &+ MemoryLayout<T>.size <= count)
        return T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Whether all bytes are zero. Eight at a time, because a preallocated tail is megabytes of them.
    func isAllZero() -> Bool {
        var offset = 0
        while offset &+ 8 <= count {
            if loadUnaligned(fromByteOffset: offset, as: UInt64.self) != 0 { return false }
            offset &+= 8
        }
        while offset < count {
            if self[offset] != 0 { return false }
            offset &+= 1
        }
        return true
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
