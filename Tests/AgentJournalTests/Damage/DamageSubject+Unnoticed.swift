import JournalTesting
import SegmentLog
import SystemPackage

/// What docs/durability.md says cannot be noticed, and no more than that.
extension DamageSubject {
    /// What may be read of a damaged disk: everything; and what a log holds that seems to have ended earlier.
    func allowed(_ disk: SimulatedDisk) -> [JournalReading] {
        guard let last = seemingEnd(disk), let earlier = readings[last] else { return [reading] }
        return [reading, earlier]
    }

    /// What `verify` need not notice.
    func mayGoUnnoticed(_ damage: Damage, _ disk: SimulatedDisk) -> Bool {
        guard let file = damage.files.first else { return false }
        let isGone = !disk.paths.contains(file)
        // Nothing else speaks of it while the log reaches back to its first event.
        if isGone, file.string.hasSuffix(".snapshot") { return life != .letGo }
        guard life == .killed else { return false }
        // Without a clean close it holds nothing that counts.
        if file.lastComponent?.string == "lock" { return isGone || isLockUnchecked(disk, file) }
        guard file.string.hasSuffix(".segment") else { return false }
        // Behind the end that its successor states nothing is read.
        if file != lastSegment { return damage.offset.map { $0 >= frames.end(of: file) } ?? false }
        // Unless it was packed, the segment before it could be the last.
        if isGone { return !isPacked(segments.dropLast().last!) }
        return seemsWhole(disk)
    }

    /// Whether a note says only that the journal was killed, as it does of the undamaged one.
    func isOfKill(_ note: String) -> Bool {
        guard life == .killed else { return false }
        let remains = "bytes that are never read"
        let file = note.prefix { $0 != ":" }
        return note.contains("not closed cleanly")
            || note.contains(remains) && notes.contains { $0.contains(remains) && $0.hasPrefix(file) }
    }

    /// Whether of `lock` only that differs which counts while somebody writes, and a clean-close record that does not stand.
    private func isLockUnchecked(_ disk: SimulatedDisk, _ lock: FilePath) -> Bool {
        guard let found = try? disk.contents(of: lock), let right = try? self.disk.contents(of: lock),
            min(found.count, LockFile.length) == min(right.count, LockFile.length)
        else { return false }
        return (0..<min(found.count, right.count)).allSatisfy {
            found[$0] == right[$0] || $0 < 512 || (3592..<3640).contains($0) || $0 >= LockFile.length
        }
    }

    private func isPacked(_ segment: FilePath) -> Bool { frames.of(segment).contains(where: \.isPacked) }

    /// The last sequence of the log that a damaged last segment shows, if nothing that is left in it promises more.
    private func seemingEnd(_ disk: SimulatedDisk) -> UInt64? {
        guard life == .killed else { return nil }
        // What was there before the segment was begun is still in the one before it.
        guard let bytes = try? disk.contents(of: lastSegment) else { return lastBeforeKill }
        let all = frames.of(lastSegment)
        guard headerCopies.contains(where: { isThere($0, bytes) }),
            let torn = all.firstIndex(where: { !isThere($0.bytes, bytes) })
        else { return nil }
        let isPromised = all[(torn + 1)...].contains { $0.promises && isThere($0.header, bytes) }
        return isPromised ? nil : all[torn].firstSequence - 1
    }

    /// Whether the last segment ends, with nothing behind it, where one of its frames does.
    private func seemsWhole(_ disk: SimulatedDisk) -> Bool {
        guard let bytes = try? disk.contents(of: lastSegment), headerCopies.allSatisfy({ isThere($0, bytes) })
        else { return false }
        let end = frames.of(lastSegment).prefix { isThere($0.bytes, bytes) }.last?.bytes.upperBound ?? 1024
        return bytes.dropFirst(end).allSatisfy { $0 == 0 }
    }

    private var headerCopies: [Range<Int>] { [0..<128, 512..<640] }

    /// Whether the last segment's bytes are where and what they were.
    private func isThere(_ range: Range<Int>, _ bytes: [UInt8]) -> Bool {
        guard range.upperBound <= bytes.count else { return false }
        return bytes[range] == lastSegmentBytes[range]
    }
}
