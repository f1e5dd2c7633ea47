import CanonicalJSON

/// The canonical JSON line of an event, written straight from its bytes: for an added memory that of an export, with the
/// event's kind and when it was recorded.
enum EventLine {
    /// Appends the line and its newline.
    static func append(_ event: EventCursor.Found, to output: inout [UInt8]) {
        let (fields, bytes) = (event.fields, event.bytes)
        func text(_ range: Range<Int>?) -> JSONValue? { range.map { .string(Array(bytes[$0])) } }
        func number(_ number: UInt64) -> JSONValue { .number(Array(String(number).utf8)) }
        let kind: String
        var (target, unknown): (UInt64?, UInt64?)
        switch fields.kind {
        case EventFields.Kind.added:
            return ExportLine.append(
                fields, bytes, sequence: event.sequence, recordedMicroseconds: event.recordedMicroseconds,
                kind: "added", isWithRecorded: true, to: &output)
        case EventFields.Kind.forgotten: (kind, target) = ("forgotten", fields.target)
        case EventFields.Kind.cleared: kind = "cleared"
        case EventFields.Kind.flushed: kind = "flushed"
        case EventFields.Kind.floor: (kind, target) = ("let_go", fields.target)
        case EventFields.Kind.erased: (kind, target) = ("erased", fields.target)
        case EventFields.Kind.erasureBegun: (kind, target) = ("erasure_begun", fields.target)
        case EventFields.Kind.erasureDone: (kind, target) = ("erasure_done", fields.target)
        case EventFields.Kind.lost: (kind, target) = ("lost", fields.target)
        default: (kind, unknown) = ("unknown", fields.kind)
        }
        let recorded = Timestamp(clampingMicrosecondsSince1970: event.recordedMicroseconds)
        let members: KeyValuePairs<String, JSONValue?> = [
            "conversation": text(fields.conversation), "erasure": fields.erasure.map(number),
            "kind": .string(Array(kind.utf8)),
            "label": text(fields.label),
            "leaf": fields.leaf.map { .string(Hexadecimal.digits(of: bytes[$0])) },
            "number": unknown.map(number),
            "recorded": .string(Array(recorded.description.utf8)), "sequence": number(event.sequence),
            "target": target.map(number),
            "was": fields.was.map { .string(Array(ErasedKind($0).word.utf8)) },
        ]
        let object = JSONValue.object(
            members.compactMap { key, value in value.map { JSONMember(key: Array(key.utf8), value: $0) } })
        object.appendCanonical(to: &output)
        output.append(UInt8(ascii: "\n"))
    }
}

extension ErasedKind {
    /// The kind's word in lines of events.
    package var word: String {
        switch self {
        case .added: "added"
        case .forgotten: "forgotten"
        case .cleared: "cleared"
        case .unknown: "unknown"
        }
    }
}
