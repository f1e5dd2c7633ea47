import Logging
import SegmentLog
public import SystemPackage

/// What restoring a journal did.
public struct RestoreReport: Sendable, Hashable {
    /// The journal's directory, absolute.
    public var directory: FilePath
    /// The last event that it holds now.
    public var sequence: UInt64
    /// Where the journal is that was there before; nil when there was none.
    public var replaced: FilePath?
}

extension Journal {
    /// Puts a copy of a backup where a journal was, or is to be.
    ///
    /// The backup is verified, copied beside the journal, read back and verified again. Only then the two directories exchange their names,
    /// in one step where the system can. What was there before is kept, under the name that the report tells, until you remove it. Do not
    /// copy a backup over a journal with `cp`: a process that has it open would go on with files that are not what it wrote.
    /// - Parameters:
    ///   - backup: What `backUp(to:)` made, or any journal that nobody writes. It stays as it is.
    ///   - directory: One that does not exist, is empty, or holds a journal that nobody has open.
    /// - Throws: `damaged` when the backup is, and nothing was changed; `busy` when the journal is open anywhere; `notAJournal` when
    ///   something else is in the directory; `noJournal` when there is no backup; `diskFull`, `system`: the journal is as it was.
    /// - Complexity: reads the backup twice, and writes it once. There must be room for it beside the journal.
    @discardableResult
    public static func restore(
        from backup: FilePath, to directory: FilePath, options: Options = Options()
    ) async throws(JournalError) -> RestoreReport {
        try await onOwnThread { () throws(JournalError) in
            try restoreNow(from: backup, to: directory, options: options)
        }
    }

    /// As `restore(from:to:options:)`, for callers that are not asynchronous.
    @discardableResult
    package static func restoreNow(
        from backup: FilePath, to directory: FilePath, options: Options = Options()
    ) throws(JournalError) -> RestoreReport {
        let fileSystem = options.fileSystem
        let (source, target) = (try absolute(backup, fileSystem), try absolute(directory, fileSystem))
        try checkIsSound(source, options, "Nothing was restored: the backup is damaged")
        let replacement = JournalReplacement(JournalPaths(target), fileSystem)
        let isReplacing = try asJournalError { () throws(LogError) in try replacement.inspect() }
        // Where nothing is yet, the copy says itself that it is not complete until it is.
        let copy =
            isReplacing
            ? try asJournalError { () throws(LogError) in try replacement.makeDirectory() } : target
        var reading = options
        reading.access = .readOnly
        reading.skipsReplay = true
        let journal = try openNow(at: source, create: .never, options: reading)
        let sequence: UInt64
        do {
            sequence = try journal.backUpNow(to: copy).sequence
        } catch {
            // The error says more than a failure to close behind it.
            try? journal.closeNow()
            throw error
        }
        try journal.closeNow()
        try checkIsSound(copy, options, "Nothing was restored: the copy of the backup is damaged")
        if isReplacing { try asJournalError { () throws(LogError) in try replacement.exchange(with: copy) } }
        options.logger.info(
            "journal restored", metadata: ["from": "\(source)", "to": "\(target)", "sequence": "\(sequence)"])
        return RestoreReport(directory: target, sequence: sequence, replaced: isReplacing ? copy : nil)
    }

    private static func checkIsSound(
        _ directory: FilePath, _ options: Options, _ what: String
    ) throws(JournalError) {
        let report = try verify(at: directory, fileSystem: options.fileSystem)
        guard let problem = report.problems.first else { return }
        throw JournalError(.damaged, "\(what): \(problem)", path: directory)
    }
}
