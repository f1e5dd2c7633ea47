import AgentJournal
import ArgumentParser

/// A member that an option names.
private func memberPath(_ text: String) throws -> MemberPath {
    guard let path = MemberPath(text) else {
        throw ValidationError("'\(text)' is no member: give a name such as content, or message.content")
    }
    return path
}

/// Where the parts of a memory are in lines of other programs.
struct ImportFieldOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The member that is the content: a name, or names with dots.", valueName: "path"),
        transform: memberPath)
    var contentField: MemberPath?
    @Option(help: ArgumentHelp("The member that is the role.", valueName: "path"), transform: memberPath)
    var roleField: MemberPath?
    @Option(
        help: ArgumentHelp("The member that names the conversation.", valueName: "path"),
        transform: memberPath)
    var conversationField: MemberPath?
    @Option(
        help: ArgumentHelp("The member that is the time, such as created_at.", valueName: "path"),
        transform: memberPath)
    var timeField: MemberPath?
    @Option(
        help: ArgumentHelp(
            "What a time that is a number counts since 1970: s, ms or us.", valueName: "unit"),
        transform: unit)
    var timeUnit: TimeUnit?

    private static func unit(_ text: String) throws -> TimeUnit {
        guard let unit = TimeUnit(rawValue: text) else {
            throw ValidationError("'\(text)' is no unit: give s, ms or us")
        }
        return unit
    }

    var fields: ImportLine.Fields {
        var fields = ImportLine.Fields()
        fields.content = contentField
        fields.role = roleField
        fields.conversation = conversationField
        fields.time = timeField
        fields.timeUnit = timeUnit
        return fields
    }
}

/// What makes a repeated import add nothing twice.
struct ImportKeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The member whose value, a string or a number, is the idempotency key. Lines without it get no key.",
            valueName: "path"),
        transform: memberPath)
    var keyField: MemberPath?
    @Flag(
        help:
            "Lines that have no other key get one made of what they hold, and of how many equal lines came before."
    )
    var keyOfContent = false
    @Option(
        help: ArgumentHelp(
            "When a key comes again with something else: stop, skip (the first stays) or replace (the newest takes its place).",
            valueName: "policy"),
        transform: policy)
    var onConflict: ConflictPolicy?

    private static func policy(_ text: String) throws -> ConflictPolicy {
        guard let policy = ConflictPolicy(rawValue: text) else {
            throw ValidationError("'\(text)' is no policy: give stop, skip or replace")
        }
        return policy
    }
}

/// How the file is read.
struct ImportInputOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "lines, or json: a JSON document over any number of lines, an array of objects or objects that follow one another.",
            valueName: "format"),
        transform: format)
    var format = RecordFormat.lines
    @Option(help: ArgumentHelp("Begin with this line; of a JSON document with this record.", valueName: "n"))
    var fromLine: UInt64 = 1
    @Flag(help: "Put U+FFFD in the place of halves of surrogate pairs (\\ud800), which no text has.")
    var replaceSurrogates = false

    private static func format(_ text: String) throws -> RecordFormat {
        guard let format = RecordFormat(rawValue: text) else {
            throw ValidationError("'\(text)' is no format: give lines or json")
        }
        return format
    }
}
