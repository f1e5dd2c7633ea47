public import SystemPackage

/// Every error that the journal throws, but for `CancellationError`.
public struct JournalError: Error, Sendable, CustomStringConvertible {
    /// What kind of error, to decide by. An open set: later versions add to it.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The name, as the tool's `--json` gives it.
        public let rawValue: String
        /// A code of that name.
        public init(rawValue: String) { self.rawValue = rawValue }
        private init(_ rawValue: String) { self.rawValue = rawValue }

        /// An argument that cannot be taken: a name, a key, a size.
        public static let invalidArgument = Code("invalid_argument")
        /// There is no journal, and none was to be created.
        public static let noJournal = Code("no_journal")
        /// The path is a file, or a directory that holds something else.
        public static let notAJournal = Code("not_a_journal")
        /// Another process has the journal open for writing.
        public static let busy = Code("busy")
        /// What was durable once is missing or not what it was. Nothing was changed.
        public static let damaged = Code("damaged")
        /// Written by a newer version.
        public static let unsupported = Code("unsupported")
        /// Certainly not written.
        public static let notWritten = Code("not_written")
        /// Certainly not written, for want of space. Adding works again when there is space.
        public static let diskFull = Code("disk_full")
        /// May have been written, or not. Retry with an idempotency key after opening again.
        public static let outcomeUnknown = Code("outcome_unknown")
        /// The idempotency key was used before with other content.
        public static let keyConflict = Code("key_conflict")
        /// The conversation has gone on since the sequence that was expected.
        public static let unexpectedSequence = Code("unexpected_sequence")
        /// There is no such memory (any more).
        public static let noSuchMemory = Code("no_such_memory")
        /// There is no such point: a label never used, a sequence not reached.
        public static let noSuchPoint = Code("no_such_point")
        /// A retention by time was asked for, and the clock is far from the last event.
        public static let clockUncertain = Code("clock_uncertain")
        /// A content, a batch or a journal's part is larger than it takes.
        public static let tooLarge = Code("too_large")
        /// The journal was closed, or is open for reading only.
        public static let closed = Code("closed")
        /// A call to the system failed.
        public static let system = Code("system")

        /// The name.
        public var description: String { rawValue }
    }

    /// What kind of error.
    public var code: Code
    /// What went wrong and what to do about it.
    public var message: String
    /// The file or directory concerned.
    public var path: FilePath?
    /// Where in the file, in bytes.
    public var offset: UInt64?
    /// The events concerned: those that cannot be read, for `damaged`.
    public var sequences: ClosedRange<UInt64>?
    /// The system's own reason.
    public var errno: Errno?
    /// Of a refused batch, the index of the item at fault, where it is known.
    package var item: Int?

    package init(
        _ code: Code, _ message: String, path: FilePath? = nil, offset: UInt64? = nil,
        sequences: ClosedRange<UInt64>? = nil, errno: Errno? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.sequences = sequences
        self.errno = errno
    }

    /// The message, and the place.
    public var description: String {
        var text = message
        if let path, !message.contains(path.string) {
            text += " (\(path)\(offset.map { ", offset \($0)" } ?? ""))"
        }
        return text
    }
}
