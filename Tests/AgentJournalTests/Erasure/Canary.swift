import CZlib
import JournalTesting
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Looks for bytes in every file of a journal: as they stand, and in what inflates from any offset on.
enum Canary {
    /// The files that hold one of the words, with the word.
    static func find(_ words: [String], on disk: SimulatedDisk) throws -> [String] {
        var found: Set<String> = []
        let patterns = words.map { Array($0.utf8) }
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { output.deallocate() }
        for path in disk.paths {
            try disk.contents(of: path).withUnsafeBytes { bytes in
                for offset in 0...bytes.count {
                    let piece =
                        offset == bytes.count
                        ? bytes
                        : UnsafeRawBufferPointer(
                            rebasing: output[..<inflate(bytes[offset...], into: output)])
                    for (word, pattern) in zip(words, patterns)
                    where piece.holds(pattern) {
                        found.insert("\(path.lastComponent?.string ?? ""): \(word)")
                    }
                }
            }
        }
        return found.sorted()
    }

    /// What raw deflate makes of the bytes, as far as it comes.
    private static func inflate(
        _ bytes: Slice<UnsafeRawBufferPointer>, into output: UnsafeMutableRawBufferPointer
    ) -> Int {
        // Of most places no stream begins: the kind of the first block says so.
        guard bytes[bytes.startIndex] & 6 != 6 else { return 0 }
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return 0
        }
        defer { inflateEnd(&stream) }
        let input = UnsafeRawBufferPointer(rebasing: bytes)
        stream.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(input.count)
        stream.next_out = output.bindMemory(to: UInt8.self).baseAddress
        stream.avail_out = UInt32(output.count)
        // However it ends: what came out until then counts.
        _ = CZlib.inflate(&stream, Z_SYNC_FLUSH)
        return output.count - Int(stream.avail_out)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func holds(_ pattern: [UInt8]) -> Bool {
        var at = 0
        while count - at >= pattern.count,
            let found = memchr(baseAddress! + at, Int32(pattern[0]), count - at - pattern.count + 1)
        {
            if memcmp(found, pattern, pattern.count) == 0 { return true }
            at = UnsafeRawPointer(found) - baseAddress! + 1
        }
        return false
    }
}
