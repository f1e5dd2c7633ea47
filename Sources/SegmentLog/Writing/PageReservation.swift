import JournalFileSystem

extension SharedPage {
    /// Sees to it that the next stores do not end the process on a full disk.
    ///
    /// - Parameter lockFile: The file that is mapped.
    /// - Throws: why they would.
    func reserve(in lockFile: any File) throws(FileSystemError) {
        do {
            try reserve()
        } catch {
            // The mapping tells that a store would fail, and not why. A write to the same page does, or makes it right.
            try lockFile.write([0, 0, 0, 0], at: UInt64(LockFile.checksumOffset))
            try reserve()
        }
    }
}
