package import SystemPackage

extension File {
    /// Writes all of an array.
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(FileSystemError) {
        try bytes.span.withUnsafeBytes { (raw) throws(FileSystemError) in try write(raw, at: offset) }
    }

    /// Reads up to `length` bytes: fewer only where the file ends.
    package func read(_ length: Int, at offset: UInt64) throws(FileSystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: length)
        var span = bytes.mutableSpan
        let got = try span.withUnsafeMutableBytes { (raw) throws(FileSystemError) in
            try read(into: raw, at: offset)
        }
        bytes.removeLast(length - got)
        return bytes
    }
}

extension FileSystem {
    /// All of a small file, at most `limit` bytes.
    package func contents(of path: FilePath, atMost limit: Int) throws(FileSystemError) -> [UInt8] {
        let file = try openFile(path, .readOnly)
        defer { file.close() }
        return try file.read(Int(min(try file.length(), UInt64(limit))), at: 0)
    }
}

extension FileSystemError {
    /// Whether space, or the user's share of it, ran out.
    package var isFull: Bool { errno == .noSpace || errno == .diskQuotaExceeded }
}
