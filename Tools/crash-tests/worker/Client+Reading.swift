import AgentJournal

extension Client {
    /// One operation that any process may do.
    mutating func read() {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<25: readConversation(last: Int.random(in: 0...8, using: &random), viaView: true)
        case ..<50: readConversation(last: Int.random(in: 0...8, using: &random), viaView: false)
        case ..<58: readConversation(last: nil, viaView: chance(2))
        case ..<68: readNow()
        case ..<75: readLast()
        case ..<81: readNames()
        case ..<88: readMemory()
        case ..<93: readEvents()
        case ..<96: readLabel()
        case ..<98: readPast()
        default: readLast()
        }
    }

    private mutating func readConversation(last: Int?, viaView: Bool) {
        let name = conversation()
        let before =
            chance(6) ? lastSeen - min(lastSeen, UInt64.random(in: 0...200, using: &random)) : nil
        let call = "read \(name) \(last.map { "\($0)" } ?? "-") \(before.map { "\($0)" } ?? "-")"
        let journal = journal
        let found = record(call, Client.line) { () -> (UInt64?, [Memory]) in
            guard viaView else {
                return (
                    nil,
                    try blocking { try await journal.conversation(name).memories(last: last, before: before) }
                )
            }
            let view = try journal.view()
            return (view.sequence, try view.memories(in: name, last: last, before: before))
        }
        guard let (sequence, memories) = found else { return }
        if let sequence { see(sequence) }
        for memory in memories.suffix(2) {
            see(memory.sequence)
            if memory.content.text?.hasPrefix(Client.reservedPrefix) != true { learn(memory.sequence) }
        }
    }

    private mutating func readNow() {
        let journal = journal
        if let sequence = record("now", { "\($0)" }, { try journal.view().sequence }) { see(sequence) }
    }

    private mutating func readLast() {
        let name = conversation()
        let journal = journal
        record("last \(name)", { "\($0)" }) {
            try blocking { try await journal.conversation(name).lastSequence() }
        }.map { see($0) }
    }

    private mutating func readNames() {
        let prefix = "e\(epoch())-"
        let journal = journal
        record(
            "names \(prefix)",
            { (sequence: UInt64, names: [JournalView.ConversationSummary]) in
                "\(sequence) " + names.map { "\($0.name),\($0.count)" }.joined(separator: " ")
            },
            {
                let view = try journal.view()
                return (view.sequence, try view.conversations(prefix: prefix))
            })
    }

    private mutating func readMemory() {
        guard
            let wanted = chance(10)
                ? UInt64.random(in: 1...(lastSeen + 3), using: &random) : known.randomElement(using: &random)
        else { return }
        let journal = journal
        record(
            "get \(wanted)",
            { (sequence: UInt64, memory: Memory?) in
                "\(sequence) " + (memory.map { "\($0.conversation),\(Token.of($0.content))" } ?? "-")
            },
            {
                let view = try journal.view()
                return (view.sequence, try view.memory(wanted))
            })
    }

    private mutating func readEvents() {
        let after = lastSeen - min(lastSeen, UInt64.random(in: 0...40, using: &random))
        let journal = journal
        record("events \(after)", { (lines: [String]) in lines.joined(separator: " ") }) {
            try blocking {
                var lines: [String] = []
                for try await event in journal.events(after: after) { lines.append(event.line) }
                return lines
            }
        }
    }

    private mutating func readLabel() {
        let label = label()
        let journal = journal
        record("label \(label)", { "\($0)" }) {
            try blocking { try await journal.view(at: .label(label)).sequence }
        }
    }

    private mutating func readPast() {
        let name = conversation()
        let point = UInt64.random(in: 0...(lastSeen + 2), using: &random)
        let journal = journal
        record("past \(point) \(name)", Client.line) { () -> (UInt64?, [Memory]) in
            let view = try blocking { try await journal.view(at: .sequence(point)) }
            return (view.sequence, try view.memories(in: name))
        }
    }

    private static func line(_ found: (sequence: UInt64?, memories: [Memory])) -> String {
        ([found.sequence.map { "\($0)" } ?? "-"]
            + found.memories.map { "\($0.sequence),\(Token.of($0.content)),\($0.idempotencyKey ?? "-")" })
            .joined(separator: " ")
    }
}
