import SegmentLog

/// Writes events in protobuf wire format, fields in order of their numbers.
struct EventEncoder {
    /// Field 1 of `Frame`, length-delimited.
    static let eventTag: UInt8 = 0x0A

    /// An encoded event: behind its tag and length, the body.
    struct Encoded: Sendable {
        var bytes: [UInt8]
        var bodyOffset: Int
    }

    /// Appends the event that adds a memory to `bytes`.
    ///
    /// - Parameter replaces: The memory whose place it takes, which the event before it forgets.
    /// - Returns: Where the body begins.
    static func appendAdded(
        conversation: String, _ memory: NewMemory, replaces: UInt64? = nil, to bytes: inout [UInt8]
    ) -> Int {
        append(kind: EventFields.Kind.added, to: &bytes) { bytes in
            bytes.appendField(EventFields.Field.conversation, conversation)
            switch memory.content {
            case .text(let text): bytes.appendField(EventFields.Field.text, text)
            case .json(let json): bytes.appendField(EventFields.Field.json, json.utf8)
            case .bytes(let data): bytes.appendField(EventFields.Field.data, data)
            }
            if let mimeType = memory.mimeType { bytes.appendField(EventFields.Field.mimeType, mimeType) }
            if let role = memory.role { bytes.appendField(EventFields.Field.role, role.rawValue) }
            if !memory.metadata.isEmpty {
                bytes.appendField(EventFields.Field.metadata, memory.metadata.canonicalBytes)
            }
            if let time = memory.timestamp?.microsecondsSince1970 {
                bytes.appendNumber(
                    EventFields.Field.timestamp, UInt64(bitPattern: (time << 1) ^ (time >> 63)))
            }
            if let key = memory.idempotencyKey { bytes.appendField(EventFields.Field.key, key) }
            if let replaces { bytes.appendNumber(EventFields.Field.replaces, replaces) }
        }
    }

    /// At least the bytes that the event takes which adds a memory.
    static func room(conversation: String, _ memory: NewMemory) -> Int {
        let content =
            switch memory.content {
            case .text(let text): text.utf8.count
            case .json(let json): json.utf8.count
            case .bytes(let data): data.count
            }
        let names =
            (memory.mimeType?.utf8.count ?? 0) + (memory.role?.rawValue.utf8.count ?? 0)
            + (memory.idempotencyKey?.utf8.count ?? 0)
        // Tag and length of the event and of eight fields, a time, a sequence.
        let most = 9 * (2 + Varint.maximumLength)
        return conversation.utf8.count + content + names + memory.metadata.canonicalBytes.count + most
    }

    static func forgotten(conversation: [UInt8], target: UInt64) -> Encoded {
        encode(kind: EventFields.Kind.forgotten) { bytes in
            bytes.appendField(EventFields.Field.conversation, conversation)
            bytes.appendNumber(EventFields.Field.target, target)
        }
    }

    static func cleared(conversation: String) -> Encoded {
        encode(kind: EventFields.Kind.cleared) {
            $0.appendField(EventFields.Field.conversation, conversation)
        }
    }

    /// History up to a sequence is let go.
    static func floor(_ sequence: UInt64) -> Encoded {
        encode(kind: EventFields.Kind.floor) { $0.appendNumber(EventFields.Field.target, sequence) }
    }

    /// What was forgotten up to a sequence is being erased.
    static func erasureBegun(through sequence: UInt64, key: [UInt8]) -> Encoded {
        encode(kind: EventFields.Kind.erasureBegun) { bytes in
            bytes.appendNumber(EventFields.Field.target, sequence)
            bytes.appendField(EventFields.Field.erasureKey, key)
        }
    }

    /// What was forgotten up to a sequence is erased.
    static func erasureDone(through sequence: UInt64) -> Encoded {
        encode(kind: EventFields.Kind.erasureDone) { $0.appendNumber(EventFields.Field.target, sequence) }
    }

    /// Events are lost.
    static func lost(_ range: ClosedRange<UInt64>) -> Encoded {
        encode(kind: EventFields.Kind.lost) { bytes in
            bytes.appendNumber(EventFields.Field.target, range.upperBound)
            bytes.appendNumber(EventFields.Field.first, range.lowerBound)
        }
    }

    /// What is left of an event that is erased.
    static func erased(_ tombstone: Tombstone) -> Encoded {
        encode(kind: EventFields.Kind.erased) { bytes in
            if let conversation = tombstone.conversation {
                bytes.appendField(EventFields.Field.conversation, conversation)
            }
            if let target = tombstone.target { bytes.appendNumber(EventFields.Field.target, target) }
            bytes.appendNumber(EventFields.Field.was, tombstone.was)
            bytes.appendField(EventFields.Field.leaf, tombstone.leaf)
            if let keyHash = tombstone.keyHash { bytes.appendField(EventFields.Field.keyHash, keyHash) }
            bytes.appendNumber(EventFields.Field.erasure, tombstone.erasure)
        }
    }

    static func flushed(label: String?) -> Encoded {
        encode(kind: EventFields.Kind.flushed) { bytes in
            if let label { bytes.appendField(EventFields.Field.label, label) }
        }
    }

    private static func encode(kind: UInt64, _ fill: (inout [UInt8]) -> Void) -> Encoded {
        var bytes: [UInt8] = []
        let bodyOffset = append(kind: kind, to: &bytes, fill)
        return Encoded(bytes: bytes, bodyOffset: bodyOffset)
    }

    /// The body is written behind room for its tag and a length of `lengthBytes`; where that was not guessed right, the
    /// body is moved, so that an event is written once, where it is to be.
    private static func append(
        kind: UInt64, to bytes: inout [UInt8], _ fill: (inout [UInt8]) -> Void
    ) -> Int {
        let lengthBytes = 2
        let start = bytes.count
        for _ in 0..<(1 + lengthBytes) { bytes.append(eventTag) }
        let bodyOffset = bytes.count
        bytes.appendNumber(EventFields.Field.kind, kind)
        fill(&bytes)
        let count = bytes.count - bodyOffset
        if Varint.length(of: UInt64(count)) == lengthBytes {
            bytes[start + 1] = UInt8(truncatingIfNeeded: count) | 0x80
            bytes[start + 2] = UInt8(truncatingIfNeeded: count >> 7)
            return bodyOffset
        }
        var length: [UInt8] = []
        length.appendVarint(UInt64(count))
        bytes.replaceSubrange((start + 1)..<bodyOffset, with: length)
        return start + 1 + length.count
    }
}

extension [UInt8] {
    fileprivate mutating func appendNumber(_ field: Int, _ value: UInt64) {
        appendVarint(UInt64(field) << 3)
        appendVarint(value)
    }

    fileprivate mutating func appendField(_ field: Int, _ value: [UInt8]) {
        appendVarint(UInt64(field) << 3 | 2)
        appendVarint(UInt64(value.count))
        append(contentsOf: value)
    }

    fileprivate mutating func appendField(_ field: Int, _ text: String) {
        appendVarint(UInt64(field) << 3 | 2)
        var text = text
        text.withUTF8 { utf8 in
            appendVarint(UInt64(utf8.count))
            append(contentsOf: utf8)
        }
    }
}
