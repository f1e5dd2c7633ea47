import JournalFileSystem
import SegmentLog

extension JournalError {
    /// The public face of the log's error.
    init(_ error: LogError) {
        let code: Code =
            switch error.kind {
            case .missing: .noJournal
            case .notAJournal: .notAJournal
            case .busy: .busy
            case .damaged: .damaged
            case .unsupported: .unsupported
            case .untrustedVolume: .unsupported
            case .notWritten, .poisoned: .notWritten
            case .noSpace: .diskFull
            case .outcomeUnknown: .outcomeUnknown
            case .readOnly, .closed: .closed
            case .historyGone: .noSuchPoint
            case .tooLarge: .tooLarge
            case .system: .system
            }
        self.init(
            code, error.message, path: error.path, offset: error.offset, sequences: error.sequences,
            errno: error.cause?.errno)
    }
}

/// Runs calls to the log, turning its errors into the public ones.
func asJournalError<R>(_ body: () throws(LogError) -> R) throws(JournalError) -> R {
    do {
        return try body()
    } catch {
        throw JournalError(error)
    }
}
