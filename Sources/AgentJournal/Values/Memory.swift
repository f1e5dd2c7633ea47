/// One remembered item, as it is read back.
public struct Memory: Sendable, Hashable, Identifiable {
    /// The sequence of its add: its identity.
    public var sequence: UInt64
    /// The conversation it belongs to.
    public var conversation: String
    /// What is remembered.
    public var content: Content
    /// Whose it is, if that was said.
    public var role: Role?
    /// What the content is, if that was said.
    public var mimeType: String?
    /// What else was noted with it.
    public var metadata: Metadata
    /// Its own time: the caller's if one was given, else `recorded`.
    public var timestamp: Timestamp
    /// When the journal recorded it; never runs backwards.
    public var recorded: Timestamp
    /// The idempotency key it was added with.
    public var idempotencyKey: String?
    /// The memory whose place it took, which was forgotten with its add.
    public var replaces: UInt64?

    /// Where it was read.
    var origin = MemoryOrigin()

    /// The sequence.
    public var id: UInt64 { sequence }
    /// The text of the content, if it is text.
    public var text: String? { content.text }
    /// The JSON value of the content, if it is one.
    public var json: JSON? { content.json }
    /// The bytes of the content, if it is bytes.
    public var bytes: [UInt8]? { content.bytes }
}

/// One item to be remembered, for a batch.
public struct NewMemory: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// What is to be remembered.
    public var content: Content
    /// Whose it is.
    public var role: Role?
    /// What the content is, e.g. `image/png`; 1 to 255 bytes.
    public var mimeType: String?
    /// What else is to be noted with it.
    public var metadata: Metadata
    /// Its own time, for an import of old memories; nil for the time of recording.
    public var timestamp: Timestamp?
    /// Makes a repeated add return the first receipt; 1 to 512 bytes, within the conversation.
    public var idempotencyKey: String?

    /// An item to be remembered.
    public init(
        _ content: Content, role: Role? = nil, mimeType: String? = nil, metadata: Metadata = [:],
        timestamp: Timestamp? = nil, idempotencyKey: String? = nil
    ) {
        self.content = content
        self.role = role
        self.mimeType = mimeType
        self.metadata = metadata
        self.timestamp = timestamp
        self.idempotencyKey = idempotencyKey
    }

    /// An item to be remembered: a text, a JSON value or bytes that a variable holds.
    public init(
        _ content: some ContentConvertible, role: Role? = nil, mimeType: String? = nil,
        metadata: Metadata = [:], timestamp: Timestamp? = nil, idempotencyKey: String? = nil
    ) {
        self.init(
            content.content, role: role, mimeType: mimeType, metadata: metadata, timestamp: timestamp,
            idempotencyKey: idempotencyKey)
    }

    /// Text.
    public init(stringLiteral value: String) { self.init(.text(value)) }
}
