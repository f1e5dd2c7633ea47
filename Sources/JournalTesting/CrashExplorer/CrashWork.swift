import AgentJournal

/// What a step has a journal do: the events it appends, and the calls that append them.
struct CrashWork: Sendable {
    var events: [ExpectedHistory.Event]
    /// Returns the receipts that there are for the events.
    var perform: @Sendable (Journal) throws -> [Receipt]

    static func add(_ items: [ExpectedHistory.Added]) -> CrashWork {
        CrashWork(events: items.map { .added($0) }) { journal in
            try journal.addNow(items.map { ($0.conversation, $0.newMemory) })
        }
    }

    /// Adds what is there already, under its key.
    static func again(_ item: ExpectedHistory.Added) -> CrashWork {
        CrashWork(events: []) { journal in
            let receipts = try journal.addNow([(item.conversation, item.newMemory)])
            guard receipts.allSatisfy(\.isReplayed) else {
                throw Examination.Broken("a key that was given before was taken for a new one")
            }
            return receipts
        }
    }

    static func forget(_ item: ExpectedHistory.Item) -> CrashWork {
        let event = ExpectedHistory.Event.forgotten(item.sequence, conversation: item.added.conversation)
        return CrashWork(events: [event]) { try $0.forgetNow([item.sequence]) }
    }

    static func replace(_ item: ExpectedHistory.Item) -> CrashWork {
        let name = item.added.conversation
        let added = ExpectedHistory.Added(
            conversation: name, text: "in place of \(item.sequence)", role: nil)
        return CrashWork(events: [.forgotten(item.sequence, conversation: name), .added(added)]) {
            [try $0.replaceNow(item.sequence, with: added.newMemory)]
        }
    }

    /// What appends nothing.
    static func keeping(_ body: @escaping @Sendable (Journal) throws -> Void) -> CrashWork {
        CrashWork(events: []) {
            try body($0)
            return []
        }
    }
}
