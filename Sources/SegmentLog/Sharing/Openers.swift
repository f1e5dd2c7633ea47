import JournalFileSystem

/// Who has the journal open for writing.
///
/// Each opener holds a byte of the lock file locked, which the kernel drops when its process dies, however it dies; and leaves
/// a record of itself, because a lock cannot tell who holds it.
struct Openers {
    let lockFile: any File

    /// Whether anybody else has the journal open for writing.
    func hasOthers() throws(LogError) -> Bool {
        let lockFile = lockFile
        return try asLogError { () throws(FileSystemError) in
            try lockFile.isLockedByOther(LockFile.openersRange, .exclusive)
        }
    }

    /// Takes a byte, and leaves a record. Under the writer range.
    func enter(_ opener: LockFile.Opener) throws(LogError) -> Int {
        let lockFile = lockFile
        return try asLogError { () throws(FileSystemError) in
            for number in 0..<LockFile.openerCount
            where try lockFile.lock(LockFile.openerRange(number), .exclusive, wait: false) {
                // It is information for people: a full disk does not keep anybody from opening.
                do throws(FileSystemError) {
                    try lockFile.write(LockFile.encode(opener), at: LockFile.openerOffset(number))
                } catch {
                    guard error.isFull else { throw error }
                }
                return number
            }
            _ = try lockFile.lock(LockFile.openerRange(LockFile.openerCount), .shared, wait: true)
            return LockFile.openerCount
        }
    }

    /// Those who have it open now but for this process.
    func others(bootIdentity: UInt64) throws(LogError) -> [LockFile.Opener] {
        guard try hasOthers() else { return [] }
        let lockFile = lockFile
        return try asLogError { () throws(FileSystemError) in
            var found: [LockFile.Opener] = []
            for number in 0..<LockFile.openerCount {
                let bytes = try lockFile.read(LockFile.openerLength, at: LockFile.openerOffset(number))
                // Records are left in order of their numbers; behind the last there is none.
                if bytes.count < LockFile.openerLength { break }
                let opener = bytes.withUnsafeBytes { LockFile.decodeOpener($0, bootIdentity: bootIdentity) }
                if let opener, try lockFile.isLockedByOther(LockFile.openerRange(number), .exclusive) {
                    found.append(opener)
                }
            }
            return found
        }
    }
}

extension SegmentLog {
    /// Whether another process has the journal open for writing now; true for a reader that has no lock file.
    ///
    /// - Complexity: one call to the system.
    package var isShared: Bool {
        get throws(LogError) {
            guard let lockFile else { return true }
            return try Openers(lockFile: lockFile).hasOthers()
        }
    }

    /// Whoever else has the journal open for writing.
    package var otherOpeners: [LockFile.Opener] {
        guard let lockFile else { return [] }
        // What cannot be found out about others is nothing that this process fails for.
        return
            (try? Openers(lockFile: lockFile).others(bootIdentity: options.fileSystem.process.bootIdentity))
            ?? []
    }
}
