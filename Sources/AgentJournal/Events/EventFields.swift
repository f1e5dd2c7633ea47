/// An event as it lies in a frame: where each field is, without a copy.
///
/// Field numbers and kinds are those of docs/journal.proto. The encoder writes the fields in order of their numbers, so
/// content, mime type, role and metadata, which a repeated idempotency key compares, are one run of bytes.
struct EventFields {
    enum Kind {
        static let added: UInt64 = 1
        static let forgotten: UInt64 = 2
        static let cleared: UInt64 = 3
        static let flushed: UInt64 = 4
        /// History up to `target` is let go: its segments may be gone.
        static let floor: UInt64 = 5
        /// What is left of an event that was erased.
        static let erased: UInt64 = 6
        /// What was forgotten up to `target` is being erased.
        static let erasureBegun: UInt64 = 7
        /// What was forgotten up to `target` is erased.
        static let erasureDone: UInt64 = 8
        /// Events from `first` to `target` are lost; a repair recorded it.
        static let lost: UInt64 = 9
        /// Unknown kinds from here on may be passed over.
        static let firstOptional: UInt64 = 64
    }
    enum Field {
        static let kind = 1
        static let conversation = 2
        static let text = 3
        static let json = 4
        static let data = 5
        static let mimeType = 6
        static let role = 7
        static let metadata = 8
        static let timestamp = 9
        static let key = 10
        static let target = 11
        static let label = 12
        static let was = 13
        static let leaf = 14
        static let keyHash = 15
        static let erasure = 16
        static let erasureKey = 17
        static let first = 18
        /// Unknown fields from here on may be passed over.
        static let firstOptional = 32
        static let replaces = 32

        // Sets of fields, a bit each. Computed, for constants that are made once would have to be looked for.

        /// Those that this version knows.
        static var known: UInt64 { 0x7_FFFE | bit(replaces) }
        /// Those of them that are numbers; the others are of bytes.
        static var numbers: UInt64 {
            bit(kind) | bit(timestamp) | bit(target) | bit(was) | bit(erasure) | bit(first) | bit(replaces)
        }

        /// Those that an event of a kind may have.
        static func allowed(_ kind: UInt64) -> UInt64 {
            switch kind {
            case Kind.added:
                bit(conversation) | bit(text) | bit(json) | bit(data) | bit(mimeType) | bit(role)
                    | bit(metadata)
                    | bit(timestamp) | bit(key) | bit(replaces)
            case Kind.forgotten: bit(conversation) | bit(target)
            case Kind.cleared: bit(conversation)
            case Kind.flushed: bit(label)
            case Kind.erased:
                bit(conversation) | bit(target) | bit(was) | bit(leaf) | bit(keyHash) | bit(erasure)
            case Kind.erasureBegun: bit(target) | bit(erasureKey)
            case Kind.floor, Kind.erasureDone: bit(target)
            case Kind.lost: bit(target) | bit(first)
            default: 0
            }
        }

        @inline(__always)
        static func bit(_ field: Int) -> UInt64 { 1 << UInt64(truncatingIfNeeded: field) }
    }
    /// How many bytes a leaf, the hash of a key and the key of an erasure have.
    static let leafBytes = 32
    static let keyHashBytes = 16
    static let erasureKeyBytes = 32

    var kind: UInt64 = 0
    var conversation: Range<Int>?
    var contentField = 0
    var content: Range<Int>?
    var mimeType: Range<Int>?
    var role: Range<Int>?
    var metadata: Range<Int>?
    var timestampMicroseconds: Int64?
    var key: Range<Int>?
    var target: UInt64?
    var label: Range<Int>?
    /// Of an erased event, what kind it was.
    var was: UInt64?
    var leaf: Range<Int>?
    var keyHash: Range<Int>?
    /// Of an erased event, the sequence of the erasure that it was erased by.
    var erasure: UInt64?
    var erasureKey: Range<Int>?
    /// Of a loss, the first event.
    var first: UInt64?
    /// Of an added memory, the one whose place it takes.
    var replaces: UInt64?
    /// From the tag of the content to the end of the metadata.
    var compared: Range<Int> = 0..<0

    init() {}

    /// Of a frame of lost events.
    init(lost range: ClosedRange<UInt64>) {
        kind = Kind.lost
        first = range.lowerBound
        target = range.upperBound
    }
}
