import Logging
import SegmentLog
public import SystemPackage

/// What a backup did.
public struct BackupReport: Sendable, Hashable {
    /// The copy's directory, absolute.
    public var directory: FilePath
    /// The last event in the copy: its digest is that of the journal at this point.
    public var sequence: UInt64
    /// How many files were copied, or grew.
    public var writtenFiles: Int
    /// How many bytes were written of them.
    public var writtenBytes: UInt64
    /// How many files were there already.
    public var keptFiles: Int
    /// Files that were removed from the copy, because what the journal has in their place was copied, or because it dropped them.
    public var removed: [String]
}

extension Journal {
    /// Copies the journal into another directory, while it is written, or brings such a copy up to date.
    ///
    /// The copy is a journal that was closed cleanly, of the same identity, with everything acknowledged before this call. A second
    /// backup into the same directory writes only what is new, and removes what the journal let go, packed or erased: so what is
    /// erased here is erased there by the next backup, and by none before. Every byte that is copied is checked. Do not add to
    /// the copy: the next backup would refuse it. Interrupted at any moment, it leaves a copy of before, or one that says it is
    /// not complete until the next backup.
    /// - Parameter directory: One that does not exist, is empty, or holds a backup of this journal.
    /// - Throws: `notAJournal` when something else is there, or the copy was written to; `busy` when it is open; `damaged` when
    ///   the journal is, and nothing was changed; `diskFull`, `system`.
    /// - Complexity: linear in what is new; on a thread of its own. Nothing is locked in the journal; adds go on.
    @discardableResult
    public func backUp(to directory: FilePath) async throws(JournalError) -> BackupReport {
        try await onOwnThread { [self] () throws(JournalError) in try backUpNow(to: directory) }
    }

    /// The same for callers that are not asynchronous.
    @discardableResult
    package func backUpNow(to directory: FilePath) throws(JournalError) -> BackupReport {
        try checkOpen()
        let log = try segmentLog
        let target = try Journal.absolute(directory, log.options.fileSystem)
        let result = try asJournalError { () throws(LogError) in
            try log.backUp(to: target, problem: { Journal.problem(in: $1, of: $0) })
        }
        let report = BackupReport(
            directory: target, sequence: result.sequence, writtenFiles: result.written.count,
            writtenBytes: result.written.reduce(0) { $0 + $1.bytes }, keptFiles: result.keptCount,
            removed: result.removed)
        options.logger.info(
            "journal backed up",
            metadata: [
                "to": "\(target)", "sequence": "\(report.sequence)", "bytes": "\(report.writtenBytes)",
            ])
        return report
    }
}
