import AgentJournal

extension Client {
    /// One operation of a process that may write.
    mutating func act() {
        switch Int.random(in: 0..<1000, using: &random) {
        case ..<170: addOne()
        case ..<350: addWithKey()
        case ..<450: addExpecting()
        case ..<530: addBatch()
        case ..<590: forget()
        case ..<615: forgetReserved()
        case ..<645: replace()
        case ..<650: clear()
        case ..<680: flush()
        case ..<682: maintain()
        default: read()
        }
    }

    /// One memory and where it goes.
    struct Item: Sendable {
        var conversation: String
        var token: String
        var key: String?

        var line: String { "\(conversation),\(token),\(key ?? "-")" }

        var memory: NewMemory {
            NewMemory(.text(Token.text(of: token)), role: .user, idempotencyKey: key)
        }
    }

    private mutating func newItem(_ index: Int = 0) -> Item {
        Item(conversation: conversation(), token: newToken(item: index), key: nil)
    }

    /// An item with a key that others use too, as a rule with the same content.
    private mutating func itemWithKey() -> Item {
        let conversation = conversation()
        let key = Int.random(in: 0..<14, using: &random)
        return Item(
            conversation: conversation, token: "k.\(conversation).\(key).\(chance(6) ? "b" : "a")",
            key: "k\(key)")
    }

    // MARK: Adding

    @discardableResult
    private mutating func add(_ items: [Item], expecting: UInt64? = nil) -> [Receipt]? {
        let call = "add \(expecting.map { "\($0)" } ?? "-") " + items.map(\.line).joined(separator: " ")
        let isBlocking = Bool.random(using: &random)
        let journal = journal
        let receipts = record(call, Client.line) {
            if items.count == 1, !isBlocking || expecting != nil {
                return try blocking {
                    let memory = items[0].memory
                    return [
                        try await journal.conversation(items[0].conversation).add(
                            memory.content, role: memory.role, idempotencyKey: memory.idempotencyKey,
                            expecting: expecting)
                    ]
                }
            }
            let memories = items.map { ($0.conversation, $0.memory) }
            if isBlocking { return try journal.addNow(memories) }
            return try blocking { try await journal.add(contentsOf: memories) }
        }
        receipts?.forEach { see($0.sequence) }
        return receipts
    }

    private mutating func addOne() {
        var item = newItem()
        let isReserved = chance(5)
        if isReserved { item.token = Client.reservedPrefix + item.token }
        guard let receipts = add([item]) else { return }
        if isReserved { reserved.append(receipts[0].sequence) } else { learn(receipts[0].sequence) }
    }

    private mutating func addWithKey() {
        let item = itemWithKey()
        let receipts = add(
            [item], expecting: chance(10) ? UInt64.random(in: 0...lastSeen, using: &random) : nil)
        if let receipts { learn(receipts[0].sequence) }
        // A retry at once, as after a lost reply.
        if chance(4) { add([item]) }
    }

    private mutating func addExpecting() {
        var item = newItem()
        let journal = journal
        let name = item.conversation
        guard
            let last = record(
                "last \(name)", { "\($0)" },
                { try blocking { try await journal.conversation(name).lastSequence() } })
        else { return }
        item.token = newToken()
        if chance(8) { pause(microseconds: 2000) }
        add([item], expecting: chance(8) ? last &+ UInt64.random(in: 0...2, using: &random) : last)
    }

    /// The first and the last item have no keys: by them the checker knows where the batch is in the log.
    private mutating func addBatch() {
        var items = [newItem(0)]
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            items.append(chance(2) ? itemWithKey() : newItem(items.count))
        }
        items.append(newItem(items.count))
        add(items)?.forEach { learn($0.sequence) }
    }

    // MARK: Others

    @discardableResult
    private mutating func forget(_ sequences: [UInt64]) -> [Receipt]? {
        let isBlocking = Bool.random(using: &random)
        let journal = journal
        let call = "forget " + sequences.map { "\($0)" }.joined(separator: " ")
        let receipts = record(call, Client.line) {
            if isBlocking { return try journal.forgetNow(sequences) }
            return try blocking { try await journal.forget(sequences) }
        }
        receipts?.forEach { see($0.sequence) }
        return receipts
    }

    private mutating func forget() {
        guard let sequence = known.randomElement(using: &random) else { return }
        forget([sequence])
    }

    private mutating func forgetReserved() {
        guard reserved.count >= 3 else { return }
        forget(Array(reserved.suffix(2)))
        reserved.removeLast(2)
    }

    private mutating func replace() {
        guard let sequence = known.randomElement(using: &random) else { return }
        let journal = journal
        let token = newToken()
        let receipts = record("replace \(sequence) \(token)", Client.line) {
            [try journal.replaceNow(sequence, with: NewMemory(.text(Token.text(of: token)), role: .user))]
        }
        if let receipts {
            see(receipts[0].sequence)
            learn(receipts[0].sequence)
        }
    }

    private mutating func clear() {
        let name = conversation()
        let journal = journal
        record("clear \(name)", Client.line) { [try journal.clearNow(name)] }?.forEach { see($0.sequence) }
    }

    private mutating func flush() {
        let label = label()
        let journal = journal
        let isBlocking = Bool.random(using: &random)
        record("flush \(label)", Client.line) {
            if isBlocking { return [try journal.flushNow(label: label)] }
            return [try blocking { try await journal.flush(label: label) }]
        }?.forEach { see($0.sequence) }
    }

    private mutating func maintain() {
        let journal = journal
        if chance(3) {
            record("compact", { _ in "" }) { try journal.compactNow(keepingHistory: .all) }
        } else {
            record("snapshot", { _ in "" }) { try journal.snapshotNow() }
        }
    }

    private static func line(_ receipts: [Receipt]) -> String {
        receipts.map {
            "\($0.sequence),\($0.recorded.microsecondsSince1970),\($0.isReplayed ? "replayed" : "new")"
        }.joined(separator: " ")
    }
}
