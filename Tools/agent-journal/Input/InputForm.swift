import SystemPackage

/// Forms of files that are no lines, known by their first bytes, and what makes lines of them.
enum InputForm {
    private struct Known {
        var magic: [UInt8]
        var name: String
        /// Writes the text to stdout, given the file's name, or nothing to read stdin; nil where no one command does.
        var command: String?
    }

    private static let known = [
        Known(magic: [0x28, 0xB5, 0x2F, 0xFD], name: "compressed with zstd", command: "zstd -dc"),
        Known(magic: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], name: "compressed with xz", command: "xz -dc"),
        Known(magic: Array("BZh".utf8), name: "compressed with bzip2", command: "bzip2 -dc"),
        Known(magic: [0x04, 0x22, 0x4D, 0x18], name: "compressed with lz4", command: "lz4 -dc"),
        Known(magic: Array("LZIP".utf8), name: "compressed with lzip", command: "lzip -dc"),
        Known(magic: [0x1F, 0x9D], name: "compressed with compress", command: "uncompress -c"),
        Known(magic: [0x50, 0x4B, 0x03, 0x04], name: "a zip archive", command: "unzip -p"),
        Known(magic: [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], name: "a 7z archive", command: "7z x -so"),
        Known(magic: [0xFF, 0xFE], name: "text in UTF-16", command: "iconv -f UTF-16 -t UTF-8"),
        Known(magic: [0xFE, 0xFF], name: "text in UTF-16", command: "iconv -f UTF-16 -t UTF-8"),
        Known(magic: Array("SQLite format 3".utf8), name: "a database of SQLite", command: nil),
        Known(magic: Array("PAR1".utf8), name: "a table in Parquet", command: nil),
    ]

    /// zstd's frames that are passed over differ in their first byte only; `pzstd` begins with one.
    private static let zstdSkippable: [UInt8] = [0x2A, 0x4D, 0x18]
    /// Where a tar archive says that it is one.
    private static let tarPlace = 257..<262

    /// - Parameters:
    ///   - head: The first bytes, 16 at least where there are so many.
    ///   - isUnpacked: Whether gzip was unpacked already.
    /// - Throws: `Failure` where lines must be made of it first.
    static func check(_ head: ArraySlice<UInt8>, of path: FilePath?, isUnpacked: Bool) throws {
        var found = known.first { head.starts(with: $0.magic) }
        if found == nil, let first = head.first, first & 0xF0 == 0x50,
            head.dropFirst().starts(with: zstdSkippable)
        {
            found = known[0]
        }
        if found == nil, head.count >= tarPlace.upperBound,
            head[(head.startIndex + tarPlace.lowerBound)...].starts(with: "ustar".utf8)
        {
            found = Known(magic: [], name: "a tar archive", command: isUnpacked ? "tar -xzOf" : "tar -xOf")
        }
        if found == nil, head.starts(with: GzipSource.magic) {
            found = Known(magic: [], name: "gzip", command: "gzip -dc")
        }
        guard let found else { return }
        let name = path?.string ?? "stdin"
        var message = "\(name) is \(found.name)\(isUnpacked ? " within gzip" : ""), not JSON lines"
        if let command = found.command {
            let unpacking =
                isUnpacked && !command.hasPrefix("tar")
                ? "gzip -dc \(name) | \(command)" : "\(command) \(name)"
            message +=
                path == nil
                ? ". Unpack it first: ... | \(command) | agent-journal import DIR -"
                : ". Unpack it first: \(unpacking) | agent-journal import DIR -"
        } else {
            message += ". Write its rows as JSON lines first"
        }
        throw Failure("unsupported_input", message, path: path)
    }
}
