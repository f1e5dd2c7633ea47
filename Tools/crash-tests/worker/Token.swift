import AgentJournal

/// Contents. All of one follows from its token, a short name that it begins with, so a history holds tokens alone.
///
/// Tools/crash-tests/history.py makes the same text.
enum Token {
    static func text(of token: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in token.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        // Most are short, as messages are; some are larger than a page.
        let words = state % 64 == 0 ? 700 : state % 16 == 1 ? 60 : state % 12
        var bytes = Array(token.utf8)
        for _ in 0..<words {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes.append(UInt8(ascii: " "))
            for shift in stride(from: 60, through: 32, by: -4) {
                bytes.append(digits[Int(state >> shift & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The token of a content; with a `!` before it when the content is not what follows from it.
    static func of(_ content: Content) -> String {
        guard let text = content.text else { return "!no-text" }
        let token = String(text.prefix { $0 != " " })
        return text == Token.text(of: token) ? token : "!" + token.filter { $0 != "," && !$0.isNewline }
    }
}

extension Event {
    /// How it stands in a history.
    var line: String {
        switch kind {
        case .added(let memory):
            "\(sequence),add,\(memory.conversation),\(Token.of(memory.content)),\(memory.idempotencyKey ?? "-")"
        case .forgotten(let target, let conversation): "\(sequence),forget,\(conversation),\(target)"
        case .cleared(let conversation): "\(sequence),clear,\(conversation)"
        case .flushed(let label): "\(sequence),flush,\(label ?? "-")"
        case .historyLetGo, .erased, .erasureBegun, .erasureDone, .lost, .unknown: "\(sequence),other"
        }
    }
}
