import SegmentLog

/// Decides, with the newest written state, what a caller's request appends, and applies it to that state.
///
/// Everything is checked before anything is applied: a request is taken whole or not at all.
struct Decision {
    /// The time that everything appended now gets.
    let recordedMicroseconds: Int64

    struct Outcome {
        var receipts: [Receipt]
        var events: EncodedEvents?
    }

    func decide(_ append: Append, _ state: inout State) throws(JournalError) -> Outcome {
        switch append.action {
        case .add(let items, let expecting): try add(items, expecting, append.events, &state)
        case .forget(let sequences): try forget(sequences, &state)
        case .replace(let sequence, let memory, let name): try replace(sequence, memory, name, &state)
        case .record(let encoded):
            Outcome(receipts: [apply(encoded, &state)], events: append.events)
        }
    }

    // MARK: Adding

    private func add(
        _ items: [Append.Item], _ expecting: UInt64?, _ events: EncodedEvents?, _ state: inout State
    ) throws(JournalError) -> Outcome {
        let known = try knownReceipts(items, state)
        let isNew = known.count < items.count
        if let expecting, isNew, let conversation = items.first?.conversation {
            try check(expecting, conversation, state)
        }
        if isNew, items.count == 1 {
            return Outcome(receipts: [apply(items[0].encoded, &state)], events: events)
        }
        var receipts: [Receipt] = []
        receipts.reserveCapacity(items.count)
        var fresh: [EventEncoder.Encoded] = []
        // A key that comes twice in one batch is added once.
        var added: [BatchKey: Receipt] = [:]
        for (index, item) in items.enumerated() {
            let key = item.key.map { BatchKey(item.conversation, $0) }
            if let first = known[index] ?? key.flatMap({ added[$0] }) {
                receipts.append(
                    Receipt(
                        sequence: first.sequence, recorded: first.recorded, isReplayed: true,
                        isErased: first.isErased))
                continue
            }
            let receipt = apply(item.encoded, &state)
            if let key { added[key] = receipt }
            fresh.append(item.encoded)
            receipts.append(receipt)
        }
        guard fresh.count < items.count else { return Outcome(receipts: receipts, events: events) }
        return Outcome(receipts: receipts, events: Decision.join(fresh))
    }

    /// The first receipts of the items whose keys are known, by their index.
    private func knownReceipts(_ items: [Append.Item], _ state: State) throws(JournalError) -> [Int: Receipt]
    {
        var known: [Int: Receipt] = [:]
        var inBatch: [BatchKey: Int] = [:]
        for (index, item) in items.enumerated() {
            guard let key = item.key else { continue }
            if let record = try state.known(Array(item.conversation.utf8), key) {
                // Of one that is erased nobody knows any more what it was.
                guard record.isErased || record.hash == Decision.hash(item.encoded) else {
                    throw conflict(item, index, first: "sequence \(record.sequence)")
                }
                known[index] = Receipt(
                    sequence: record.sequence,
                    recorded: Timestamp(clampingMicrosecondsSince1970: record.recordedMicroseconds),
                    isReplayed: true, isErased: record.isErased)
            } else if let earlier = inBatch.updateValue(index, forKey: BatchKey(item.conversation, key)) {
                let isSame = items[earlier].encoded.withBody { Decision.isSame($0, item.encoded) }
                guard isSame else { throw conflict(item, index, first: "item \(earlier) of the same batch") }
            }
        }
        return known
    }

    private struct BatchKey: Hashable {
        var conversation: [UInt8]
        var key: [UInt8]
        init(_ conversation: String, _ key: [UInt8]) {
            self.conversation = Array(conversation.utf8)
            self.key = key
        }
    }

    private func conflict(_ item: Append.Item, _ index: Int, first: String) -> JournalError {
        let key = String(decoding: item.key ?? [], as: UTF8.self)
        var error = JournalError(
            .keyConflict,
            "Not written: the idempotency key \"\(key)\" of conversation \"\(item.conversation)\" was used before, with "
                + "other content, role, mime type or metadata (\(first)). Use a new key for a new memory")
        error.item = index
        return error
    }

    /// The hash of what a repeated key is compared by.
    private static func hash(_ encoded: EventEncoder.Encoded) -> [UInt8] {
        encoded.withBody { body in
            guard let compared = try? EventFields(body).compared else {
                preconditionFailure("an event encoded here cannot be decoded")
            }
            return StateKeys.hash(ofCompared: UnsafeRawBufferPointer(rebasing: body[compared]))
        }
    }

    /// Whether content, mime type, role and metadata are the same bytes.
    static func isSame(_ body: UnsafeRawBufferPointer, _ other: EventEncoder.Encoded) -> Bool {
        other.withBody { other in
            guard let a = try? EventFields(body), let b = try? EventFields(other) else { return false }
            return body[a.compared].elementsEqual(other[b.compared])
        }
    }

    private func check(_ expecting: UInt64, _ conversation: String, _ state: State) throws(JournalError) {
        let last = try state.lastSequence(of: Array(conversation.utf8))
        guard last == expecting else {
            throw JournalError(
                .unexpectedSequence,
                "Not written: the last event of conversation \"\(conversation)\" has sequence \(last), not \(expecting). Read "
                    + "what was added since, then try again", sequences: last > 0 ? last...last : nil)
        }
    }

    // MARK: Forgetting

    private func forget(_ sequences: [UInt64], _ state: inout State) throws(JournalError) -> Outcome {
        var encoded: [EventEncoder.Encoded] = []
        var seen: Set<UInt64> = []
        for sequence in sequences where seen.insert(sequence).inserted {
            let name = try checkLive(sequence, state)
            encoded.append(EventEncoder.forgotten(conversation: name, target: sequence))
        }
        let receipts = encoded.map { apply($0, &state) }
        return Outcome(receipts: receipts, events: encoded.isEmpty ? nil : Decision.join(encoded))
    }

    private func replace(
        _ sequence: UInt64, _ memory: NewMemory, _ conversation: String?, _ state: inout State
    ) throws(JournalError) -> Outcome {
        let owner = try state.conversation(ofAdd: sequence)
        // Of a memory that is erased nobody but the caller may know the conversation.
        guard let name = conversation.map({ Array($0.utf8) }) ?? owner else { throw noSuch(sequence) }
        let item = Append.Item(
            conversation: String(decoding: name, as: UTF8.self),
            encoded: EventEncoder.added(
                conversation: String(decoding: name, as: UTF8.self), memory, replaces: sequence),
            key: memory.idempotencyKey.map { Array($0.utf8) })
        // A repeated replace has its receipt already; the memory it replaced is gone by then.
        if let first = try knownReceipts([item], state)[0] { return Outcome(receipts: [first], events: nil) }
        guard owner == name else { throw noSuch(sequence, in: conversation) }
        try checkLive(sequence, state)
        let encoded = [EventEncoder.forgotten(conversation: name, target: sequence), item.encoded]
        let receipts = encoded.map { apply($0, &state) }
        return Outcome(receipts: [receipts[1]], events: Decision.join(encoded))
    }

    /// The name of the conversation that a live memory belongs to.
    @discardableResult
    private func checkLive(_ sequence: UInt64, _ state: State) throws(JournalError) -> [UInt8] {
        guard let name = try state.conversation(ofLive: sequence) else { throw noSuch(sequence) }
        return name
    }

    private func noSuch(_ sequence: UInt64, in conversation: String? = nil) -> JournalError {
        JournalError(
            .noSuchMemory,
            "Not written: there is no memory with sequence \(sequence)"
                + (conversation.map { " in conversation \"\($0)\"" } ?? "")
                + "; it was never added, or is forgotten "
                + "already", sequences: sequence...sequence)
    }

    // MARK: Applying

    private func apply(_ encoded: EventEncoder.Encoded, _ state: inout State) -> Receipt {
        let sequence = state.lastSequence + 1
        encoded.bytes.withUnsafeBytes { bytes in
            do throws(EventProblem) {
                try state.apply(
                    UnsafeRawBufferPointer(rebasing: bytes[encoded.bodyOffset...]), sequence: sequence,
                    recordedMicroseconds: recordedMicroseconds)
            } catch {
                preconditionFailure("an event encoded here cannot be decoded: \(error)")
            }
        }
        return Receipt(
            sequence: sequence, recorded: Timestamp(clampingMicrosecondsSince1970: recordedMicroseconds),
            isReplayed: false)
    }

    private static func join(_ encoded: [EventEncoder.Encoded]) -> EncodedEvents? {
        guard !encoded.isEmpty else { return nil }
        return EncodedEvents(raw: encoded.flatMap(\.bytes), count: encoded.count)
    }
}
