import SegmentLog

/// Why an event cannot be taken.
enum EventProblem: Error {
    /// Not what docs/journal.proto says.
    case malformed(String)
    /// Of a newer version, and must be understood.
    case unsupported(String)
}

extension EventFields {
    /// Decodes one event.
    ///
    /// - Throws: `malformed`, and `unsupported` for a field or a kind that must be understood.
    /// - Complexity: linear in the number of fields; contents are not looked at.
    init(_ bytes: UnsafeRawBufferPointer) throws(EventProblem) {
        self.init()
        var offset = 0
        while offset < bytes.count {
            let start = offset
            guard let tag = Varint.read(bytes, &offset) else { throw .malformed("a field's tag is cut off") }
            let field = Int(truncatingIfNeeded: tag >> 3)
            switch tag & 7 {
            case 0:
                guard let value = Varint.read(bytes, &offset) else {
                    throw .malformed("field \(field) is cut off")
                }
                try take(field, number: value)
            case 2:
                guard let length = Varint.read(bytes, &offset), length <= UInt64(bytes.count - offset) else {
                    throw .malformed("field \(field) is cut off")
                }
                let range = offset..<(offset + Int(length))
                offset = range.upperBound
                try take(field, range, tagAt: start)
            case 1, 5:
                offset += tag & 7 == 1 ? 8 : 4
                guard offset <= bytes.count else { throw .malformed("field \(field) is cut off") }
                try passOver(field)
            default: throw .malformed("field \(field) has wire type \(tag & 7)")
            }
        }
        try check()
    }

    private mutating func take(_ field: Int, number value: UInt64) throws(EventProblem) {
        switch field {
        case Field.kind: kind = value
        case Field.timestamp:
            timestampMicroseconds = Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
        case Field.target: target = value
        case Field.was: was = value
        case Field.erasure: erasure = value
        case Field.first: first = value
        case Field.replaces: replaces = value
        case 1..<Field.firstOptional: try passOver(field)
        default: break
        }
    }

    private mutating func take(_ field: Int, _ range: Range<Int>, tagAt start: Int) throws(EventProblem) {
        switch field {
        case Field.conversation: conversation = range
        case Field.text, Field.json, Field.data:
            guard content == nil else { throw .malformed("there are two contents") }
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
        default: try passOver(field)
        }
        if field >= Field.mimeType, field <= Field.metadata, content != nil {
            compared = compared.lowerBound..<range.upperBound
        }
    }

    private func passOver(_ field: Int) throws(EventProblem) {
        guard field >= Field.firstOptional else { throw .unsupported("event field \(field)") }
    }

    private func check() throws(EventProblem) {
        switch kind {
        case Kind.added:
            guard conversation != nil, content != nil else {
                throw .malformed("an added memory lacks a part")
            }
        case Kind.forgotten:
            guard conversation != nil, target ?? 0 > 0 else {
                throw .malformed("a forgotten memory lacks a part")
            }
        case Kind.cleared:
            guard conversation != nil else { throw .malformed("a cleared conversation lacks its name") }
        case Kind.flushed: break
        case Kind.floor:
            guard target ?? 0 > 0 else { throw .malformed("a floor lacks its sequence") }
        case Kind.erased:
            guard was ?? 0 > 0, target ?? 1 > 0, leaf?.count == EventFields.leafBytes, erasure ?? 0 > 0,
                keyHash.map({ $0.count == EventFields.keyHashBytes }) ?? true
            else { throw .malformed("an erased event lacks a part") }
        case Kind.erasureBegun:
            guard target ?? 0 > 0, erasureKey?.count == EventFields.erasureKeyBytes else {
                throw .malformed("an erasure lacks a part")
            }
        case Kind.erasureDone:
            guard target ?? 0 > 0 else { throw .malformed("an erasure lacks its sequence") }
        case Kind.lost:
            guard let first, let target, first > 0, first <= target, target < 1 << 62 else {
                throw .malformed("a loss lacks its sequences")
            }
        case 0: throw .malformed("the event has no kind")
        case ..<Kind.firstOptional: throw .unsupported("event kind \(kind)")
        default: break
        }
    }
}

extension EventFields {
    /// Up to where history is let go by this event, which has `sequence`; nil when it is of another kind.
    func floor(at sequence: UInt64) throws(EventProblem) -> UInt64? {
        guard kind == Kind.floor, let target else { return nil }
        guard target <= sequence else { throw .malformed("a floor is above its own sequence") }
        return target
    }

    /// Up to where an erasure goes, which this event, with `sequence`, begins or ends; nil when it is of another kind.
    func erasedThrough(at sequence: UInt64) throws(EventProblem) -> UInt64? {
        guard kind == Kind.erasureBegun || kind == Kind.erasureDone, let target else { return nil }
        guard target < sequence else { throw .malformed("an erasure goes beyond its own sequence") }
        return target
    }
}

/// The events of a frame's raw payload, one after the other.
struct EventIterator {
    private let payload: UnsafeRawBufferPointer
    private var offset = 0

    init(_ payload: UnsafeRawBufferPointer) { self.payload = payload }

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
