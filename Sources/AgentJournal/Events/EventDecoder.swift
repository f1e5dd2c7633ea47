import CanonicalJSON
import SegmentLog

/// Why an event cannot be taken.
enum EventProblem: Error {
    /// Not what docs/journal.proto says.
    case malformed(String)
    /// Of a newer version, and must be understood.
    case unsupported(String)
}

extension EventFields {
    /// Decodes an event as it was read from a file, and checks every rule of docs/journal.proto about it.
    ///
    /// Whoever reads it on relies on that: a text is UTF-8, and JSON can be copied as it is.
    /// - Parameters:
    ///   - sequence: The event's own.
    ///   - inErasedSegment: Whether what is left of an erased event may stand there.
    /// - Throws: `malformed`, and `unsupported` for a field or a kind that must be understood.
    /// - Complexity: linear in the bytes.
    init(
        _ bytes: UnsafeRawBufferPointer, at sequence: UInt64, inErasedSegment: Bool
    ) throws(EventProblem) {
        try self.init(decoding: bytes)
        try checkParts(bytes, at: sequence)
        if kind == Kind.added { try checkAdded(bytes) }
        guard kind != Kind.erased || inErasedSegment else {
            throw .malformed("what is left of an erased event is in a segment that is not erased")
        }
    }

    /// Decodes an event that was checked when it was read, or that was encoded here.
    ///
    /// - Complexity: linear in the number of fields.
    init(checked bytes: UnsafeRawBufferPointer) {
        do {
            try self.init(decoding: bytes)
        } catch {
            preconditionFailure("an event that was checked cannot be decoded: \(error)")
        }
    }

    // MARK: Fields

    /// Finds the fields. Their order, their kinds and what a reader must understand is checked here, in the order of the
    /// bytes; not what they hold.
    private init(decoding bytes: UnsafeRawBufferPointer) throws(EventProblem) {
        self.init()
        var offset = 0
        guard EventFields.varint(bytes, &offset) == UInt64(Field.kind) << 3,
            let kind = EventFields.varint(bytes, &offset),
            kind > 0, kind < 1 << 31
        else { throw .malformed("the event does not begin with its kind") }
        self.kind = kind
        guard kind < Kind.firstOptional else {
            try decodeUnknown(bytes, &offset)
            return
        }
        guard kind <= Kind.lost else { throw .unsupported("event kind \(kind)") }
        let allowed = Field.allowed(kind)
        var before = Field.kind
        while offset < bytes.count {
            let start = offset
            let (field, isLengthDelimited) = try EventFields.tag(bytes, &offset)
            guard let isLengthDelimited else {
                try EventFields.passFixed(field, bytes, start, &offset)
                try passOver(field)
                continue
            }
            guard let value = EventFields.varint(bytes, &offset) else {
                throw .malformed("field \(field) is cut off")
            }
            guard isLengthDelimited else {
                if try isKnown(field, &before, allowed, isText: false) { take(field, number: value) }
                continue
            }
            guard value <= UInt64(bytes.count - offset) else { throw .malformed("field \(field) is cut off") }
            let range = offset..<(offset + Int(value))
            offset = range.upperBound
            if try isKnown(field, &before, allowed, isText: true) { take(field, range, tagAt: start) }
        }
    }

    /// Most are of one byte, for which it is not worth to go elsewhere.
    @inline(__always)
    private static func varint(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> UInt64? {
        guard offset < bytes.count, bytes[offset] < 0x80 else { return Varint.read(bytes, &offset) }
        offset &+= 1
        return UInt64(bytes[offset &- 1])
    }

    /// A field's number, and whether it is length-delimited, or a number; nil where it is of a fixed length.
    @inline(__always)
    private static func tag(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(EventProblem) -> (field: Int, isLengthDelimited: Bool?) {
        guard let tag = varint(bytes, &offset) else { throw .malformed("a field's tag is cut off") }
        guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw .malformed("a field has the number \(tag >> 3)") }
        let field = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (field, false)
        case 2: return (field, true)
        case 1, 5: return (field, nil)
        default: throw .malformed("field \(field) has wire type \(tag & 7)")
        }
    }

    private static func passFixed(
        _ field: Int, _ bytes: UnsafeRawBufferPointer, _ start: Int, _ offset: inout Int
    ) throws(EventProblem) {
        // Read once more, which is rare: the tag says which of the two lengths it is.
        var at = start
        offset += Varint.read(bytes, &at).map { $0 & 7 == 1 ? 8 : 4 } ?? 0
        guard offset <= bytes.count else { throw .malformed("field \(field) is cut off") }
    }

    /// Whether a field is one that this version knows, and may stand here: behind that with the number `before`.
    @inline(__always)
    private func isKnown(
        _ field: Int, _ before: inout Int, _ allowed: UInt64, isText: Bool
    ) throws(EventProblem) -> Bool {
        guard field <= Field.replaces, Field.known & Field.bit(field) != 0 else {
            try passOver(field)
            return false
        }
        guard allowed & Field.bit(field) != 0, (Field.numbers & Field.bit(field) == 0) == isText else {
            throw .malformed("field \(field) in an event of kind \(kind), or of another wire type")
        }
        guard field > before else { throw .malformed("field \(field) is there twice, or out of order") }
        if contentField != 0, field <= Field.data { throw .malformed("there are two contents") }
        before = field
        return true
    }

    /// A field that this version does not know.
    private func passOver(_ field: Int) throws(EventProblem) {
        if field <= Field.replaces, Field.known & Field.bit(field) != 0 {
            throw .malformed("field \(field) is of another wire type")
        }
        guard field >= Field.firstOptional else { throw .unsupported("event field \(field)") }
    }

    /// The fields of a kind that this version does not know are that version's affair, so long as they are fields. A
    /// conversation's name among them is one.
    private mutating func decodeUnknown(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(EventProblem) {
        while offset < bytes.count {
            let start = offset
            let (field, isLengthDelimited) = try EventFields.tag(bytes, &offset)
            guard let isLengthDelimited else {
                try EventFields.passFixed(field, bytes, start, &offset)
                continue
            }
            guard let value = EventFields.varint(bytes, &offset) else {
                throw .malformed("field \(field) is cut off")
            }
            guard isLengthDelimited else { continue }
            guard value <= UInt64(bytes.count - offset) else { throw .malformed("field \(field) is cut off") }
            let range = offset..<(offset + Int(value))
            offset = range.upperBound
            let text = UnsafeRawBufferPointer(rebasing: bytes[range])
            if field == Field.conversation, conversation == nil, NameRules.isConversation(text) {
                conversation = range
            }
        }
    }

    private mutating func take(_ field: Int, number value: UInt64) {
        switch field {
        case Field.timestamp: timestampMicroseconds = unzigzag(value)
        case Field.target: target = value
        case Field.was: was = value
        case Field.erasure: erasure = value
        case Field.first: first = value
        case Field.replaces: replaces = value
        default: break
        }
    }

    private mutating func take(_ field: Int, _ range: Range<Int>, tagAt start: Int) {
        switch field {
        case Field.conversation: conversation = range
        case Field.text, Field.json, Field.data:
            content = range
            contentField = field
            compared = start..<range.upperBound
        case Field.mimeType: mimeType = range
        case Field.role: role = range
        case Field.metadata: metadata = range
        case Field.key: key = range
        case Field.label: label = range
        case Field.leaf: leaf = range
        case Field.keyHash: keyHash = range
        case Field.erasureKey: erasureKey = range
        default: break
        }
        if field >= Field.mimeType, field <= Field.metadata, content != nil {
            compared = compared.lowerBound..<range.upperBound
        }
    }
}

/// The events of a frame's raw payload, one after the other.
struct EventIterator {
    private let payload: UnsafeRawBufferPointer
    private var offset = 0

    init(_ payload: UnsafeRawBufferPointer) { self.payload = payload }

    /// Whether all were returned.
    var isAtEnd: Bool { offset == payload.count }

    /// The next event's bytes; nil at the end.
    mutating func next() throws(EventProblem) -> UnsafeRawBufferPointer? {
        guard offset < payload.count else { return nil }
        guard payload[offset] == EventEncoder.eventTag else {
            throw .malformed("the payload is not a series of events")
        }
        offset += 1
        guard let length = Varint.read(payload, &offset), length <= UInt64(payload.count - offset) else {
            throw .malformed("an event is cut off")
        }
        defer { offset += Int(length) }
        return UnsafeRawBufferPointer(rebasing: payload[offset..<(offset + Int(length))])
    }
}
