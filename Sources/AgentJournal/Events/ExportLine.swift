import CanonicalJSON

/// The canonical JSON line of a memory, written straight from its event's bytes.
enum ExportLine {
    /// Appends the line and its newline. Members are in order of their keys.
    ///
    /// - Parameters:
    ///   - kind: That of the event, for a line of the log.
    ///   - isWithRecorded: Whether it says when the memory was recorded, which an export does not.
    static func append(
        _ fields: EventFields, _ bytes: UnsafeRawBufferPointer, sequence: UInt64, recordedMicroseconds: Int64,
        kind: StaticString? = nil, isWithRecorded: Bool = false, to output: inout [UInt8]
    ) {
        func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[range])
        }
        func string(_ name: StaticString, _ range: Range<Int>?) {
            guard let range else { return }
            output.append(contentsOf: raw(name))
            JSONValue.appendString(utf8: slice(range), to: &output)
        }
        switch fields.contentField {
        case EventFields.Field.json:
            output.append(contentsOf: raw("{\"content\":"))
            output.append(contentsOf: slice(fields.content!))
        case EventFields.Field.data:
            output.append(contentsOf: raw("{\"content_base64\":\""))
            Base64.append(slice(fields.content!), to: &output)
            output.append(UInt8(ascii: "\""))
        default: string("{\"content\":", fields.content)
        }
        string(",\"conversation\":", fields.conversation)
        string(",\"idempotency_key\":", fields.key)
        if let kind {
            output.append(contentsOf: raw(",\"kind\":\""))
            output.append(contentsOf: raw(kind))
            output.append(UInt8(ascii: "\""))
        }
        if let metadata = fields.metadata {
            output.append(contentsOf: raw(",\"metadata\":"))
            output.append(contentsOf: slice(metadata))
        }
        string(",\"mime_type\":", fields.mimeType)
        if isWithRecorded {
            output.append(contentsOf: raw(",\"recorded\":\""))
            Timestamp(clampingMicrosecondsSince1970: recordedMicroseconds).appendDescription(to: &output)
            output.append(UInt8(ascii: "\""))
        }
        string(",\"role\":", fields.role)
        output.append(contentsOf: raw(",\"sequence\":"))
        output.append(contentsOf: String(sequence).utf8)
        output.append(contentsOf: raw(",\"timestamp\":\""))
        Timestamp(clampingMicrosecondsSince1970: fields.timestampMicroseconds ?? recordedMicroseconds)
            .appendDescription(to: &output)
        output.append(contentsOf: raw("\"}\n"))
    }

    private static func raw(_ text: StaticString) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}
