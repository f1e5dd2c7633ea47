import SegmentLog

/// What lies below the layer that changes: perhaps a layer that is being written to a table, and tables. Never changes.
final class Below: Sendable {
    /// Newer than the tables.
    let layer: Layer?
    /// The oldest first. More than one only while a long history is replayed.
    let tables: [TableReader]

    /// What was forgotten up to here is erased from all tables; `.max` where there are none.
    let erasedThrough: UInt64

    init(_ layer: Layer? = nil, tables: [TableReader] = []) {
        self.layer = layer
        self.tables = tables
        // What a replay spilled has no meta block, and is not in the directory.
        erasedThrough = tables.compactMap { StateMeta($0.meta)?.erasedThrough }.min() ?? .max
    }

    /// What has been forgotten by what is newer, of one conversation.
    struct Mask {
        var isCleared = false
        var removed: Set<UInt64> = []
    }

    // MARK: Conversations

    /// How many memories a conversation has, and its last event; nil when nothing is known of it.
    func conversation(_ name: [UInt8]) throws(JournalError) -> ConversationValue? {
        var value: ConversationValue?
        if let layer, let number = layer.number(of: name) {
            value = ConversationValue(layer.conversations[number])
        }
        for table in tables.reversed() where value?.isWhole != true {
            guard let found = try find(StateKeys.conversation(name), in: table) else { continue }
            guard let older = ConversationValue(found.value) else { throw Below.malformed(table) }
            value = value?.upon(older) ?? older
        }
        return value
    }

    /// The conversations whose names begin so, in order.
    func conversations(prefix: [UInt8]) throws(JournalError) -> [(name: [UInt8], value: ConversationValue)] {
        try asJournalError { () throws(LogError) in
            let start = StateKeys.conversation(prefix)
            var sources: [any TableSource] = []
            for table in tables {
                let cursor = TableCursor(table, isCaching: false)
                try cursor.seek(start)
                sources.append(cursor)
            }
            let merged = try MergedSource(sources, combine: StateKeys.combine)
            var found: [(name: [UInt8], value: ConversationValue)] = []
            while let key = merged.key, key.starts(with: start) {
                guard let value = ConversationValue(merged.value),
                    NameRules.isConversation(UnsafeRawBufferPointer(rebasing: key.dropFirst()))
                else {
                    throw LogError(
                        .damaged, "A snapshot holds a conversation that cannot be decoded",
                        path: tables.first?.path)
                }
                found.append((Array(key.dropFirst()), value))
                try merged.advance()
            }
            return found
        }
    }

    // MARK: Memories

    /// Adds the live memories of a conversation to `found`, from the newest back, until there are `last`.
    func collect(
        _ name: [UInt8], last: Int, before: UInt64?, _ mask: Mask, _ found: inout [Stored]
    ) throws(JournalError) {
        var mask = mask
        layer?.collect(name, at: Layer.everything, last: last, before: before, &mask, &found)
        let prefix = StateKeys.memories(of: name)
        for table in tables.reversed() {
            guard !mask.isCleared, found.count < last else { return }
            let cursor = TableCursor(table)
            try asJournalError { () throws(LogError) in
                try cursor.seek(prefix + StateKeys.bigEndian(before ?? .max))
            }
            while found.count < last, try asJournalError({ () throws(LogError) in try cursor.retreat() }),
                let key = cursor.key, key.starts(with: prefix)
            {
                try take(cursor, name, isPrefix: key.count == prefix.count, &mask, &found, table)
            }
        }
    }

    private func take(
        _ cursor: TableCursor, _ name: [UInt8], isPrefix: Bool, _ mask: inout Mask, _ found: inout [Stored],
        _ table: TableReader
    ) throws(JournalError) {
        if isPrefix {
            mask.isCleared = true
            return
        }
        guard cursor.key!.count == StateKeys.memories(of: name).count + 8 else {
            throw Below.malformed(table)
        }
        let sequence = StateKeys.sequence(ofMemory: cursor.key!)
        switch cursor.operation {
        case .put:
            if !mask.removed.contains(sequence) {
                found.append(try Below.stored(cursor.value, name, sequence, table))
            }
        case .delete, .deletePrefix: mask.removed.insert(sequence)
        }
    }

    static func stored(
        _ value: UnsafeRawBufferPointer, _ name: [UInt8], _ sequence: UInt64, _ table: TableReader
    ) throws(JournalError) -> Stored {
        guard let (event, recorded) = MemoryValue.decode(value, name: name, sequence) else {
            throw malformed(table)
        }
        return Stored(event, sequence: sequence, recordedMicroseconds: recorded)
    }

    /// The conversation that the add with this sequence belonged to, also when the memory is forgotten.
    func conversation(ofAdd sequence: UInt64) throws(JournalError) -> [UInt8]? {
        if let layer, let number = layer.conversation(ofAdd: sequence) { return layer.names.names[number] }
        let key = StateKeys.sequence(sequence)
        for table in tables.reversed() {
            guard let found = try find(key, in: table) else { continue }
            let isErased = found.value.first == StateKeys.erasedMark
            let name = UnsafeRawBufferPointer(rebasing: found.value.dropFirst(isErased ? 1 : 0))
            guard NameRules.isConversation(name) else { throw Below.malformed(table) }
            return Array(name)
        }
        return nil
    }

    /// A live memory.
    func memory(_ name: [UInt8], _ sequence: UInt64, _ mask: Mask) throws(JournalError) -> Stored? {
        var found: [Stored] = []
        // The next one back from behind it is itself, or it is not there.
        try collect(name, last: 1, before: sequence + 1, mask, &found)
        return found.first.flatMap { $0.sequence == sequence ? $0 : nil }
    }

    // MARK: Keys and labels

    /// The first add with an idempotency key.
    func key(_ name: [UInt8], _ key: [UInt8]) throws(JournalError) -> KeyValue? {
        if let layer, let known = layer.known(name, key) { return known }
        let tableKey = StateKeys.key(name, key)
        for table in tables.reversed() {
            guard let found = try findFiltered(tableKey, in: table) else { continue }
            guard let value = KeyValue(found.value) else { throw Below.malformed(table) }
            return value
        }
        return nil
    }

    /// The add whose key, which is erased, has a hash.
    func erasedKey(_ hash: [UInt8]) throws(JournalError) -> KeyValue? {
        if let known = layer?.erasedKeys[hash] { return known }
        let tableKey = StateKeys.erasedKey(hash)
        for table in tables.reversed() {
            guard let found = try findFiltered(tableKey, in: table) else { continue }
            guard let value = KeyValue(found.value), value.isErased else { throw Below.malformed(table) }
            return value
        }
        return nil
    }

    /// The latest flush with a label.
    func label(_ label: [UInt8]) throws(JournalError) -> UInt64? {
        if let sequence = layer?.labels[label] { return sequence }
        for table in tables.reversed() {
            guard let found = try find(StateKeys.label(label), in: table) else { continue }
            var offset = 0
            guard let sequence = Varint.read(found.value, &offset) else { throw Below.malformed(table) }
            return sequence
        }
        return nil
    }

    private func find(_ key: [UInt8], in table: TableReader) throws(JournalError) -> TableReader.Found? {
        try asJournalError { () throws(LogError) in try table.find(key) }
    }

    private func findFiltered(
        _ key: [UInt8], in table: TableReader
    ) throws(JournalError) -> TableReader.Found? {
        try asJournalError { () throws(LogError) in try table.findFiltered(key) }
    }

    private static func malformed(_ table: TableReader) -> JournalError {
        JournalError(
            .damaged,
            "\(table.path) holds an entry that cannot be decoded. Move the file away and open again: the snapshot is made "
                + "anew from the log", path: table.path)
    }
}

extension ConversationValue {
    init(_ conversation: Layer.ConversationState) {
        self.init(
            isWhole: conversation.clearedAt != .max, memories: conversation.liveDifference,
            lastSequence: conversation.lastSequence)
    }

    /// The same at a bound that some of its events lie behind.
    init(_ conversation: Layer.ConversationState, at bound: UInt64) {
        guard conversation.lastSequence > bound else {
            self.init(conversation)
            return
        }
        let isCleared = conversation.clearedAt <= bound
        let removed = isCleared ? 0 : conversation.removedBelow.values.count { $0 <= bound }
        var last = isCleared ? conversation.clearedAt : 0
        if let clear = conversation.laterClears.last(where: { $0 <= bound }) { last = clear }
        for at in conversation.removedBelow.values where at <= bound { last = max(last, at) }
        for entry in conversation.entries {
            if entry.sequence <= bound { last = max(last, entry.sequence) }
            if entry.removedAt <= bound { last = max(last, entry.removedAt) }
        }
        self.init(
            isWhole: isCleared, memories: conversation.entries.count { $0.isLive(at: bound) } - removed,
            lastSequence: last)
    }
}

extension Layer {
    /// Adds the live memories of a conversation at `bound` to `found`, from the newest back, until there are `last`; and to
    /// `mask` what this layer forgot of those below.
    func collect(
        _ name: [UInt8], at bound: UInt64, last: Int, before: UInt64?, _ mask: inout Below.Mask,
        _ found: inout [Stored]
    ) {
        guard !mask.isCleared, let number = number(of: name) else { return }
        let entries = conversations[number].entries
        var index = before.map { before in entries.partitionIndex { $0.sequence >= before } } ?? entries.count
        while index > 0, found.count < last {
            index -= 1
            if entries[index].isLive(at: bound), !mask.removed.contains(entries[index].sequence) {
                found.append(Stored(entries[index], in: arena))
            }
        }
        mask.isCleared = conversations[number].clearedAt <= bound
        for (target, at) in conversations[number].removedBelow where at <= bound {
            mask.removed.insert(target)
        }
    }

    /// The first add with an idempotency key.
    func known(_ name: [UInt8], _ key: [UInt8]) -> KeyValue? {
        guard let number = number(of: name), let record = keys[Key(conversation: number, bytes: key)] else {
            return nil
        }
        let hash = arena.withBytes(record.place) { event in
            let compared = EventFields(checked: event).compared
            return StateKeys.hash(ofCompared: UnsafeRawBufferPointer(rebasing: event[compared]))
        }
        return KeyValue(
            sequence: record.sequence, recordedMicroseconds: record.recordedMicroseconds, hash: hash)
    }
}
