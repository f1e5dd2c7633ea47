// An agent that remembers, whatever happens to its process.
//
//     example-agent DIR [--turns N] [--ask QUESTION]
//
// The user, the model and the tool are a script here; the memory is real. The agent prints the sequence of each
// receipt as soon as it has it. Kill it at any moment and start it again: it goes on in the turn where it was, and
// everything it ever printed is there.
import AgentJournal

/// What happens in one turn: the user speaks, the model calls a tool, the tool returns, the model answers.
struct Turn {
    var user: String
    var call: JSON
    var result: JSON
    var reply: String
    /// What is worth finding again.
    var topic: JSON?
}

let script = [
    Turn(
        user: "email rather than phone calls",
        call: ["tool": "profile", "set": ["contact": "email"]], result: ["saved": true],
        reply: "Noted: I will write and not call.", topic: "preference"),
    Turn(
        user: "How warm is it in Lisbon?", call: ["tool": "weather", "city": "Lisbon"],
        result: ["celsius": 24, "sky": "clear"], reply: "24 degrees, and the sky is clear."),
    Turn(
        user: "Book a table for two at eight.", call: ["tool": "book", "seats": 2, "at": "20:00"],
        result: ["confirmed": true, "table": 7], reply: "Done: table 7, at eight. It is confirmed by email."),
]

struct Agent {
    let conversation: Conversation

    /// Plays the turns up to `count`, beginning with the last one that is remembered: it may be half done.
    func run(turns count: Int) async throws {
        let last = try await conversation.memories(last: 1).first
        for number in (last?.metadata["turn"]?.intValue ?? 0)..<max(count, 1) {
            let turn = script[number % script.count]
            try await remember(.text(turn.user), .user, number, "user", topic: turn.topic)
            try await remember(.json(turn.call), .assistant, number, "call")
            try await remember(.json(turn.result), .tool, number, "result")
            try await remember(.text(turn.reply), .assistant, number, "reply")
        }
    }

    /// Returns when the memory is on stable storage. Its key makes a repeated turn give the first receipts.
    func remember(
        _ content: Content, _ role: Role, _ turn: Int, _ step: String, topic: JSON? = nil
    ) async throws {
        var metadata: Metadata = ["turn": JSON(turn)]
        metadata["topic"] = topic
        let receipt = try await conversation.add(
            content, role: role, metadata: metadata, idempotencyKey: "turn-\(turn)-\(step)")
        try FileDescriptor.standardOutput.writeAll("\(receipt.sequence)\n".utf8)
    }

    /// Answers from memory.
    func answer(_ question: String) async throws -> String {
        let preference = try await conversation.memories().last { $0.metadata["topic"] == "preference" }
        guard let preference, let text = preference.content.text else { return "I do not know yet." }
        return "You prefer \(text) (sequence \(preference.sequence), recorded \(preference.recorded))."
    }
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else { fatalError("usage: example-agent DIR [--turns N] [--ask QUESTION]") }
func option(_ name: String) -> String? {
    arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
}

try await Journal.withOpen(at: arguments[1]) { journal in
    let agent = Agent(conversation: journal.conversation("support/user-42"))
    if let question = option("--ask") {
        print(try await agent.answer(question))
    } else {
        try await agent.run(turns: option("--turns").flatMap { Int($0) } ?? script.count)
    }
}
