import JournalFileSystem

/// The locks on one file, owned by open files as the kernel's open-file-description locks are.
struct RangeLocks: Sendable {
    private struct Held {
        var owner: UInt64
        var range: Range<UInt64>
        var kind: LockKind
    }
    private var held: [Held] = []

    /// Whether another than `owner` holds what excludes this lock.
    func exclude(_ owner: UInt64, _ range: Range<UInt64>, _ kind: LockKind) -> Bool {
        held.contains {
            $0.owner != owner && $0.range.overlaps(range) && ($0.kind == .exclusive || kind == .exclusive)
        }
    }

    /// Takes a lock in place of what the owner held of that range, and says whether it could.
    mutating func take(_ owner: UInt64, _ range: Range<UInt64>, _ kind: LockKind) -> Bool {
        if exclude(owner, range, kind) { return false }
        release(owner, range)
        held.append(Held(owner: owner, range: range, kind: kind))
        return true
    }

    /// Drops what the owner holds of that range; a lock that reaches beyond it is cut.
    mutating func release(_ owner: UInt64, _ range: Range<UInt64>) {
        held = held.flatMap { lock -> [Held] in
            guard lock.owner == owner, lock.range.overlaps(range) else { return [lock] }
            var before = lock
            before.range = lock.range.lowerBound..<max(lock.range.lowerBound, range.lowerBound)
            var after = lock
            after.range = min(lock.range.upperBound, range.upperBound)..<lock.range.upperBound
            return [before, after].filter { !$0.range.isEmpty }
        }
    }

    mutating func releaseAll(of owner: UInt64) {
        held.removeAll { $0.owner == owner }
    }
}
