extension Memory {
    /// Builds a memory from an added event's bytes.
    init(
        _ fields: EventFields, _ bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64
    ) {
        func text(_ range: Range<Int>?) -> String? {
            range.map { String(decoding: bytes[$0], as: UTF8.self) }
        }
        func array(_ range: Range<Int>) -> [UInt8] { Array(bytes[range]) }
        let content: Content =
            switch fields.contentField {
            case EventFields.Field.json: .json(JSON(canonicalBytes: array(fields.content!)))
            case EventFields.Field.data: .bytes(array(fields.content!))
            default: .text(text(fields.content)!)
            }
        let recorded = Timestamp(clampingMicrosecondsSince1970: recordedMicroseconds)
        self.init(
            sequence: sequence, conversation: text(fields.conversation)!, content: content,
            role: text(fields.role).map { Role($0) }, mimeType: text(fields.mimeType),
            metadata: fields.metadata.map { Metadata(canonicalBytes: array($0)) } ?? [:],
            timestamp: fields.timestampMicroseconds.map { Timestamp(clampingMicrosecondsSince1970: $0) }
                ?? recorded,
            recorded: recorded, idempotencyKey: text(fields.key), replaces: fields.replaces)
    }
}

extension Event {
    /// Builds an event from its bytes.
    init(
        _ fields: EventFields, _ bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64
    ) {
        func text(_ range: Range<Int>?) -> String? {
            range.map { String(decoding: bytes[$0], as: UTF8.self) }
        }
        let kind: Kind =
            switch fields.kind {
            case EventFields.Kind.added:
                .added(Memory(fields, bytes, sequence: sequence, recordedMicroseconds: recordedMicroseconds))
            case EventFields.Kind.forgotten:
                .forgotten(fields.target!, conversation: text(fields.conversation)!)
            case EventFields.Kind.cleared: .cleared(conversation: text(fields.conversation)!)
            case EventFields.Kind.flushed: .flushed(label: text(fields.label))
            case EventFields.Kind.floor: .historyLetGo(through: fields.target!)
            case EventFields.Kind.erased:
                .erased(
                    Erased(
                        kind: ErasedKind(fields.was!), conversation: text(fields.conversation),
                        target: fields.target, leaf: Array(bytes[fields.leaf!]), erasure: fields.erasure!))
            case EventFields.Kind.lost: .lost(fields.first!...fields.target!)
            case EventFields.Kind.erasureBegun: .erasureBegun(through: fields.target!)
            case EventFields.Kind.erasureDone: .erasureDone(through: fields.target!)
            default: .unknown(fields.kind)
            }
        self.init(
            sequence: sequence, recorded: Timestamp(clampingMicrosecondsSince1970: recordedMicroseconds),
            kind: kind)
    }
}
