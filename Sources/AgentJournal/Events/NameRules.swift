import CanonicalJSON

/// What names, labels, keys, roles and mime types may be.
enum NameRules {
    static let conversationBytes = 512
    static let keyBytes = 512
    static let labelBytes = 512
    static let mimeTypeBytes = 255
    static let roleBytes = 64

    /// Checks one of them; `what` names it in the error.
    static func check(_ text: String, _ what: String, maximumBytes: Int) throws(JournalError) {
        let length = text.utf8.count
        guard length > 0 else {
            throw JournalError(
                .invalidArgument, "The \(what) is empty; it takes 1 to \(maximumBytes) bytes of UTF-8")
        }
        guard length <= maximumBytes else {
            throw JournalError(
                .invalidArgument,
                "The \(what) is \(length) bytes long; the limit is \(maximumBytes) bytes of UTF-8")
        }
        // Most names are printable ASCII, and bytes are looked at faster than scalars.
        guard !isPrintable(text.utf8.span) else { return }
        if let control = text.unicodeScalars.first(where: isControl) {
            let code = String(control.value, radix: 16, uppercase: true)
            throw JournalError(
                .invalidArgument,
                "The \(what) holds the control character U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code); "
                    + "remove it")
        }
    }

    /// Whether bytes that were read are the name of a conversation.
    @inline(__always)
    static func isConversation(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count > 0 && bytes.count <= conversationBytes && UTF8Text.isValidWithoutControls(bytes)
    }

    /// Whether bytes that were read are a key, a label, a role or a mime type. A writer refuses control characters in these
    /// too; a reader need not.
    static func isText(_ bytes: UnsafeRawBufferPointer, maximumBytes: Int) -> Bool {
        bytes.count > 0 && bytes.count <= maximumBytes && UTF8Text.isValid(bytes)
    }

    private static func isPrintable(_ bytes: Span<UInt8>) -> Bool {
        for index in bytes.indices where !(0x20..<0x7F).contains(bytes[index]) { return false }
        return true
    }

    /// Unicode's category Cc, which will never have other members. (To ask the scalar for its category takes 50 times
    /// as long, which shows in a durable add.)
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }
}
