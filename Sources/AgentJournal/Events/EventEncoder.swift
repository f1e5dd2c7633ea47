import SegmentLog

/// Writes events in protobuf wire format, fields in order of their numbers.
struct EventEncoder {
    /// Field 1 of `Frame`, length-delimited.
    static let eventTag: UInt8 = 0x0A

    /// An encoded event: behind its tag and length, the body.
    struct Encoded: Sendable {
        var bytes: [UInt8]
        var bodyOffset: Int

        /// Calls with the body alone.
        func withBody<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
            bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[bodyOffset...])) }
        }
    }

    /// - Parameter replaces: The memory whose place it takes, which the event before it forgets.
    static func added(conversation: String, _ memory: NewMemory, replaces: UInt64? = nil) -> Encoded {
        encode(kind: EventFields.Kind.added) { body in
            body.field(EventFields.Field.conversation, conversation)
            switch memory.content {
            case .text(let text): body.field(EventFields.Field.text, text)
            case .json(let json): body.field(EventFields.Field.json, json.utf8)
            case .bytes(let bytes): body.field(EventFields.Field.data, bytes)
            }
            if let mimeType = memory.mimeType { body.field(EventFields.Field.mimeType, mimeType) }
            if let role = memory.role { body.field(EventFields.Field.role, role.rawValue) }
            if !memory.metadata.isEmpty {
                body.field(EventFields.Field.metadata, memory.metadata.canonicalBytes)
            }
            if let time = memory.timestamp?.microsecondsSince1970 {
                body.number(EventFields.Field.timestamp, UInt64(bitPattern: (time << 1) ^ (time >> 63)))
            }
            if let key = memory.idempotencyKey { body.field(EventFields.Field.key, key) }
            if let replaces { body.number(EventFields.Field.replaces, replaces) }
        }
    }

    static func forgotten(conversation: [UInt8], target: UInt64) -> Encoded {
        encode(kind: EventFields.Kind.forgotten) { body in
            body.field(EventFields.Field.conversation, conversation)
            body.number(EventFields.Field.target, target)
        }
    }

    static func cleared(conversation: String) -> Encoded {
        encode(kind: EventFields.Kind.cleared) { $0.field(EventFields.Field.conversation, conversation) }
    }

    /// History up to a sequence is let go.
    static func floor(_ sequence: UInt64) -> Encoded {
        encode(kind: EventFields.Kind.floor) { $0.number(EventFields.Field.target, sequence) }
    }

    /// What was forgotten up to a sequence is being erased.
    static func erasureBegun(through sequence: UInt64, key: [UInt8]) -> Encoded {
        encode(kind: EventFields.Kind.erasureBegun) { body in
            body.number(EventFields.Field.target, sequence)
            body.field(EventFields.Field.erasureKey, key)
        }
    }

    /// What was forgotten up to a sequence is erased.
    static func erasureDone(through sequence: UInt64) -> Encoded {
        encode(kind: EventFields.Kind.erasureDone) { $0.number(EventFields.Field.target, sequence) }
    }

    /// Events are lost.
    static func lost(_ range: ClosedRange<UInt64>) -> Encoded {
        encode(kind: EventFields.Kind.lost) { body in
            body.number(EventFields.Field.target, range.upperBound)
            body.number(EventFields.Field.first, range.lowerBound)
        }
    }

    /// What is left of an event that is erased.
    static func erased(_ tombstone: Tombstone) -> Encoded {
        encode(kind: EventFields.Kind.erased) { body in
            if let conversation = tombstone.conversation {
                body.field(EventFields.Field.conversation, conversation)
            }
            if let target = tombstone.target { body.number(EventFields.Field.target, target) }
            body.number(EventFields.Field.was, tombstone.was)
            body.field(EventFields.Field.leaf, tombstone.leaf)
            if let keyHash = tombstone.keyHash { body.field(EventFields.Field.keyHash, keyHash) }
            body.number(EventFields.Field.erasure, tombstone.erasure)
        }
    }

    static func flushed(label: String?) -> Encoded {
        encode(kind: EventFields.Kind.flushed) { body in
            if let label { body.field(EventFields.Field.label, label) }
        }
    }

    /// The body is written behind room for its tag and a length of `lengthBytes`; where that was not guessed right, the
    /// body is moved, so that an event is one allocation.
    private static func encode(kind: UInt64, _ fill: (inout Body) -> Void) -> Encoded {
        let lengthBytes = 2
        var body = Body()
        for _ in 0..<(1 + lengthBytes) { body.bytes.append(eventTag) }
        body.number(EventFields.Field.kind, kind)
        fill(&body)
        var bytes = body.bytes
        let count = bytes.count - 1 - lengthBytes
        if Varint.length(of: UInt64(count)) == lengthBytes {
            bytes[1] = UInt8(truncatingIfNeeded: count) | 0x80
            bytes[2] = UInt8(truncatingIfNeeded: count >> 7)
            return Encoded(bytes: bytes, bodyOffset: 1 + lengthBytes)
        }
        var length: [UInt8] = []
        Body.appendVarint(UInt64(count), to: &length)
        bytes.replaceSubrange(1..<(1 + lengthBytes), with: length)
        return Encoded(bytes: bytes, bodyOffset: 1 + length.count)
    }

    private struct Body {
        var bytes: [UInt8] = []

        init() { bytes.reserveCapacity(256) }

        static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
            var rest = value
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(truncatingIfNeeded: rest))
        }

        mutating func number(_ field: Int, _ value: UInt64) {
            Body.appendVarint(UInt64(field) << 3, to: &bytes)
            Body.appendVarint(value, to: &bytes)
        }

        mutating func field(_ field: Int, _ value: [UInt8]) {
            Body.appendVarint(UInt64(field) << 3 | 2, to: &bytes)
            Body.appendVarint(UInt64(value.count), to: &bytes)
            bytes.append(contentsOf: value)
        }

        mutating func field(_ field: Int, _ text: String) {
            Body.appendVarint(UInt64(field) << 3 | 2, to: &bytes)
            var text = text
            text.withUTF8 { utf8 in
                Body.appendVarint(UInt64(utf8.count), to: &bytes)
                bytes.append(contentsOf: utf8)
            }
        }
    }
}
