import JournalFileSystem

/// The words of the shared page by which processes commit together.
///
///     16    8  visible sequence: what is durable. Changed only by who holds the syncer range
///     24    4  counter of its changes, a futex
///     64    8  writing: 0, or 1 + the number of the opener that changes the log. Stays when it dies meanwhile
///     72    8  syncing: the same of who syncs
///     80    8  failures: syncs that failed, and recoveries that did not find all that was written
///     88    8  how many of them were settled: what is vouched for was written again
///     96    8  after the last one, what was written before it is right up to here
///     104   8  directory generation: changes of the names in the log's directory
///     112   8  the next segment id
///     120   4  counter of the writer range's releases, a futex
///     124   4  how many wait for it, or died while they did
///     128   8  which of the slots holds
///     136   8  who took the writer range last, as above
///     144   8  who took the maintenance range last
///     192  64  slot A: what is written (`Written`)
///     256  64  slot B
///
/// What stores a word says whether it could: on a full disk that copies on write, a store may find no block. Whoever is inside a
/// range then leaves its mark, and ends with an error; the others take that for its death.
///
/// A process may be killed between any two stores. Whoever finds `writing` set when it takes the writer range, or
/// `syncing` when it takes the syncer range, knows that the one before it died inside, and recovers.
final class CommitPage: Sendable {
    private let page: any SharedPage
    /// Whether a store may need a new block, and end the process where the disk has none.
    private let isCopiedOnWrite: Bool

    private static let writing = 64
    private static let syncing = 72
    private static let failures = 80
    private static let settled = 88
    private static let settledSequence = 96
    private static let directory = 104
    private static let nextSegmentID = 112
    private static let releases = 120
    private static let waiters = 124
    private static let holds = 128
    private static let holder = 136
    private static let maintainer = 144
    private static let slots = [192, 256]

    init(_ page: any SharedPage, isCopiedOnWrite: Bool) {
        self.page = page
        self.isCopiedOnWrite = isCopiedOnWrite
    }

    /// Whether the next store finds its block.
    private var canStore: Bool {
        guard isCopiedOnWrite else { return true }
        do { try page.reserve() } catch { return false }
        return true
    }

    /// Stores a word, where that does not end the process.
    private func put(_ value: UInt64, at offset: Int) -> Bool {
        guard canStore else { return false }
        page.store64(value, at: offset)
        return true
    }

    /// Raises a counter that somebody waits on; where there is no block for it, they look again after some time.
    private func raise(_ offset: Int, by count: UInt32 = 1) {
        if canStore { page.add32(count, at: offset) }
    }

    /// The end of what is written, durable or not.
    struct Written: Hashable, Sendable {
        /// Differs after each change.
        var generation: UInt64
        var lastSequence: UInt64
        var recordedMicroseconds: Int64
        /// The last segment, and where its frames end.
        var segment: UInt32
        var chain: UInt32
        var end: UInt64
        /// The segment's length: up to here its blocks are reserved. 0 when nothing more may be written to it.
        var allocatedEnd: UInt64
    }

    // MARK: What is durable

    var visible: UInt64 { page.load64(at: LockFile.visibleOffset) }

    /// How often the visible sequence changed, for `waitForChange`.
    var changes: UInt32 { page.load32(at: LockFile.counterOffset) }

    func publish(visible sequence: UInt64) -> Bool {
        put(sequence, at: LockFile.visibleOffset)
    }

    /// Wakes all who wait for what is durable, in every process.
    func wakeWaiters() {
        raise(LockFile.counterOffset)
        page.wakeAll(at: LockFile.counterOffset)
    }

    func wakeWithoutChange() { page.wakeAll(at: LockFile.counterOffset) }

    /// Sleeps until `changes` is another, at most so long.
    func waitForChange(from changes: UInt32, timeoutMilliseconds: Int) {
        page.wait32(at: LockFile.counterOffset, while: changes, timeoutMilliseconds: timeoutMilliseconds)
    }

    // MARK: Who is inside a range

    /// The number of the opener that is changing the log, or died while it did.
    var writer: Int? { number(CommitPage.writing) }
    @discardableResult func setWriter(_ opener: Int?) -> Bool { set(opener, CommitPage.writing) }

    /// The number of the opener that is syncing, or died while it did, or whose sync failed.
    var syncer: Int? { number(CommitPage.syncing) }
    @discardableResult func setSyncer(_ opener: Int?) -> Bool { set(opener, CommitPage.syncing) }

    /// The number of the opener that took the writer range last, for a message.
    var holder: Int? { number(CommitPage.holder) }
    func setHolder(_ opener: Int?) { _ = set(opener, CommitPage.holder) }

    /// The same of the maintenance range.
    var maintainer: Int? { number(CommitPage.maintainer) }
    func setMaintainer(_ opener: Int?) { _ = set(opener, CommitPage.maintainer) }

    private func set(_ opener: Int?, _ offset: Int) -> Bool {
        put(opener.map { UInt64($0) + 1 } ?? 0, at: offset)
    }

    private func number(_ offset: Int) -> Int? {
        let word = page.load64(at: offset)
        return word == 0 ? nil : Int(truncatingIfNeeded: word &- 1)
    }

    /// How often the writer range was let go, for `waitForRelease`.
    var releases: UInt32 { page.load32(at: CommitPage.releases) }

    func wakeWriters() {
        raise(CommitPage.releases)
        // One who begins to wait just now asks for the range first.
        if page.load32(at: CommitPage.waiters) != 0 { page.wakeAll(at: CommitPage.releases) }
    }

    /// Between these two a process may wait for a release.
    func beginWaiting() { raise(CommitPage.waiters) }
    func endWaiting() { raise(CommitPage.waiters, by: .max) }

    func waitForRelease(from releases: UInt32, timeoutMilliseconds: Int) {
        page.wait32(at: CommitPage.releases, while: releases, timeoutMilliseconds: timeoutMilliseconds)
    }

    // MARK: Failures

    var failures: UInt64 { page.load64(at: CommitPage.failures) }
    /// Only under the syncer range. Where it cannot be counted the mark of who syncs stays, and says as much.
    func countFailure() { _ = put(failures &+ 1, at: CommitPage.failures) }

    var settledFailures: UInt64 { page.load64(at: CommitPage.settled) }
    var settledSequence: UInt64 { page.load64(at: CommitPage.settledSequence) }
    func settleFailures(upTo sequence: UInt64) -> Bool {
        put(sequence, at: CommitPage.settledSequence) && put(failures, at: CommitPage.settled)
    }

    // MARK: What is in the directory

    var directoryGeneration: UInt64 { page.load64(at: CommitPage.directory) }
    /// Only under the writer range. Who is not told finds that a file is gone.
    func directoryChanged() { _ = put(directoryGeneration &+ 1, at: CommitPage.directory) }

    var nextSegmentID: UInt32 { UInt32(truncatingIfNeeded: page.load64(at: CommitPage.nextSegmentID)) }
    func setNextSegmentID(_ id: UInt32) -> Bool { put(UInt64(id), at: CommitPage.nextSegmentID) }

    // MARK: What is written

    /// What is written; nil when both slots are damaged, which no death of a process does.
    ///
    /// May be asked for by who does not hold the writer range: a slot that is changed meanwhile is read again.
    var written: Written? {
        for _ in 0..<1000 {
            let holds = page.load64(at: CommitPage.holds)
            if let found = read(CommitPage.slots[Int(holds & 1)]) { return found }
            guard page.load64(at: CommitPage.holds) != holds else { return nil }
        }
        return nil
    }

    /// The generation alone: whether somebody else wrote.
    var generation: UInt64 { page.load64(at: CommitPage.slots[Int(page.load64(at: CommitPage.holds) & 1)]) }

    /// Only under the writer range.
    func publish(_ written: Written) -> Bool {
        let next = (page.load64(at: CommitPage.holds) & 1) ^ 1
        let words = CommitPage.words(written)
        let slot = CommitPage.slots[Int(next)]
        return words.enumerated().allSatisfy { put($1, at: slot + 8 * $0) }
            && put(CommitPage.checksum(words), at: slot + 8 * words.count)
            && put(next, at: CommitPage.holds)
    }

    private static let wordCount = 6

    private static func words(_ written: Written) -> [UInt64] {
        [
            written.generation, written.lastSequence, UInt64(bitPattern: written.recordedMicroseconds),
            UInt64(written.segment) << 32 | UInt64(written.chain), written.end, written.allocatedEnd,
        ]
    }

    private static func checksum(_ words: [UInt64]) -> UInt64 {
        1 << 32 | UInt64(words.withUnsafeBytes { Checksum.crc32(0, $0) })
    }

    private func read(_ slot: Int) -> Written? {
        let words = (0..<CommitPage.wordCount).map { page.load64(at: slot + 8 * $0) }
        guard page.load64(at: slot + 8 * words.count) == CommitPage.checksum(words) else { return nil }
        return Written(
            generation: words[0], lastSequence: words[1],
            recordedMicroseconds: Int64(bitPattern: words[2]), segment: UInt32(words[3] >> 32),
            chain: UInt32(truncatingIfNeeded: words[3]), end: words[4], allocatedEnd: words[5])
    }

    // MARK: The beginning

    /// Makes the page that of this boot, with nothing left of who had it open before. Only while nobody else has it open. The
    /// boot identity comes last: it makes the rest count.
    func begin(_ written: Written, nextSegmentID: UInt32, bootIdentity: UInt64) -> Bool {
        stride(from: LockFile.sharedRange.lowerBound, to: LockFile.sharedRange.upperBound, by: 8)
            .allSatisfy { $0 == CommitPage.releases || put(0, at: $0) }
            && put(LockFile.magic, at: 0) && publish(written) && setNextSegmentID(nextSegmentID)
            && publish(visible: written.lastSequence) && put(bootIdentity, at: LockFile.bootOffset)
    }

    /// Whether somebody of this boot made the page what it is.
    func isOf(bootIdentity: UInt64) -> Bool {
        page.load64(at: 0) == LockFile.magic && page.load64(at: LockFile.bootOffset) == bootIdentity
    }

    var isMarkedClean: Bool { page.load64(at: LockFile.markOffset) != 0 }
}
