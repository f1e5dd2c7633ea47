internal import CZlib

/// CRC-32 as zlib computes it. It finds every error of up to 32 consecutive bits, so every single flipped bit.
package enum Checksum {
    /// Continues `seed` over `bytes`; begin with 0.
    package static func crc32(_ seed: UInt32 = 0, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return seed }
        return UInt32(
            truncatingIfNeeded: crc32_z(UInt(seed), base.assumingMemoryBound(to: UInt8.self), bytes.count))
    }

    /// The same over an array.
    package static func crc32(_ seed: UInt32 = 0, _ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { crc32(seed, $0) }
    }

    /// Fewer bytes are read in less time than it takes to combine two checksums.
    static let worthCombining = 2 << 10

    /// That of so many bytes, whose own is `crc`, one copy behind the other.
    ///
    /// - Complexity: a tenth of a microsecond to one, however many bytes; some microseconds before zlib 1.2.12.
    static func crc32(twice crc: UInt32, byteCount: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32_combine(UInt(crc), UInt(crc), byteCount))
    }
}
