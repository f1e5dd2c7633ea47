@testable import AgentJournal

/// What a run chooses at random: few names, keys and contents, so that they meet again.
extension ModelRun {
    static let names = [
        "support/user-42", "support/user-43", "a", "é", "e\u{301}", "日本/会話", longName, "at once",
    ]
    private static let longName = String(repeating: "n", count: 512)
    private static let texts = [
        "", "prefers email", "line\nline\r\n\ttab \u{0}\u{7F}", "\"quoted\" \\ 😀 e\u{301}", "é", "e\u{301}",
        String(repeating: "the same again, ", count: 60),
    ]
    private static let json = [
        "{}", "[]", "true", "-0", "1.10", #"{"b":1,"a":[null,"é"]}"#, "\"a string\"", "null",
    ]

    mutating func name() -> String {
        if random.next() % 32 == 0 { return random.pick(["", "bell\u{7}", Self.longName + "n"]) }
        return random.pick(Self.names)
    }

    /// Of a memory that is there, mostly.
    mutating func sequence() -> UInt64 {
        let live = model.memories(after: model.lastSequence)
        if random.next() % 4 == 0 || live.isEmpty { return random.next() % (model.lastSequence + 3) }
        return random.pick(live).sequence
    }

    mutating func memory() -> NewMemory {
        var memory: NewMemory
        switch random.next() % 8 {
        case 0, 1: memory = NewMemory(.json(try! JSON(parsing: random.pick(Self.json))))
        case 2:
            memory = NewMemory(
                .bytes((0..<random.next() % 700).map { _ in UInt8(truncatingIfNeeded: random.next()) }))
        case 3: memory = NewMemory(.bytes([]))
        default: memory = NewMemory(.text(random.pick(Self.texts)))
        }
        if random.next() % 40 == 0 {
            memory.content = .text(String(repeating: "x", count: ModelRun.maximumContentBytes + 1))
        }
        if random.next() % 3 == 0 {
            memory.mimeType = random.pick(["text/plain", "image/png; é", "application/json"])
        }
        if random.next() % 2 == 0 { memory.role = random.pick([.user, .assistant, "Rolle ß"]) }
        if random.next() % 3 == 0 {
            memory.metadata = random.pick([["n": 1], ["é": "a", "e\u{301}": nil], [:]])
        }
        if random.next() % 4 == 0 { memory.timestamp = random.pick([.earliest, .latest, clock.now]) }
        if random.next() % 3 == 0 {
            memory.idempotencyKey = random.pick(["k1", "k2", "k3", "é", "e\u{301}"])
        }
        switch random.next() % 100 {
        case 0: memory.idempotencyKey = ""
        case 1: memory.role = Role(rawValue: String(repeating: "r", count: 65))
        case 2: memory.mimeType = "text/\u{0}"
        default: break
        }
        return memory
    }

    mutating func point() -> Point {
        switch random.next() % 6 {
        case 0: return .label(random.pick(["one", "two", "é", "e\u{301}", "never"]))
        case 1: return .date(random.pick(model.events.map(\.recorded) + [.earliest, .latest, clock.now]))
        case 2: return .sequence(model.lastSequence)
        default: return .sequence(random.next() % (model.lastSequence + 2))
        }
    }

    func short(_ name: String) -> String { name.utf8.count > 20 ? "\(name.prefix(5))…" : "\"\(name)\"" }

    func short(_ memory: NewMemory) -> String {
        let key = memory.idempotencyKey.map { " with key \($0)" } ?? ""
        switch memory.content {
        case .text(let text): return "text of \(text.utf8.count)\(key)"
        case .json(let json): return "JSON \(json)\(key)"
        case .bytes(let bytes): return "\(bytes.count) bytes\(key)"
        }
    }
}
