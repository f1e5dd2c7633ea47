import SegmentLog

/// A layer's changes in order of their keys, to be merged with what lies below.
///
/// A replay of millions of events passes here with each of them: what conversations share is made once, and an entry is
/// written to where it is read from.
final class LayerSource: TableSource {
    // Of a structure's members it is not checked each time, as it is of an object's, that nobody else has them.
    private var walk: LayerWalk

    /// - Complexity: sorts names and keys.
    init(_ layer: Layer) {
        walk = LayerWalk(layer)
        walk.hold()
    }

    var key: UnsafeRawBufferPointer? { walk.key }
    var operation: TableOperation { walk.operation }
    var value: UnsafeRawBufferPointer { walk.heldValue.bytes }

    func advance() { walk.hold() }
}

/// Where in a layer one is.
private struct LayerWalk: ~Copyable {
    private enum Section {
        case conversations, erasedKeys, keys, labels, memories, sequences, end
    }

    private let layer: Layer
    private var section = Section.conversations
    /// The next in the section: a place in `order`, `erasedKeys`, `keys`, `labels` or among the added.
    private var next = 0
    /// Conversations in order of their names.
    private let order: [Int]
    private let erasedKeys: [[UInt8]]
    private let keys: [Layer.Key]
    private let labels: [[UInt8]]
    private var conversation = OpenConversation()
    private var heldKey = RawBuffer(capacity: 600)
    private(set) var heldValue = RawBuffer(capacity: 4096)
    private(set) var operation = TableOperation.put

    /// The conversation whose memories come next.
    private struct OpenConversation {
        var keyPrefix: [UInt8] = []
        var eventPrefix: [UInt8] = []
        var isClearDue = false
        /// Memories of what lies below that were forgotten, the next one last.
        var forgotten: [UInt64] = []
        var entries: [Layer.Entry] = []
        var next = 0
    }

    init(_ layer: Layer) {
        self.layer = layer
        let names = layer.names.names
        let order = names.indices.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        self.order = order
        if layer.keys.isEmpty {
            keys = []
        } else {
            var rank = [Int](repeating: 0, count: names.count)
            for (place, number) in order.enumerated() { rank[number] = place }
            keys = layer.keys.keys.sorted {
                $0.conversation == $1.conversation
                    ? $0.bytes.lexicographicallyPrecedes($1.bytes)
                    : rank[$0.conversation] < rank[$1.conversation]
            }
        }
        erasedKeys = layer.erasedKeys.keys.sorted { $0.lexicographicallyPrecedes($1) }
        labels = layer.labels.keys.sorted { $0.lexicographicallyPrecedes($1) }
    }

    var key: UnsafeRawBufferPointer? { section == .end ? nil : heldKey.bytes }

    /// Finds the next entry and holds its key and value.
    mutating func hold() {
        operation = .put
        heldKey.removeAll()
        heldValue.removeAll()
        while true {
            switch section {
            case .conversations:
                if next < order.count { return holdConversation(order[next]) }
                enter(.erasedKeys)
            case .erasedKeys:
                if next < erasedKeys.count { return holdErasedKey(erasedKeys[next]) }
                enter(.keys)
            case .keys:
                if next < keys.count { return holdKey(keys[next]) }
                enter(.labels)
            case .labels:
                if next < labels.count { return holdLabel(labels[next]) }
                enter(.memories)
            case .memories:
                if holdMemory() { return }
                guard next < order.count else {
                    enter(.sequences)
                    continue
                }
                open(order[next])
            case .sequences:
                if next < layer.added.count { return holdSequence() }
                enter(.end)
            case .end: return
            }
        }
    }

    private mutating func enter(_ section: Section) {
        self.section = section
        next = 0
    }

    private mutating func holdConversation(_ number: Int) {
        next += 1
        heldKey.append(StateKeys.conversation(layer.names.names[number]))
        heldValue.append(ConversationValue(layer.conversations[number]).encoded)
    }

    private mutating func holdErasedKey(_ hash: [UInt8]) {
        next += 1
        heldKey.append(StateKeys.erasedKey(hash))
        heldValue.append(layer.erasedKeys[hash]!.encoded)
    }

    private mutating func holdKey(_ key: Layer.Key) {
        next += 1
        let record = layer.keys[key]!
        heldKey.append(StateKeys.key(layer.names.names[key.conversation], key.bytes))
        heldValue.append(
            KeyValue(
                sequence: record.sequence, recordedMicroseconds: record.recordedMicroseconds,
                hash: layer.arena.withBytes(record.place) { LayerWalk.hash(of: $0) }
            ).encoded)
    }

    private mutating func holdLabel(_ label: [UInt8]) {
        next += 1
        heldKey.append(StateKeys.label(label))
        heldValue.appendVarint(layer.labels[label]!)
    }

    private mutating func open(_ number: Int) {
        next += 1
        let name = layer.names.names[number]
        let state = layer.conversations[number]
        let isCleared = state.clearedAt != .max
        conversation = OpenConversation(
            keyPrefix: StateKeys.memories(of: name), eventPrefix: MemoryValue.prefix(name),
            isClearDue: isCleared, forgotten: isCleared ? [] : state.removedBelow.keys.sorted(by: >),
            entries: state.entries)
    }

    /// The next change of the open conversation; false when there is none.
    private mutating func holdMemory() -> Bool {
        if conversation.isClearDue {
            conversation.isClearDue = false
            operation = .deletePrefix
            heldKey.append(conversation.keyPrefix)
            return true
        }
        if let target = conversation.forgotten.popLast() {
            operation = .delete
            heldKey.append(conversation.keyPrefix)
            heldKey.appendBigEndian(target)
            return true
        }
        while conversation.next < conversation.entries.count {
            let entry = conversation.entries[conversation.next]
            conversation.next += 1
            guard entry.removedAt == .max else { continue }
            heldKey.append(conversation.keyPrefix)
            heldKey.appendBigEndian(entry.sequence)
            let prefix = conversation.eventPrefix
            layer.arena.withBytes(entry.place) {
                MemoryValue.encode(
                    $0, prefix: prefix, recordedMicroseconds: entry.recordedMicroseconds, into: &heldValue)
            }
            return true
        }
        return false
    }

    private mutating func holdSequence() {
        let added = layer.added[next]
        next += 1
        heldKey.append(StateKeys.sequences)
        heldKey.appendBigEndian(added.sequence)
        if added.isErased { heldValue.append(StateKeys.erasedMark) }
        heldValue.append(layer.names.names[Int(added.conversation)])
    }

    private static func hash(of event: UnsafeRawBufferPointer) -> [UInt8] {
        let compared = EventFields(checked: event).compared
        return StateKeys.hash(ofCompared: UnsafeRawBufferPointer(rebasing: event[compared]))
    }
}

extension RawBuffer {
    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }
    mutating func append(_ byte: UInt8) { withUnsafeBytes(of: byte) { append($0) } }
    mutating func appendBigEndian(_ value: UInt64) { withUnsafeBytes(of: value.bigEndian) { append($0) } }

    mutating func appendVarint(_ value: UInt64) {
        let length = Varint.write(value, into: reserve(Varint.maximumLength))
        grow(by: length)
    }
}
