/// What an erasure did: a receipt, to be shown to whoever asked for it.
public struct ErasureReport: Sendable, Hashable {
    /// Takes a receipt before the erasure is recorded as done; one that throws leaves it to be gone on with.
    public typealias Handler = @Sendable (ErasureReport) throws -> Void

    /// An event of which only its place is left.
    public struct ErasedEvent: Sendable, Hashable {
        /// Its sequence, which no other event gets.
        public var sequence: UInt64
        /// When it was recorded.
        public var recorded: Timestamp
        /// What it was.
        public var kind: ErasedKind
        /// HMAC-SHA256 of it under a salt that is erased with it: tells nobody what it was. 32 bytes.
        public var leaf: [UInt8]
        /// The file that holds its place now, relative to the journal's directory.
        public var file: String
    }

    /// A file that held something, and is gone.
    public struct RewrittenFile: Sendable, Hashable {
        /// The file, relative to the journal's directory.
        public var file: String
        /// The file that took its place; of a snapshot the same name. Nil in a dry run.
        public var replacedBy: String?
        /// Its length, in bytes.
        public var bytesBefore: UInt64
        /// That of the file that took its place, in bytes; nil in a dry run.
        public var bytesAfter: UInt64?
    }

    /// The journal's identity, a UUID.
    public var journal: String
    /// What was forgotten up to this sequence is erased; what was forgotten later is not.
    public var through: UInt64
    /// How many forgotten memories were found; of what an interrupted erasure had come to before, `events` tells.
    public var memories: Int
    /// The event that recorded that the erasure began; nil when there was nothing to erase, and in a dry run.
    public var sequence: UInt64?
    /// When that was.
    public var recorded: Timestamp?
    /// What was erased, in order of the sequences; what an interrupted erasure had come to before is among it.
    public var events: [ErasedEvent]
    /// How many names of emptied conversations were erased; what an interrupted erasure had come to before is not among it.
    public var conversations: Int
    /// The files that were rewritten, in the order in which that was done; in a dry run, those that hold what would go.
    public var files: [RewrittenFile]
    /// Whether it was read from the log again (`Journal.erasureReceipt()`): then `conversations` and `files` are not known, and are
    /// 0 and empty.
    public var isFromLog = false
}

/// The kind of an event that is erased.
public enum ErasedKind: Sendable, Hashable {
    /// A memory was added.
    case added
    /// A memory was forgotten, in a conversation whose name is erased.
    case forgotten
    /// A conversation whose name is erased was cleared.
    case cleared
    /// An event of a later version, in a conversation whose name is erased.
    case unknown(UInt64)

    init(_ kind: UInt64) {
        self =
            switch kind {
            case EventFields.Kind.added: .added
            case EventFields.Kind.forgotten: .forgotten
            case EventFields.Kind.cleared: .cleared
            default: .unknown(kind)
            }
    }
}
