extension JSONValue {
    /// Appends the canonical form of this value. An object made by hand must not have a key twice.
    package func appendCanonical(to output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(true): output.append(contentsOf: "true".utf8)
        case .bool(false): output.append(contentsOf: "false".utf8)
        case .number(let token): output.append(contentsOf: token)
        case .string(let text): Self.appendString(utf8: text, to: &output)
        case .array(let elements): Self.appendArray(elements, to: &output)
        case .object(let members): Self.appendObject(members, to: &output)
        }
    }

    private static func appendArray(_ elements: [JSONValue], to output: inout [UInt8]) {
        output.append(UInt8(ascii: "["))
        var isFirst = true
        for element in elements {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            element.appendCanonical(to: &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    private static func appendObject(_ members: [JSONMember], to output: inout [UInt8]) {
        output.append(UInt8(ascii: "{"))
        var isFirst = true
        for member in inKeyOrder(members) {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            appendString(utf8: member.key, to: &output)
            output.append(UInt8(ascii: ":"))
            member.value.appendCanonical(to: &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    /// The members by the UTF-8 bytes of their keys. Most objects that are read were written in that order.
    private static func inKeyOrder(_ members: [JSONMember]) -> [JSONMember] {
        for (earlier, later) in zip(members, members.dropFirst())
        where !earlier.key.lexicographicallyPrecedes(later.key) {
            return members.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        }
        return members
    }
}

extension JSONValue {
    /// Appends a string in canonical form with its quotation marks. Runs that need no escape are copied whole.
    ///
    /// - Parameter utf8: The text, which must be valid UTF-8; it is not checked again.
    package static func appendString(utf8: RawSpan, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        var offset = 0
        while true {
            let end = utf8.endOfPlainRun(from: offset, stoppingAtNonASCII: false)
            if end > offset {
                utf8.extracting(offset..<end).withUnsafeBytes { output.append(contentsOf: $0) }
            }
            if end == utf8.byteCount { break }
            appendEscape(utf8.byte(at: end), to: &output)
            offset = end + 1
        }
        output.append(UInt8(ascii: "\""))
    }

    /// Appends a string in canonical form with its quotation marks; `utf8` must be valid UTF-8.
    package static func appendString(utf8: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        appendString(utf8: utf8.bytes, to: &output)
    }

    /// Appends a string in canonical form with its quotation marks; `utf8` must be valid UTF-8.
    package static func appendString(utf8: [UInt8], to output: inout [UInt8]) {
        appendString(utf8: utf8.span.bytes, to: &output)
    }

    /// Appends a string in canonical form with its quotation marks.
    package static func appendString(_ text: String, to output: inout [UInt8]) {
        appendString(utf8: text.utf8.span.bytes, to: &output)
    }

    private static func appendEscape(_ byte: UInt8, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): output.append(byte)
        case 0x08: output.append(UInt8(ascii: "b"))
        case 0x09: output.append(UInt8(ascii: "t"))
        case 0x0a: output.append(UInt8(ascii: "n"))
        case 0x0c: output.append(UInt8(ascii: "f"))
        case 0x0d: output.append(UInt8(ascii: "r"))
        default:
            output.append(contentsOf: "u00".utf8)
            output.append(hexadecimalDigit(byte >> 4))
            output.append(hexadecimalDigit(byte & 0x0f))
        }
    }

    private static func hexadecimalDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}
