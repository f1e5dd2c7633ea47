import SegmentLog

/// A layer's changes in order of their keys, to be merged with what lies below.
final class LayerSource: TableSource {
    private enum Item {
        case conversation(Int)
        case key(Layer.Key)
        case label([UInt8])
        case clear(Int)
        case forget(Int, UInt64)
        case memory(Int, Int)
        case sequence(Int)
    }

    private let layer: Layer
    private var items: [Item] = []
    private var index = 0
    private var keyBytes: [UInt8] = []
    private var valueBytes: [UInt8] = []
    // Copies that stay where they are while the arrays above are changed for the next item.
    private var heldKey = RawBuffer(capacity: 600)
    private var heldValue = RawBuffer(capacity: 4096)
    private(set) var operation = TableOperation.put

    /// - Complexity: sorts names and keys; some 50 bytes of memory an add.
    init(_ layer: Layer) {
        self.layer = layer
        let names = layer.names.names
        let order = names.indices.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        var rank = [Int](repeating: 0, count: names.count)
        for (place, number) in order.enumerated() { rank[number] = place }
        items += order.map { .conversation($0) }
        items += layer.keys.keys.sorted {
            $0.conversation == $1.conversation
                ? $0.bytes.lexicographicallyPrecedes($1.bytes) : rank[$0.conversation] < rank[$1.conversation]
        }.map { .key($0) }
        items += layer.labels.keys.sorted { $0.lexicographicallyPrecedes($1) }.map { .label($0) }
        for number in order {
            let conversation = layer.conversations[number]
            if conversation.clearedAt != .max {
                items.append(.clear(number))
            } else {
                items += conversation.removedBelow.keys.sorted().map { .forget(number, $0) }
            }
            for index in conversation.entries.indices where conversation.entries[index].removedAt == .max {
                items.append(.memory(number, index))
            }
        }
        items += layer.added.indices.map { .sequence($0) }
        hold()
    }

    var key: UnsafeRawBufferPointer? { index < items.count ? heldKey.bytes : nil }
    var value: UnsafeRawBufferPointer { heldValue.bytes }

    func advance() {
        index += 1
        hold()
    }

    private func hold() {
        guard index < items.count else { return }
        operation = .put
        valueBytes.removeAll(keepingCapacity: true)
        switch items[index] {
        case .conversation(let number):
            let conversation = layer.conversations[number]
            keyBytes = StateKeys.conversation(layer.names.names[number])
            valueBytes =
                ConversationValue(
                    isWhole: conversation.clearedAt != .max, memories: conversation.liveDifference,
                    lastSequence: conversation.lastSequence
                ).encoded
        case .key(let key):
            let record = layer.keys[key]!
            keyBytes = StateKeys.key(layer.names.names[key.conversation], key.bytes)
            valueBytes =
                KeyValue(
                    sequence: record.sequence, recordedMicroseconds: record.recordedMicroseconds,
                    hash: layer.arena.withBytes(record.place) { LayerSource.hash(of: $0) }
                ).encoded
        case .label(let label):
            keyBytes = StateKeys.label(label)
            valueBytes.appendVarint(layer.labels[label]!)
        case .clear(let number):
            operation = .deletePrefix
            keyBytes = StateKeys.memories(of: layer.names.names[number])
        case .forget(let number, let target):
            operation = .delete
            keyBytes = StateKeys.memory(layer.names.names[number], target)
        case .memory(let number, let index):
            let entry = layer.conversations[number].entries[index]
            let name = layer.names.names[number]
            keyBytes = StateKeys.memory(name, entry.sequence)
            layer.arena.withBytes(entry.place) {
                MemoryValue.encode(
                    $0, name: name, recordedMicroseconds: entry.recordedMicroseconds, into: &valueBytes)
            }
        case .sequence(let index):
            let (sequence, number) = layer.added[index]
            keyBytes = StateKeys.sequence(sequence)
            valueBytes = layer.names.names[Int(number)]
        }
        heldKey.removeAll()
        keyBytes.withUnsafeBytes { heldKey.append($0) }
        heldValue.removeAll()
        valueBytes.withUnsafeBytes { heldValue.append($0) }
    }

    private static func hash(of event: UnsafeRawBufferPointer) -> [UInt8] {
        do {
            let compared = try EventFields(event).compared
            return StateKeys.hash(ofCompared: UnsafeRawBufferPointer(rebasing: event[compared]))
        } catch {
            preconditionFailure("an event that was applied cannot be decoded: \(error)")
        }
    }
}
