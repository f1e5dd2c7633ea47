import JournalFileSystem
import SegmentLog

/// How large a journal is.
public struct JournalStatistics: Sendable, Hashable {
    /// Events in the log.
    public var events: UInt64
    /// The last event's sequence.
    public var lastSequence: UInt64
    /// Memories that are there.
    public var memories: Int
    /// Conversations that hold memories.
    public var conversations: Int
    /// Segment files.
    public var segments: Int
    /// Their lengths, in bytes; preallocated space counts.
    public var logBytes: UInt64
    /// The events before compression, in bytes.
    public var rawBytes: UInt64
    /// The sequence of the newest snapshot; 0 when there is none.
    public var snapshotSequence: UInt64
    /// The lengths of the snapshots, in bytes.
    public var snapshotBytes: UInt64
    /// Disk blocks in use by all files of the journal, in bytes.
    public var diskBytes: UInt64
}

extension Journal {
    /// How large the journal is.
    ///
    /// - Complexity: linear in the log, which is read.
    public func statistics() async throws(JournalError) -> JournalStatistics {
        try await onOwnThread { [self] () throws(JournalError) in try statisticsNow() }
    }

    /// The same for callers that are not asynchronous.
    package func statisticsNow() throws(JournalError) -> JournalStatistics {
        let view = try view()
        let (engine, segmentLog) = (try engine, try segmentLog)
        let summaries = try view.conversations()
        let survey = LogSurvey(
            directory, fileSystem: segmentLog.options.fileSystem, floor: view.sequence)
        try asJournalError { () throws(LogError) in try survey.run() }
        let files = try asJournalError { () throws(LogError) in
            try segmentLog.paths.fileSizes(segmentLog.options.fileSystem)
        }
        let snapshots = try asJournalError { () throws(LogError) in try engine.snapshots?.names() ?? [] }
        return JournalStatistics(
            events: survey.eventCount, lastSequence: view.sequence,
            memories: summaries.reduce(0) { $0 + $1.count },
            conversations: summaries.count, segments: survey.segmentCount, logBytes: files.log,
            rawBytes: survey.rawBytes,
            snapshotSequence: snapshots.first?.sequence ?? 0, snapshotBytes: files.snapshots,
            diskBytes: files.disk)
    }
}
