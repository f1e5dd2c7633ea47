import JournalFileSystem

/// The clean-close record: written whole and synced before its mark, and the mark is one word.
extension SegmentLog {
    /// Leaves the record for the log's present end.
    func leaveMark(_ writer: Writer) throws(FileSystemError) {
        guard let lockFile, let entry = entries.last else { return }
        let record = CleanCloseRecord(
            segment: entry.header.id, chain: writer.active?.frames.chain ?? writer.predecessor.chain,
            end: writer.active?.frames.end ?? writer.predecessor.end, lastSequence: writer.lastSequence,
            closedMicroseconds: options.now())
        try SegmentLog.leaveMark(record, lockFile)
    }

    static func leaveMark(_ record: CleanCloseRecord, _ lockFile: any File) throws(FileSystemError) {
        let bytes = record.encoded()
        try lockFile.write(bytes, at: UInt64(LockFile.recordOffset))
        try lockFile.syncData()
        try writeMark(CleanCloseRecord.mark(bytes), lockFile)
        try lockFile.syncData()
    }

    /// Writes the mark; 0 takes the record back, so that from the sync on the log may grow.
    static func writeMark(_ mark: UInt64, _ lockFile: any File) throws(FileSystemError) {
        try lockFile.write(
            (0..<8).map { UInt8(truncatingIfNeeded: mark >> (8 * $0)) }, at: UInt64(LockFile.markOffset))
    }

    /// Nobody has it open any more. Not synced: nothing relies on it, `verify` alone compares it.
    func clearShared() throws(FileSystemError) {
        guard let lockFile else { return }
        let zeros = [UInt8](repeating: 0, count: LockFile.sharedRange.count)
        try lockFile.write(zeros, at: UInt64(LockFile.sharedRange.lowerBound))
        try lockFile.truncate(to: UInt64(LockFile.length))
        let page = try lockFile.read(LockFile.length, at: 0)
        guard page.count == LockFile.length else { return }
        try SegmentLog.writeChecksum(page.withUnsafeBytes { LockFile.checksum($0) }, lockFile)
    }

    /// Leaves the checksum of the page's beginning, or 0 while somebody changes it.
    static func writeChecksum(_ checksum: UInt32, _ lockFile: any File) throws(FileSystemError) {
        try lockFile.write(
            (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) },
            at: UInt64(LockFile.checksumOffset))
    }
}
