import CanonicalJSON

/// Why a line of an import cannot be taken.
package struct LineProblem: Error {
    package var message: String
    /// Where in the line, in bytes.
    package var offset = 0
}

/// Makes memories of the lines of an import: the way back from `ExportLine`.
///
///     {"conversation","role","content" or "content_base64","idempotency_key","metadata","mime_type","timestamp"}
///
/// Every other member is kept in the metadata under its own name, but for `sequence`, which an export has and an import
/// does not need.
package struct ImportLine: Sendable {
    /// For lines that name none.
    package var conversation: String?
    /// The member whose value is the idempotency key.
    package var keyField: String?

    package init(conversation: String? = nil, keyField: String? = nil) {
        self.conversation = conversation
        self.keyField = keyField
    }

    /// A line may hold a content or metadata as deep as a journal takes, and is one level itself.
    private static let maximumDepth = JSONValue.defaultMaximumDepth + 1

    /// What was found on a line so far.
    private struct Parts {
        var conversation: String?
        var content: Content?
        var hasContent = false
        var hasBytes = false
        var role: Role?
        var mimeType: String?
        var timestamp: Timestamp?
        var key: String?
        var fieldKey: String?
        var metadata: [JSONMember] = []
        var unknown: [JSONMember] = []
    }

    /// The memory on a line and the conversation it goes to.
    package func parse(_ line: RawSpan) throws(LineProblem) -> (conversation: String, memory: NewMemory) {
        let members: [JSONMember]
        do {
            let value = try JSONValue.parse(line, maximumDepth: ImportLine.maximumDepth)
            guard case .object(let object) = value else {
                throw LineProblem(message: "the line is \(value.kindName), not a JSON object")
            }
            members = object
        } catch let error as JSONError {
            throw LineProblem(message: "byte \(error.offset): \(error.message)", offset: error.offset)
        } catch let error as LineProblem {
            throw error
        } catch {
            throw LineProblem(message: "\(error)")
        }
        var parts = Parts()
        for member in members { try take(member, &parts) }
        return try memory(of: parts)
    }

    private func take(_ member: JSONMember, _ parts: inout Parts) throws(LineProblem) {
        if let keyField, member.key.elementsEqual(keyField.utf8) { parts.fieldKey = try key(member) }
        switch String(decoding: member.key, as: UTF8.self) {
        case "conversation": parts.conversation = try text(member)
        case "role": parts.role = Role(try text(member))
        case "mime_type": parts.mimeType = try text(member)
        case "idempotency_key":
            parts.key = keyField == "idempotency_key" ? parts.fieldKey : try text(member)
        case "content":
            parts.hasContent = true
            parts.content = content(member.value)
        case "content_base64":
            guard let bytes = Base64.decode(Array(try text(member).utf8)) else {
                throw LineProblem(
                    message: "\"content_base64\" is not base64 with padding (RFC 4648, section 4)")
            }
            parts.hasBytes = true
            parts.content = .bytes(bytes)
        case "timestamp":
            do {
                parts.timestamp = try Timestamp(parsing: try text(member))
            } catch let error as Timestamp.ParseError {
                throw LineProblem(message: "\"timestamp\" is not RFC 3339: \(error.description)")
            } catch {
                throw error as? LineProblem ?? LineProblem(message: "\(error)")
            }
        case "metadata":
            guard case .object(let members) = member.value else { throw wrongType(member, "an object") }
            parts.metadata = members
        case "sequence": break
        default: parts.unknown.append(member)
        }
    }

    private func memory(of parts: Parts) throws(LineProblem) -> (conversation: String, memory: NewMemory) {
        guard let conversation = parts.conversation ?? self.conversation else {
            throw LineProblem(
                message: "it names no \"conversation\"; --conversation gives one to all such lines")
        }
        guard !parts.hasContent || !parts.hasBytes else {
            throw LineProblem(message: "it has both \"content\" and \"content_base64\"; keep one of them")
        }
        if let keyField, parts.fieldKey == nil {
            throw LineProblem(message: "it has no \"\(keyField)\", which --key-field names")
        }
        if let own = parts.key, let other = parts.fieldKey, !own.utf8.elementsEqual(other.utf8) {
            throw LineProblem(
                message: "its \"idempotency_key\" is not its \"\(keyField ?? "")\", which --key-field names")
        }
        let memory = NewMemory(
            parts.content ?? .text(""), role: parts.role, mimeType: parts.mimeType,
            metadata: try metadata(of: parts),
            timestamp: parts.timestamp, idempotencyKey: parts.fieldKey ?? parts.key)
        return (conversation, memory)
    }

    private func metadata(of parts: Parts) throws(LineProblem) -> Metadata {
        var members = parts.metadata
        for member in parts.unknown {
            if let other = parts.metadata.first(where: { $0.key == member.key }) {
                guard canonical(other.value) == canonical(member.value) else {
                    throw LineProblem(
                        message:
                            "\(quoted(member)) is there twice, on the line and in its \"metadata\", with two values"
                    )
                }
            } else {
                members.append(member)
            }
        }
        return members.isEmpty ? [:] : Metadata(canonicalBytes: canonical(.object(members)))
    }

    /// Text is text; nothing is the empty text; any other value is JSON.
    private func content(_ value: JSONValue) -> Content {
        switch value {
        case .string(let text): .text(String(decoding: text, as: UTF8.self))
        case .null: .text("")
        default: .json(JSON(canonicalBytes: canonical(value)))
        }
    }

    private func key(_ member: JSONMember) throws(LineProblem) -> String {
        switch member.value {
        case .string(let bytes), .number(let bytes): return String(decoding: bytes, as: UTF8.self)
        default: throw wrongType(member, "a string or a number, to be the idempotency key")
        }
    }

    private func text(_ member: JSONMember) throws(LineProblem) -> String {
        guard case .string(let bytes) = member.value else { throw wrongType(member, "a string") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func wrongType(_ member: JSONMember, _ expected: String) -> LineProblem {
        LineProblem(message: "\(quoted(member)) must be \(expected), not \(member.value.kindName)")
    }

    private func quoted(_ member: JSONMember) -> String {
        let name = String(decoding: member.key, as: UTF8.self)
        var text: [UInt8] = []
        JSONValue.appendString(name.count > 64 ? name.prefix(63) + "…" : name, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private func canonical(_ value: JSONValue) -> [UInt8] {
        var bytes: [UInt8] = []
        value.appendCanonical(to: &bytes)
        return bytes
    }
}

extension JSONValue {
    /// What it is, in a message.
    fileprivate var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
