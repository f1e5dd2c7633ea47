import CanonicalJSON

@testable import AgentJournal

/// A line of an import: what it gives is exported as a line that gives the same.
struct ImportTarget: Target {
    static let name = "import"
    private let limits = Limits(maximumContentBytes: 1 << 20, maximumFrameBytes: 4 << 20, compressionLevel: 6)

    /// The first byte is options.
    func run(_ input: [UInt8]) throws {
        let options = input.first ?? 0
        let line = Array(input.dropFirst())
        var fields = ImportLine.Fields()
        if options & 2 != 0 { fields.key = MemberPath("id") }
        if options & 4 != 0 {
            fields.content = MemberPath("message.content")
            fields.role = MemberPath("message.role")
        }
        if options & 8 != 0 {
            fields.time = MemberPath("created_at")
            fields.timeUnit = options & 16 != 0 ? .seconds : .milliseconds
        }
        let parser = ImportLine(conversation: options & 1 != 0 ? "default" : nil, fields: fields)
        let found: ImportedLine
        do throws(LineProblem) {
            found = try parser.parse(line.span.bytes)
        } catch {
            expect((0...line.count).contains(error.offset), "the problem lies within the line")
            return
        }
        do throws(JournalError) {
            try Conversation.checkName(found.conversation)
            try limits.check(found.memory)
        } catch {
            expect(error.code == .invalidArgument || error.code == .tooLarge, "\(error)")
            return
        }
        try checkExport(found.conversation, found.memory)
    }

    private func checkExport(_ conversation: String, _ memory: NewMemory) throws {
        var memory = memory
        let recorded: Int64 = 1_700_000_000_000_000
        let exported = try export(conversation, memory, recorded)
        expect(exported.last == UInt8(ascii: "\n"), "a line ends")
        let line = Array(exported.dropLast())
        expect(CanonicalJSON.isCanonical(line) || !isOfDefaultDepth(line), "an exported line is canonical")
        let again = try ImportLine().parse(line.span.bytes)
        expect(again.conversation.utf8.elementsEqual(conversation.utf8), "the conversation is the same")
        memory.timestamp = memory.timestamp ?? Timestamp(clampingMicrosecondsSince1970: recorded)
        expectSame(again.memory, memory, "an exported memory is imported as the same")
        expectSame(try export(again.conversation, again.memory, recorded), exported, "and exported the same")
    }

    /// A content may be as deep as is allowed by itself, and the line is one level more.
    private func isOfDefaultDepth(_ line: [UInt8]) -> Bool {
        CanonicalJSON.depth(of: line.span.bytes) <= JSONValue.defaultMaximumDepth
    }

    private func export(_ conversation: String, _ memory: NewMemory, _ recorded: Int64) throws -> [UInt8] {
        try EventEncoder.added(conversation: conversation, memory).bytes.withUnsafeBytes { bytes in
            var events = EventIterator(bytes)
            guard let event = try events.next() else { stop("an encoded event is an event") }
            expect(try events.next() == nil, "it is one")
            var line: [UInt8] = []
            ExportLine.append(
                EventFields(checked: event), event, sequence: 1, recordedMicroseconds: recorded, to: &line)
            return line
        }
    }

    func seeds() throws -> [String: [UInt8]] {
        let lines = [
            #"{"conversation":"a","content":"prefers email"}"#,
            #"{"content":"x","conversation":"support/user-42","idempotency_key":"k","metadata":{"topic":"contact"},"mime_type":"text/plain","role":"user","sequence":7,"timestamp":"2024-02-29T12:00:00.5+05:30"}"#,
            #"{"conversation":"a","content_base64":"AP8QIA=="}"#,
            #"{"conversation":"a","content":[1,{"b":null,"a":1.50}],"id":17,"source":"mail","metadata":{"source":"mail"}}"#,
            #"{"conversation":"a","content":null,"metadata":{}}"#, #"{"content":true}"#,
            #"{"conversation":"a","content":"","timestamp":"0001-01-01T00:00:00Z"}"#, "[1]",
            #"{"message":{"content":"x","role":"user","id":"m"},"content":"y","created_at":1740821400.5,"conversation":"a"}"#,
        ]
        var seeds: [String: [UInt8]] = [:]
        for (number, line) in lines.enumerated() {
            seeds["line-\(number)"] = [UInt8(number == 8 ? 31 : number % 4)] + line.utf8
        }
        return seeds
    }
}
