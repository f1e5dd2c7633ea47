import AgentJournal
import CBareZlib
import SystemPackage

/// One message of a data set, ready for AgentJournal and for its peers.
struct Message: Sendable {
    var conversation: String
    var role: String
    var content: String
    /// What the data set says besides, as canonical JSON; empty for none.
    var metadata: String
    /// The same, as AgentJournal takes it.
    var memory: NewMemory
    /// The bytes of its line of JSON in the data set, with the newline.
    var lineBytes: Int

    /// Takes a line of JSON as `agent-journal import` does: no content is empty text, and what is not known is metadata.
    init(line: some Collection<UInt8>) throws {
        let pairs = try JSON(utf8: line).objectValue ?? []
        var conversation = ""
        var role = ""
        var content = ""
        var rest: [(String, JSON)] = []
        for (key, value) in pairs {
            switch key {
            case "conversation": conversation = value.stringValue ?? ""
            case "role": role = value.stringValue ?? ""
            case "content": content = value.stringValue ?? ""
            default: rest.append((key, value))
            }
        }
        self.init(
            conversation: conversation, role: role, content: content, metadata: Metadata(rest),
            lineBytes: line.count + 1)
    }

    init(conversation: String, role: String, content: String, metadata: Metadata = [:], lineBytes: Int) {
        self.conversation = conversation
        self.role = role
        self.content = content
        self.metadata = metadata.isEmpty ? "" : metadata.description
        self.lineBytes = lineBytes
        memory = NewMemory(.text(content), role: Role(role), metadata: metadata)
    }
}

/// A message as stores of text keep it.
struct Line: Sendable {
    var conversation: String
    /// A line of JSON that holds all of it, without the newline.
    var text: String

    init(_ message: Message) {
        conversation = message.conversation
        text =
            JSON([
                ("conversation", JSON(message.conversation)), ("role", JSON(message.role)),
                ("content", JSON(message.content)), ("metadata", JSON(message.metadata)),
            ]).description
    }
}

/// Reads the lines of a file, gzip or not, through zlib.
struct LineReader: ~Copyable {
    private let file: gzFile
    private var buffer = [UInt8](repeating: 0, count: 1 << 20)

    init(_ path: FilePath) throws {
        guard let file = gzopen(path.string, "rb") else { throw UsageError("\(path) cannot be opened") }
        self.file = file
        gzbuffer(file, 256 << 10)
    }

    deinit { gzclose(file) }

    /// The next line, without its newline; nil at the end.
    mutating func next() -> [UInt8]? {
        let count = buffer.withUnsafeMutableBytes { buffer -> Int? in
            guard
                gzgets(file, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
                    != nil
            else {
                return nil
            }
            return buffer.firstIndex(of: UInt8(ascii: "\n")) ?? buffer.firstIndex(of: 0)
        }
        return count.map { Array(buffer[..<$0]) }
    }
}
