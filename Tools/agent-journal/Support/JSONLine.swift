import AgentJournal
import CanonicalJSON

/// Objects of canonical JSON, one a line.
enum JSONLine {
    /// The line of an object, with its newline.
    static func object(_ members: KeyValuePairs<String, JSONValue?>) -> [UInt8] {
        line(.object(members))
    }

    /// The line of a value, with its newline.
    static func line(_ value: JSONValue) -> [UInt8] {
        var bytes: [UInt8] = []
        value.appendCanonical(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }
}

extension JSONValue {
    /// A string.
    static func text(_ text: String) -> JSONValue { .string(Array(text.utf8)) }

    /// A number without fraction.
    static func number(_ number: some BinaryInteger) -> JSONValue { .number(Array(String(number).utf8)) }

    /// Seconds with six decimals.
    static func seconds(_ duration: Duration) -> JSONValue { .number(Array(duration.secondsText.utf8)) }

    /// An object; what is nil is left out.
    static func object(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .object(
            members.compactMap { key, value in
                value.map { JSONMember(key: Array(key.utf8), value: $0) }
            })
    }

    /// A value that is kept in canonical form, as a part of a larger one.
    init(_ json: JSON) {
        do {
            self = try JSONValue.parse(json.utf8)
        } catch {
            preconditionFailure("canonical JSON cannot be parsed: \(error)")
        }
    }
}

extension Duration {
    /// Seconds with six decimals: `0.001250`.
    var secondsText: String {
        let microseconds = attoseconds / 1_000_000_000_000
        let fraction = String(microseconds % 1_000_000)
        return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
    }
}

extension Memory {
    /// The members of its line in an export.
    var exportMembers: KeyValuePairs<String, JSONValue?> { exportMembers(kind: nil) }

    /// The members of its line in an export, and with a kind of event those that `log` adds.
    func exportMembers(kind: String?) -> KeyValuePairs<String, JSONValue?> {
        var base64: JSONValue?
        var value: JSONValue?
        switch content {
        case .text(let text): value = .text(text)
        case .json(let json): value = JSONValue(json)
        case .bytes(let bytes):
            var digits: [UInt8] = []
            bytes.withUnsafeBytes { Base64.append($0, to: &digits) }
            base64 = .string(digits)
        }
        return [
            "content": value, "content_base64": base64, "conversation": .text(conversation),
            "idempotency_key": idempotencyKey.map { .text($0) }, "kind": kind.map { .text($0) },
            "metadata": metadata.isEmpty ? nil : JSONValue(metadata.json),
            "mime_type": mimeType.map { .text($0) },
            "recorded": kind.map { _ in .text(recorded.description) },
            "role": role.map { .text($0.rawValue) },
            "sequence": .number(sequence), "timestamp": .text(timestamp.description),
        ]
    }
}

extension Receipt {
    /// The receipt of an append to a conversation.
    func json(conversation: String?, target: UInt64? = nil, label: String? = nil) -> [UInt8] {
        JSONLine.object([
            "conversation": conversation.map { .text($0) }, "erased": isErased ? .bool(true) : nil,
            "label": label.map { .text($0) },
            "recorded": .text(recorded.description), "replayed": .bool(isReplayed),
            "sequence": .number(sequence),
            "target": target.map { .number($0) },
        ])
    }
}
