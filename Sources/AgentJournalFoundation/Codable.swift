public import AgentJournal
public import Foundation

// Values of one's own as contents and metadata: encoded to JSON, which the journal keeps in canonical form.
//
// Dates and timestamps are texts as the journal writes them (RFC 3339, UTC, microseconds), `Data` is base64. An encoder and a
// decoder of one's own can be given where that is to be otherwise.

extension JSON {
    /// A value, encoded.
    ///
    /// - Throws: `EncodingError` for a value that cannot be encoded, such as a number that is not finite.
    public init(encoding value: some Encodable, by encoder: JSONEncoder = .journal) throws {
        try self.init(utf8: encoder.encode(value))
    }

    /// The value that this is the encoding of.
    ///
    /// - Throws: `DecodingError` when it is that of another type.
    public func decode<T: Decodable>(_ type: T.Type = T.self, by decoder: JSONDecoder = .journal) throws -> T
    {
        try decoder.decode(type, from: Data(utf8))
    }
}

extension Content {
    /// A value, encoded: JSON, or text where the value is encoded as a string.
    ///
    /// - Throws: `EncodingError` for a value that cannot be encoded.
    public init(encoding value: some Encodable, by encoder: JSONEncoder = .journal) throws {
        self = try JSON(encoding: value, by: encoder).content
    }

    /// The value that this is the encoding of. A text is taken as an encoded string, and else as JSON that somebody wrote as text.
    ///
    /// - Throws: `DecodingError` when it is that of another type, or no JSON.
    public func decode<T: Decodable>(_ type: T.Type = T.self, by decoder: JSONDecoder = .journal) throws -> T
    {
        switch self {
        case .json(let json): return try json.decode(type, by: decoder)
        case .bytes(let bytes): return try decoder.decode(type, from: Data(bytes))
        case .text(let text):
            if let value = try? JSON(text).decode(type, by: decoder) { return value }
            return try decoder.decode(type, from: Data(text.utf8))
        }
    }
}

extension Memory {
    /// The value that the content is the encoding of. See ``Content/decode(_:by:)``.
    public func decode<T: Decodable>(_ type: T.Type = T.self, by decoder: JSONDecoder = .journal) throws -> T
    {
        try content.decode(type, by: decoder)
    }
}

extension Metadata {
    /// The members of a value, encoded.
    ///
    /// - Throws: `EncodingError` for a value that cannot be encoded, or is encoded as something else than an object.
    public init(encoding value: some Encodable, by encoder: JSONEncoder = .journal) throws {
        let json = try JSON(encoding: value, by: encoder)
        guard let metadata = Metadata(json) else {
            throw EncodingError.invalidValue(
                value,
                EncodingError.Context(
                    codingPath: [],
                    debugDescription: "Metadata is a JSON object; this is encoded as \(json.kind)"))
        }
        self = metadata
    }
}

extension Conversation {
    /// Adds a value, encoded as JSON, and returns when it is on stable storage. ``AgentJournal/Memory/decode(_:by:)`` reads it back.
    ///
    /// - Throws: `EncodingError` for a value that cannot be encoded; else what `add(_:)` throws.
    @discardableResult
    public func add(
        encoding value: some Encodable, by encoder: JSONEncoder = .journal, role: Role? = nil,
        mimeType: String? = nil, metadata: Metadata = [:], timestamp: Timestamp? = nil,
        idempotencyKey: String? = nil, expecting: UInt64? = nil
    ) async throws -> Receipt {
        try await add(
            Content(encoding: value, by: encoder), role: role, mimeType: mimeType, metadata: metadata,
            timestamp: timestamp, idempotencyKey: idempotencyKey, expecting: expecting)
    }
}

extension Data: ContentConvertible {
    /// The bytes.
    public var content: Content { .bytes(Array(self)) }
}

extension JSONEncoder {
    /// A new encoder for the values of a journal: dates as RFC 3339 in UTC with microseconds.
    public static var journal: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(Timestamp(date).description)
        }
        return encoder
    }
}

extension JSONDecoder {
    /// A new decoder for what ``Foundation/JSONEncoder/journal`` encodes.
    public static var journal: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            return try container.decode(Timestamp.self).date
        }
        return decoder
    }
}
