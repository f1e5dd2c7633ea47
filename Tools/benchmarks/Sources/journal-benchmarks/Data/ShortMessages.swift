/// Makes as many short messages as wanted, of about 180 bytes of JSON, always the same ones.
///
/// Each content is a run of words out of what people really said, so that it deflates as chat does.
struct ShortMessages {
    private let words: [Substring]
    private var random: SplitMix64

    init(_ source: [Message], seed: UInt64) {
        words = source.flatMap { $0.content.hasPrefix("{") ? [] : $0.content.split(separator: " ") }
        random = SplitMix64(state: seed)
    }

    /// A few messages in turn of one of ten thousand conversations.
    mutating func nextRun() -> [Message] {
        let conversation = "support/user-\(random.next(below: 10_000))"
        return (0..<(4 + random.next(below: 12))).map { next(in: conversation, turn: $0) }
    }

    /// The message of a turn of a conversation: the user begins.
    mutating func next(in conversation: String, turn: Int) -> Message {
        let role = turn % 2 == 0 ? "user" : "assistant"
        let content = text(bytes: 60 + random.next(below: 100))
        let line = "{\"content\":\"\",\"conversation\":\"\",\"role\":\"\"}\n".utf8.count
        return Message(
            conversation: conversation, role: role, content: content,
            lineBytes: line + conversation.utf8.count + role.utf8.count + content.utf8.count)
    }

    /// A message with a content of at least so many bytes.
    mutating func long(_ bytes: Int, in conversation: String, turn: Int) -> Message {
        let content = text(bytes: bytes)
        return Message(
            conversation: conversation, role: turn % 2 == 0 ? "user" : "assistant", content: content,
            lineBytes: content.utf8.count)
    }

    /// The same numbers in an order that is always the same, and another each time.
    mutating func shuffle(_ numbers: inout [Int]) {
        for index in numbers.indices.dropFirst().reversed() {
            numbers.swapAt(index, random.next(below: index + 1))
        }
    }

    private mutating func text(bytes: Int) -> String {
        var at = random.next(below: words.count)
        var text = ""
        while text.utf8.count < bytes {
            if !text.isEmpty { text += " " }
            text += words[at]
            at = (at + 1) % words.count
        }
        return text
    }
}

/// The generator of Steele, Lea and Flood (2014): small, and the same everywhere.
struct SplitMix64 {
    var state: UInt64

    mutating func next(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)).multipliedFullWidth(by: UInt64(bound)).high)
    }
}
