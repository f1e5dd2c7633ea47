package import SegmentLog

/// The log as the engine sees it. Nothing above it assumes that this process is the only writer.
///
/// `SegmentLog` is its first implementation; one in a database, with `decide` inside a transaction, would be another.
package protocol EventLog: AnyObject, Sendable {
    /// Appends what `decide` says, under the log's exclusion and knowing the log's end. See `SegmentLog.append`.
    func append(
        rawBytes: Int, pieces: Int, _ decide: (LogHead) -> [EncodedEvents]
    ) throws(LogError) -> LogHead
    /// Makes everything appended durable, then visible.
    func sync() throws(LogError)
    /// The last sequence that reads may show.
    var visibleSequence: UInt64 { get }
    /// The first event that the log still holds.
    var firstSequence: UInt64 { get }
    /// A reader of the events behind `after`.
    func reader(after: UInt64) -> LogReader
    /// Sleeps until something behind `sequence` may be visible, at most so long.
    func wait(after sequence: UInt64, timeoutMilliseconds: Int)
    /// Whether a failure ended writing for good.
    var isPoisoned: Bool { get }
    /// Ends cleanly.
    func close() throws(LogError)
}

extension SegmentLog: EventLog {}
