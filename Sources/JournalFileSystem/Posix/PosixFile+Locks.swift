import CJournalPOSIX
import SystemPackage

extension PosixFile {
    package func lock(
        _ range: Range<UInt64>, _ kind: LockKind, wait: Bool
    ) throws(FileSystemError) -> Bool {
        let (start, length) = try extent(of: range, "lock")
        return try descriptor.use("lock", path) { descriptor throws(FileSystemError) in
            let result = jp_lock(descriptor.rawValue, start, length, kind == .exclusive, wait)
            if Errno(rawValue: result) == .resourceTemporarilyUnavailable { return false }
            try check(result, "lock", path)
            return true
        }
    }

    package func unlock(_ range: Range<UInt64>) throws(FileSystemError) {
        let (start, length) = try extent(of: range, "unlock")
        try descriptor.use("unlock", path) { descriptor throws(FileSystemError) in
            try check(jp_unlock(descriptor.rawValue, start, length), "unlock", path)
        }
    }

    package func isLockedByOther(
        _ range: Range<UInt64>, _ kind: LockKind
    ) throws(FileSystemError) -> Bool {
        let (start, length) = try extent(of: range, "test of lock")
        return try descriptor.use("test of lock", path) { descriptor throws(FileSystemError) in
            var isLocked = false
            try check(
                jp_is_locked(descriptor.rawValue, start, length, kind == .exclusive, &isLocked),
                "test of lock", path)
            return isLocked
        }
    }

    /// Start and length as the kernel takes them. An empty range is refused: to the kernel a length of 0 means
    /// everything from there on, which is what is said here by an upper bound beyond all offsets.
    private func extent(
        of range: Range<UInt64>, _ operation: String
    ) throws(FileSystemError) -> (start: Int64, length: Int64) {
        guard !range.isEmpty else {
            throw FileSystemError(operation: operation, path: path, errno: .invalidArgument)
        }
        let start = try systemOffset(range.lowerBound, operation, path)
        return (start, range.upperBound > UInt64(Int64.max) ? 0 : Int64(range.upperBound) - start)
    }
}
