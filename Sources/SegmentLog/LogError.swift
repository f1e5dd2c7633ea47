package import JournalFileSystem
package import SystemPackage

/// What went wrong in the log: one closed set of kinds, so that the layer above can decide by them.
package struct LogError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// There is no journal, and none was to be created.
        case missing
        /// The path is a file, or a directory that holds something else.
        case notAJournal
        /// Another process has the journal open for writing.
        case busy
        /// What was durable once is not there or not what it was.
        case damaged
        /// Written by a newer version, with something that must be understood.
        case unsupported
        /// The file system's locks or mappings cannot be trusted.
        case untrustedVolume
        /// Certainly not written; the log goes on.
        case notWritten
        /// Certainly not written for want of space; the log goes on, and adds work again when there is space.
        case noSpace
        /// May have been written; the log is poisoned.
        case outcomeUnknown
        /// Certainly not written, because an earlier failure poisoned the log.
        case poisoned
        /// Opened for reading only.
        case readOnly
        /// What is asked for was dropped; `sequences` is what is no longer there.
        case historyGone
        /// Too large for a frame.
        case tooLarge
        case closed
        /// A call to the system failed while reading or opening.
        case system
    }

    package var kind: Kind
    package var message: String
    package var path: FilePath?
    package var offset: UInt64?
    package var sequences: ClosedRange<UInt64>?
    package var cause: FileSystemError?

    package init(
        _ kind: Kind, _ message: String, path: FilePath? = nil, offset: UInt64? = nil,
        sequences: ClosedRange<UInt64>? = nil, cause: FileSystemError? = nil
    ) {
        self.kind = kind
        self.message = message
        self.path = path
        self.offset = offset
        self.sequences = sequences
        self.cause = cause
    }

    /// A failed system call, met where nothing was being written.
    package init(system error: FileSystemError) {
        self.init(error.isFull ? .noSpace : .system, error.description, path: error.path, cause: error)
    }

    package var description: String {
        var text = message
        if let path { text += " (\(path)\(offset.map { ", offset \($0)" } ?? ""))" }
        return text
    }
}

/// Runs file-system calls, turning their failures into `LogError.system`, or `noSpace`.
func asLogError<R>(_ body: () throws(FileSystemError) -> R) throws(LogError) -> R {
    do {
        return try body()
    } catch {
        throw LogError(system: error)
    }
}
