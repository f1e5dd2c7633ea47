import AgentJournal

/// Memories laid out for reading, in columns: sequence, time, role, content; metadata below.
struct MemoryColumns {
    private let terminal: Terminal
    private let sequenceWidth: Int
    private let roleWidth: Int

    init(_ memories: [Memory], on terminal: Terminal) {
        self.terminal = terminal
        sequenceWidth = memories.last.map { "\($0.sequence)".count } ?? 1
        roleWidth = memories.reduce(0) { max($0, min($1.role?.rawValue.shownName.columns ?? 0, 16)) }
    }

    /// The lines of a memory.
    func text(of memory: Memory) -> String {
        let role = (memory.role?.rawValue.shownName ?? "").padded(to: roleWidth)
        let head = "\("\(memory.sequence)".paddedLeft(to: sequenceWidth))  \(memory.timestamp.secondsText)"
        let indent = head.columns + 2 + (roleWidth > 0 ? role.columns + 2 : 0)
        var text = terminal.styled(head, .dim) + "  "
        if roleWidth > 0 { text += terminal.styled(role, style(of: memory.role)) + "  " }
        let body =
            switch memory.content {
            case .text(let content): lines(content, indent: indent).joined(separator: gap(indent))
            case .json(let json): dimmed(json.description, indent: indent)
            case .bytes(let bytes): "<\((memory.mimeType ?? "bytes").shownName), \(bytes.count) bytes>"
            }
        text += body + "\n"
        if !memory.metadata.isEmpty {
            text +=
                String(repeating: " ", count: indent) + dimmed(memory.metadata.description, indent: indent)
                + "\n"
        }
        return text
    }

    private func gap(_ indent: Int) -> String { "\n" + String(repeating: " ", count: indent) }

    private func dimmed(_ text: String, indent: Int) -> String {
        lines(text, indent: indent).map { terminal.styled($0, .dim) }.joined(separator: gap(indent))
    }

    /// The lines of a text: on a terminal made harmless and wrapped, in a pipe as they are.
    private func lines(_ text: String, indent: Int) -> [String] {
        let shown = terminal.isTerminal ? text.escapingControls(keepingNewlines: true) : text
        // By scalars: to Swift a carriage return and a newline are one character.
        var parts = shown.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
            String($0)
        }
        // A newline at the end is no line to be seen.
        if parts.count > 1, parts.last == "" { parts.removeLast() }
        guard let width = terminal.width else { return parts }
        return parts.flatMap { $0.wrapped(to: max(20, width - indent)) }
    }

    private func style(of role: Role?) -> Terminal.Style {
        switch role {
        case .user: .cyan
        case .assistant: .green
        case .system: .yellow
        case .tool: .magenta
        default: .blue
        }
    }
}
