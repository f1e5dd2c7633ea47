/// What can be remembered as it is: a `String`, a ``JSON`` value, bytes, or a ``Content`` itself.
///
///     let text = "prefers email"
///     try await conversation.add(text, role: .user)
///
/// The product `AgentJournalFoundation` adds `Data`, and a way to add any `Encodable` value.
public protocol ContentConvertible {
    /// The value as a content.
    var content: Content { get }
}

extension Content: ContentConvertible {
    /// Itself.
    public var content: Content { self }
}

extension String: ContentConvertible {
    /// The text.
    public var content: Content { .text(self) }
}

extension Substring: ContentConvertible {
    /// The text.
    public var content: Content { .text(String(self)) }
}

extension JSON: ContentConvertible {
    /// The value; a JSON string as text, for that is what a text is in a journal.
    public var content: Content { stringValue.map { .text($0) } ?? .json(self) }
}

extension [UInt8]: ContentConvertible {
    /// The bytes.
    public var content: Content { .bytes(self) }
}
