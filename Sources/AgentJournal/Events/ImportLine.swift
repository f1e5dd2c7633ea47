package import CanonicalJSON

/// Why a line of an import cannot be taken.
package struct LineProblem: Error {
    package var message: String
    /// Where in the line, in bytes.
    package var offset = 0
    /// Whether the line ends within a value, which may go on in the next.
    package var endsEarly = false

    package init(message: String, offset: Int = 0, endsEarly: Bool = false) {
        self.message = message
        self.offset = offset
        self.endsEarly = endsEarly
    }
}

/// What a line of an import gives.
package struct ImportedLine: Sendable {
    /// Where the memory goes.
    package var conversation: String
    package var memory: NewMemory
    /// Whether there is something to remember: a content other than the empty text, or calls of tools, which need none.
    package var hasContent: Bool
    /// Whether it lacks the time that an option names.
    package var lacksTime: Bool
    /// Whether its time was a number, whose unit an option gave.
    package var hasNumericTime: Bool
}

/// Makes memories of the lines of an import: the way back from `ExportLine`.
///
///     {"conversation","role","content" or "content_base64","idempotency_key","metadata","mime_type","timestamp"}
///
/// Every other member is kept in the metadata under its own name, but for `sequence`, which an export has and an import
/// does not need. A member of these that is null is taken as not there.
package struct ImportLine: Sendable {
    /// Where to find what lines of other programs have under other names.
    package struct Fields: Sendable {
        package var conversation: MemberPath?
        package var role: MemberPath?
        package var content: MemberPath?
        package var time: MemberPath?
        /// Of times that are numbers.
        package var timeUnit: TimeUnit?
        /// The value, which stays where it is besides, is the idempotency key.
        package var key: MemberPath?

        package init() {}
    }

    /// For lines that name none.
    package var conversation: String?
    package var fields: Fields

    package init(conversation: String? = nil, fields: Fields = Fields()) {
        self.conversation = conversation
        self.fields = fields
    }

    /// A line may hold a content or metadata as deep as a journal takes. The line is one level itself, an array around it another,
    /// and a path to the content may lead through some.
    private static let maximumDepth = JSONValue.defaultMaximumDepth + 8

    /// What was found on a line so far.
    private struct Parts {
        var conversation: String?
        var content: Content?
        var hasContent = false
        var hasBytes = false
        var role: Role?
        var mimeType: String?
        var timestamp: Timestamp?
        var hasNumericTime = false
        var key: String?
        var fieldKey: String?
        var metadata: [JSONMember] = []
        var unknown: [JSONMember] = []
        var hasCalls = false
    }

    /// The memory on a line and the conversation it goes to.
    package func parse(_ line: RawSpan) throws(LineProblem) -> ImportedLine {
        try memory(of: try ImportLine.value(of: line))
    }

    /// The JSON value on a line.
    package static func value(of line: RawSpan) throws(LineProblem) -> JSONValue {
        do {
            return try JSONValue.parse(line, maximumDepth: ImportLine.maximumDepth)
        } catch {
            throw LineProblem(
                message: "byte \(error.offset): \(error.message)", offset: error.offset,
                endsEarly: error.offset == line.byteCount)
        }
    }

    /// The memory that a line's object is, and the conversation it goes to.
    package func memory(of value: JSONValue) throws(LineProblem) -> ImportedLine {
        guard case .object(var members) = value else {
            throw LineProblem(message: "it is \(value.kindName), not a JSON object")
        }
        var parts = Parts()
        try takeFields(from: &members, &parts)
        for member in members { try take(member, &parts) }
        return try memory(of: parts)
    }

    /// What options name is found first, and its members' usual names are then those of any other member.
    private func takeFields(from members: inout [JSONMember], _ parts: inout Parts) throws(LineProblem) {
        if let path = fields.key, let value = path.value(in: members) {
            parts.fieldKey = try key(value, path.text)
        }
        if let path = fields.content, let value = path.take(from: &members) {
            parts.hasContent = true
            parts.content = content(value)
        }
        if let path = fields.role, let value = path.take(from: &members) {
            parts.role = Role(try text(value, path.text))
        }
        if let path = fields.conversation, let value = path.take(from: &members) {
            parts.conversation = try key(value, path.text)
        }
        if let path = fields.time, let value = path.take(from: &members) {
            try takeTime(value, path.text, &parts)
        }
    }

    private func take(_ member: JSONMember, _ parts: inout Parts) throws(LineProblem) {
        let name = String(decoding: member.key, as: UTF8.self)
        if case .null = member.value, ImportLine.known.contains(name) { return }
        switch name {
        case "conversation" where parts.conversation == nil || fields.conversation == nil:
            parts.conversation = try text(member.value, name)
        case "role" where parts.role == nil || fields.role == nil:
            parts.role = Role(try text(member.value, name))
        case "mime_type": parts.mimeType = try text(member.value, name)
        case "idempotency_key":
            parts.key =
                fields.key?.text == name ? parts.fieldKey : try text(member.value, name)
        case "content" where !parts.hasContent || fields.content == nil:
            parts.hasContent = true
            parts.content = content(member.value)
        case "content_base64":
            guard let bytes = Base64.decode(Array(try text(member.value, name).utf8)) else {
                throw LineProblem(
                    message: "\"content_base64\" is not base64 with padding (RFC 4648, section 4)")
            }
            parts.hasBytes = true
            parts.content = .bytes(bytes)
        case "timestamp" where parts.timestamp == nil || fields.time == nil:
            try takeTime(member.value, name, &parts)
        case "metadata":
            guard case .object(let members) = member.value else {
                throw wrongType(member.value, name, "an object")
            }
            parts.metadata = members
        case "sequence": break
        default:
            if ImportLine.calls.contains(name), member.value != .null { parts.hasCalls = true }
            parts.unknown.append(member)
        }
    }

    /// The members that have a meaning here.
    private static let known: Set<String> = [
        "conversation", "role", "mime_type", "idempotency_key", "content", "content_base64", "timestamp",
        "metadata", "sequence",
    ]

    /// Members of chat completion services' messages that stand in a content's place.
    private static let calls: Set<String> = ["tool_calls", "function_call"]

    private func takeTime(_ value: JSONValue, _ name: String, _ parts: inout Parts) throws(LineProblem) {
        switch value {
        case .number(let digits): parts.timestamp = try time(digits, name)
        case .string(let digits) where isNumber(digits) && fields.timeUnit != nil:
            parts.timestamp = try time(digits, name)
        case .string(let text):
            do {
                parts.timestamp = try Timestamp(utf8: text.span.bytes)
            } catch {
                throw LineProblem(
                    message: "\(quoted(name)) is not RFC 3339: \(error.description)"
                        + (isNumber(text) ? ". If it is a number, say what it counts: \(guesses(text))" : ""))
            }
            return
        default: throw wrongType(value, name, "a string")
        }
        parts.hasNumericTime = true
    }

    private func time(_ digits: [UInt8], _ name: String) throws(LineProblem) -> Timestamp {
        let shown = String(decoding: digits.prefix(40), as: UTF8.self)
        guard let unit = fields.timeUnit else {
            throw LineProblem(
                message:
                    "\(quoted(name)) must be a string, not a number, unless it is said what the number counts: "
                    + guesses(digits))
        }
        guard let time = unit.timestamp(digits) else {
            throw LineProblem(
                message:
                    "\(quoted(name)) is \(shown), which lies outside of the years 0001 to 9999 when it counts \(unit): \(guesses(digits))"
            )
        }
        return time
    }

    private func isNumber(_ text: [UInt8]) -> Bool {
        guard let value = try? JSONValue.parse(text), case .number = value else { return false }
        return true
    }

    /// What a number would be in each unit. Which is right only the caller knows.
    private func guesses(_ digits: [UInt8]) -> String {
        TimeUnit.allCases.compactMap { unit in
            unit.timestamp(digits).map { "--time-unit \(unit.rawValue) makes it \($0)" }
        }.joined(separator: ", ")
    }

    private func memory(of parts: Parts) throws(LineProblem) -> ImportedLine {
        guard let conversation = parts.conversation ?? self.conversation else {
            throw LineProblem(
                message: "it names no \"conversation\"; --conversation gives one to all such lines")
        }
        guard !parts.hasContent || !parts.hasBytes else {
            throw LineProblem(message: "it has both \"content\" and \"content_base64\"; keep one of them")
        }
        if let own = parts.key, let other = parts.fieldKey, !own.utf8.elementsEqual(other.utf8) {
            throw LineProblem(
                message:
                    "its \"idempotency_key\" is not its \"\(fields.key?.text ?? "")\", which --key-field names"
            )
        }
        let content = parts.content ?? .text("")
        let memory = NewMemory(
            content, role: parts.role, mimeType: parts.mimeType,
            metadata: try metadata(of: parts),
            timestamp: parts.timestamp, idempotencyKey: parts.fieldKey ?? parts.key)
        return ImportedLine(
            conversation: conversation, memory: memory, hasContent: parts.hasCalls || content != .text(""),
            lacksTime: fields.time != nil && parts.timestamp == nil, hasNumericTime: parts.hasNumericTime)
    }

    private func metadata(of parts: Parts) throws(LineProblem) -> Metadata {
        var members = parts.metadata
        for member in parts.unknown {
            if let other = parts.metadata.first(where: { $0.key == member.key }) {
                guard canonical(other.value) == canonical(member.value) else {
                    throw LineProblem(
                        message:
                            "\(quoted(String(decoding: member.key, as: UTF8.self))) is there twice, on the line and in its \"metadata\", with two values"
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

    private func key(_ value: JSONValue, _ name: String) throws(LineProblem) -> String {
        switch value {
        case .string(let bytes), .number(let bytes): return String(decoding: bytes, as: UTF8.self)
        default: throw wrongType(value, name, "a string or a number")
        }
    }

    private func text(_ value: JSONValue, _ name: String) throws(LineProblem) -> String {
        guard case .string(let bytes) = value else { throw wrongType(value, name, "a string") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func wrongType(_ value: JSONValue, _ name: String, _ expected: String) -> LineProblem {
        LineProblem(message: "\(quoted(name)) must be \(expected), not \(value.kindName)")
    }

    private func quoted(_ name: String) -> String {
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
    package var kindName: String {
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
