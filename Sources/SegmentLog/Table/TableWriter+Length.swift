import JournalFileSystem
import SystemPackage

extension TableWriter {
    /// How many bytes a table would be long: makes it, and keeps nothing.
    ///
    /// - Parameters:
    ///   - shouldContinue: Asked after each piece of about a mebibyte; false gives up.
    ///   - body: Adds the entries, and returns the meta block.
    /// - Complexity: that of writing the table, without the disk.
    package static func length(
        journal: JournalUUID, sequence: UInt64, level: Int32, blockBytes: @escaping (UInt8) -> Int,
        shouldContinue: @escaping () -> Bool,
        _ body: (TableWriter) throws(LogError) -> [UInt8]
    ) throws(LogError) -> UInt64 {
        let writer = TableWriter(
            NoFile(), journal: journal, sequence: sequence, salt: 0, level: level, blockBytes: blockBytes,
            didWrite: { (_) throws(FileSystemError) in
                guard !shouldContinue() else { return }
                throw FileSystemError(operation: "snapshot", path: "", errno: .canceled)
            })
        let meta = try body(writer)
        return try asLogError { () throws(FileSystemError) in try writer.finish(meta: meta) }
    }
}

/// Takes what is written, and keeps none of it.
private final class NoFile: File {
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError) {}
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileSystemError) -> Int {
        0
    }
    func length() throws(FileSystemError) -> UInt64 { 0 }
    func allocate(_ range: Range<UInt64>) throws(FileSystemError) {}
    func keepBlocksInPlace() {}
    func truncate(to length: UInt64) throws(FileSystemError) {}
    func syncData() throws(FileSystemError) {}
    func sync() throws(FileSystemError) {}
    func lock(_ range: Range<UInt64>, _ kind: LockKind, wait: Bool) throws(FileSystemError) -> Bool { true }
    func unlock(_ range: Range<UInt64>) throws(FileSystemError) {}
    func isLockedByOther(_ range: Range<UInt64>, _ kind: LockKind) throws(FileSystemError) -> Bool { false }
    func mapSharedPage(length: Int, writable: Bool) throws(FileSystemError) -> any SharedPage {
        throw FileSystemError(operation: "mmap", path: "", errno: .notSupported)
    }
    func identity() throws(FileSystemError) -> FileIdentity { FileIdentity(device: 0, inode: 0) }
    func linkedLength() throws(FileSystemError) -> UInt64? { nil }
    func close() {}
}
