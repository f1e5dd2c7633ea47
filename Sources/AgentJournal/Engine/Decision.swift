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
        case .add(let additions, let expecting): try add(additions, expecting, &state)
        case .forget(let sequences): try forget(sequences, &state)
        case .replace(let sequence, let memory, let name): try replace(sequence, memory, name, &state)
        case .record(let encoded):
            Outcome(
                receipts: [apply(encoded, &state)], events: EncodedEvents(raw: encoded.bytes, count: 1))
        }
    }

    // MARK: Adding

    private func add(
        _ additions: Append.Additions, _ expecting: UInt64?, _ state: inout State
    ) throws(JournalError) -> Outcome {
        let items = additions.items
        let repeated = try repeats(additions, state)
        let isNew = repeated.count < items.count
        if let expecting, isNew, let conversation = items.first?.conversation {
            try check(expecting, conversation, state)
        }
        if isNew, items.count == 1 {
            return Outcome(receipts: [apply(additions, items[0], &state)], events: additions.events)
        }
        var receipts: [Receipt] = []
        receipts.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            switch repeated.isEmpty ? nil : repeated[index] {
            case nil: receipts.append(apply(additions, item, &state))
            case .added(let first): receipts.append(first)
            case .item(let earlier):
                var first = receipts[earlier]
                first.isReplayed = true
                receipts.append(first)
            }
        }
        guard !repeated.isEmpty else { return Outcome(receipts: receipts, events: additions.events) }
        guard isNew else { return Outcome(receipts: receipts, events: nil) }
        let fresh = items.indices.filter { repeated[$0] == nil }
        let raw = fresh.flatMap { additions.events.raw[items[$0].event] }
        return Outcome(receipts: receipts, events: EncodedEvents(raw: raw, count: fresh.count))
    }

    /// What an item repeats.
    private enum Repeat {
        /// An add that was before.
        case added(Receipt)
        /// An earlier item of the same batch.
        case item(Int)
    }

    /// The items that were added already, or come twice in one batch, by their index.
    private func repeats(
        _ additions: Append.Additions, _ state: State
    ) throws(JournalError) -> [Int: Repeat] {
        var repeats: [Int: Repeat] = [:]
        var inBatch: [BatchKey: Int] = [:]
        for (index, item) in additions.items.enumerated() {
            guard let key = item.key else { continue }
            let name = Array(item.conversation.utf8)
            if let record = try state.known(name, key) {
                // Of one that is erased nobody knows any more what it was.
                guard record.isErased || record.hash == additions.withBody(item, Decision.hash) else {
                    throw conflict(item, index, first: "sequence \(record.sequence)")
                }
                repeats[index] = .added(Receipt(repeating: record))
                continue
            }
            guard additions.items.count > 1 else { continue }
            if let earlier = inBatch.updateValue(index, forKey: BatchKey(conversation: name, key: key)) {
                let isSame = additions.withBody(additions.items[earlier]) { first in
                    additions.withBody(item) { Decision.isSame(first, $0) }
                }
                guard isSame else { throw conflict(item, index, first: "item \(earlier) of the same batch") }
                repeats[index] = .item(earlier)
            }
        }
        return repeats
    }

    private struct BatchKey: Hashable {
        var conversation: [UInt8]
        var key: [UInt8]

        /// All bytes at once: what is made for arrays goes through them one by one.
        func hash(into hasher: inout Hasher) {
            conversation.withUnsafeBytes { hasher.combine(bytes: $0) }
            key.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
    }

    private func conflict(_ item: Append.Additions.Item, _ index: Int, first: String) -> JournalError {
        let key = String(decoding: item.key ?? [], as: UTF8.self)
        var error = JournalError(
            .keyConflict,
            "Not written: the idempotency key \"\(key)\" of conversation \"\(item.conversation)\" was used before, with "
                + "other content, role, mime type or metadata (\(first)). Use a new key for a new memory")
        error.item = index
        return error
    }

    /// The hash of what a repeated key is compared by.
    static func hash(_ body: UnsafeRawBufferPointer) -> [UInt8] {
        let compared = EventFields(checked: body).compared
        return StateKeys.hash(ofCompared: UnsafeRawBufferPointer(rebasing: body[compared]))
    }

    /// Whether content, mime type, role and metadata are the same bytes.
    private static func isSame(_ body: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        let (a, b) = (EventFields(checked: body).compared, EventFields(checked: other).compared)
        return body[a].elementsEqual(other[b])
    }

    private func check(_ expecting: UInt64, _ conversation: String, _ state: State) throws(JournalError) {
        let last = try state.lastSequence(of: conversation)
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
        guard !encoded.isEmpty else { return Outcome(receipts: [], events: nil) }
        return Outcome(
            receipts: encoded.map { apply($0, &state) },
            events: EncodedEvents(raw: encoded.flatMap(\.bytes), count: encoded.count))
    }

    private func replace(
        _ sequence: UInt64, _ memory: NewMemory, _ conversation: String?, _ state: inout State
    ) throws(JournalError) -> Outcome {
        let owner = try state.conversation(ofAdd: sequence)
        // Of a memory that is erased nobody but the caller may know the conversation.
        guard let name = conversation.map({ Array($0.utf8) }) ?? owner else { throw noSuch(sequence) }
        let addition = Append.Additions(
            memory, to: String(decoding: name, as: UTF8.self), replaces: sequence)
        // A repeated replace has its receipt already; the memory it replaced is gone by then.
        if case .added(let first)? = try repeats(addition, state)[0] {
            return Outcome(receipts: [first], events: nil)
        }
        guard owner == name else { throw noSuch(sequence, in: conversation) }
        try checkLive(sequence, state)
        let forgotten = EventEncoder.forgotten(conversation: name, target: sequence)
        _ = apply(forgotten, &state)
        return Outcome(
            receipts: [apply(addition, addition.items[0], &state)],
            events: EncodedEvents(raw: forgotten.bytes + addition.events.raw, count: 2))
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
        encoded.bytes.withUnsafeBytes {
            apply(UnsafeRawBufferPointer(rebasing: $0[encoded.bodyOffset...]), &state)
        }
    }

    private func apply(
        _ additions: Append.Additions, _ item: Append.Additions.Item, _ state: inout State
    ) -> Receipt {
        additions.withBody(item) { apply($0, &state) }
    }

    private func apply(_ body: UnsafeRawBufferPointer, _ state: inout State) -> Receipt {
        let sequence = state.lastSequence + 1
        // A reader refuses what breaks a rule, so nothing that does may be written.
        assert((try? EventFields(body, at: sequence, inErasedSegment: false)) != nil)
        state.apply(checked: body, sequence: sequence, recordedMicroseconds: recordedMicroseconds)
        return Receipt(
            sequence: sequence, recorded: Timestamp(clampingMicrosecondsSince1970: recordedMicroseconds),
            isReplayed: false)
    }
}
