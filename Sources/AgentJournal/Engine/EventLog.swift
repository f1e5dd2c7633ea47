package import SegmentLog

/// The log as the engine sees it. Nothing above it assumes that this process is the only writer.
///
/// `SegmentLog` is its first implementation; one in a database, with `decide` inside a transaction, would be another.
package protocol EventLog: AnyObject, Sendable {
    /// Appends what `decide` says, under the log's exclusion and knowing the log's end. See `SegmentLog.append`.
    func append(
        rawBytes: Int, pieces: Int, _ decide: (LogHead) -> [EncodedEvents]
    ) throws(LogError) -> LogHead
    /// Takes the clock for right, whatever was recorded before. See `SegmentLog.acceptClock`.
    func acceptClock() throws(LogError)
    /// Compresses, before they are appended, what comes behind another process's events in any case; nil where that is to be left to
    /// `append`. See `SegmentLog.compressAhead`.
    func compressAhead(_ count: Int, rawBytes: Int, _ pieces: () -> [EncodedEvents]?) -> EncodedEvents?
    /// Ends the present segment when it is longer than that, so that what is written so far can be packed and dropped, and a
    /// replay of what comes next need not read it.
    func seal(longerThan bytes: UInt64) throws(LogError)
    /// Whether an append would wait for another process now, which may be stopped.
    var isHeldByOthers: Bool { get }
    /// Makes everything appended durable, then visible.
    func sync() throws(LogError)
    /// The same of what an `append` had written when it returned; while another one appends.
    func sync(_ written: SyncTarget) throws(LogError)
    /// The last sequence that reads may show.
    var visibleSequence: UInt64 { get }
    /// The first event that the log still holds, as it was when it was last looked at.
    var firstSequence: UInt64 { get }
    /// The same as it is now.
    func presentFirstSequence() throws(LogError) -> UInt64
    /// A reader of the events behind `after`.
    func reader(after: UInt64) -> LogReader
    /// Calls with a reader that goes on where the last one stopped, for the state to catch up.
    func withTail<R, E: Error>(after sequence: UInt64, _ body: (LogReader) throws(E) -> R) throws(E) -> R
    /// What was lost of what could be read before it was durable.
    var rewind: LogRewind { get }
    /// Sleeps until something behind `sequence` may be visible, at most so long.
    func wait(after sequence: UInt64, timeoutMilliseconds: Int)
    /// Notices, where it is only read, that what is waited for can never come.
    func checkIsThere() throws(LogError)
    /// Notices, where it is only read, that what is read is not what others write.
    func checkIsWritten() throws(LogError)
    /// Wakes those who `wait`, in this process; they may wake anyway.
    func wake()
    /// One process at a time takes snapshots and compacts; false when another does.
    func takeMaintenanceRange() throws(LogError) -> Bool
    func releaseMaintenanceRange()
    /// Who does, for a message.
    var maintainer: String { get }
    /// Finishes what those left who died while they did.
    func finishMaintenanceOfOthers() throws(LogError)
    /// The segments but the last, which is appended to.
    func sealedSegments() throws(LogError) -> [SealedSegment]
    /// The segment that is appended to; nil when it holds no events.
    func activeSegment() throws(LogError) -> SealedSegment?
    /// What dropping history up to a sequence would remove.
    func dropPlan(through sequence: UInt64) throws(LogError) -> DropPlan
    /// Removes the sealed segments that hold nothing behind a sequence.
    func drop(through sequence: UInt64) throws(LogError) -> DropPlan
    /// Rewrites a sealed segment as compressed blocks; nil when there was nothing to do.
    func pack(
        _ name: SegmentName, level: Int32, unlessLarger: Bool, shouldContinue: () -> Bool
    ) throws(LogError) -> PackResult?
    /// Rewrites a sealed segment with other events in the places of some; nil when nothing changes.
    func erase(
        _ name: SegmentName, level: Int32, isAffected: Bool, shouldContinue: () -> Bool,
        _ rewrite: @escaping EventRewriter.Body
    ) throws(LogError) -> EraseResult?
    /// Removes what a repair set aside.
    func removeDamaged() throws(LogError)
    /// Random bits.
    var random: @Sendable () -> UInt64 { get }
    /// Whether a failure ended writing for good.
    var isPoisoned: Bool { get }
    /// Ends cleanly.
    func close() throws(LogError)
}

extension SegmentLog: EventLog {
    package var random: @Sendable () -> UInt64 { options.random }
}
