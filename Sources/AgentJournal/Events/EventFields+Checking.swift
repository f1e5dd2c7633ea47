import CanonicalJSON

/// The rules of docs/journal.proto about what an event's fields hold, and which must be there.
extension EventFields {
    /// Checks what is not an added memory's alone.
    func checkParts(_ bytes: UnsafeRawBufferPointer, at sequence: UInt64) throws(EventProblem) {
        if let conversation, !NameRules.isConversation(EventFields.slice(bytes, conversation)) {
            throw .malformed(
                "a conversation's name is not UTF-8 of 1 to 512 bytes without control characters")
        }
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
        case Kind.flushed: try check(bytes, label, "label", NameRules.labelBytes)
        case Kind.floor:
            guard let target, target > 0 else { throw .malformed("a floor lacks its sequence") }
            guard target <= sequence else { throw .malformed("a floor is above its own sequence") }
        case Kind.erased: try checkErased(at: sequence)
        case Kind.erasureBegun, Kind.erasureDone:
            guard let target, target > 0,
                kind == Kind.erasureDone || erasureKey?.count == EventFields.erasureKeyBytes
            else { throw .malformed("an erasure lacks a part") }
            guard target < sequence else { throw .malformed("an erasure goes beyond its own sequence") }
        case Kind.lost:
            guard let first, let target, first > 0, first <= target, target < 1 << 62 else {
                throw .malformed("a loss lacks its sequences")
            }
        default: break
        }
    }

    private func checkErased(at sequence: UInt64) throws(EventProblem) {
        guard let was, let erasure, leaf?.count == EventFields.leafBytes, target ?? 1 > 0,
            keyHash.map({ $0.count == EventFields.keyHashBytes }) ?? true
        else { throw .malformed("an erased event lacks a part") }
        guard erasure > sequence else { throw .malformed("an event is erased by an earlier one") }
        let fits =
            switch was {
            case Kind.added: target == nil
            case Kind.forgotten: target != nil && conversation == nil && keyHash == nil
            case Kind.cleared: target == nil && conversation == nil && keyHash == nil
            // Of a later version.
            default: was > 0
            }
        guard fits else { throw .malformed("an erased event has what one of kind \(was) has not") }
    }

    /// Checks what only an added memory has.
    func checkAdded(_ bytes: UnsafeRawBufferPointer) throws(EventProblem) {
        switch contentField {
        case Field.text:
            guard UTF8Text.isValid(EventFields.slice(bytes, content!)) else {
                throw .malformed("a text is not UTF-8")
            }
        case Field.json:
            // Texts are contents of their own, and nothing is no content.
            guard let first = bytes[content!].first, first != UInt8(ascii: "\""), first != UInt8(ascii: "n")
            else {
                throw .malformed("a JSON content is none of an object, array, number or boolean")
            }
            try checkCanonical(bytes, content!, "a JSON content")
        default: break
        }
        try check(bytes, mimeType, "mime type", NameRules.mimeTypeBytes)
        try check(bytes, role, "role", NameRules.roleBytes)
        if let metadata {
            guard bytes[metadata].first == UInt8(ascii: "{"), metadata.count > 2 else {
                throw .malformed("the metadata is no object, or an empty one")
            }
            try checkCanonical(bytes, metadata, "the metadata")
        }
        if let timestampMicroseconds, !Timestamp.microsecondsRange.contains(timestampMicroseconds) {
            throw .malformed("a memory's time is outside the years 0001 to 9999")
        }
        try check(bytes, key, "idempotency key", NameRules.keyBytes)
        if replaces == 0 { throw .malformed("a memory replaces sequence 0") }
    }

    private func checkCanonical(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ what: String
    ) throws(EventProblem) {
        guard let offset = CanonicalJSON.departure(EventFields.slice(bytes, range)) else { return }
        throw .malformed("\(what) is not canonical JSON at byte \(offset)")
    }

    private func check(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>?, _ what: StaticString, _ maximumBytes: Int
    ) throws(EventProblem) {
        guard let range else { return }
        guard NameRules.isText(EventFields.slice(bytes, range), maximumBytes: maximumBytes) else {
            throw .malformed("the \(what) is not UTF-8 of 1 to \(maximumBytes) bytes")
        }
    }

    @inline(__always)
    private static func slice(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>
    ) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }
}

extension EventFields {
    /// Up to where history is let go by this event; nil when it is of another kind.
    var floor: UInt64? { kind == Kind.floor ? target : nil }

    /// Up to where an erasure goes that this event begins or ends; nil when it is of another kind.
    var erasedThrough: UInt64? { kind == Kind.erasureBegun || kind == Kind.erasureDone ? target : nil }
}
