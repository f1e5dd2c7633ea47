import SegmentLog

/// Conversations and what is said of each: of a layer, or of all that lies below one.
///
/// Lists in order of the names are joined in one pass. There may be millions, too many to look each up.
struct ConversationList {
    private(set) var items: [(name: [UInt8], value: ConversationValue)]

    /// In order of the names.
    init(_ items: [(name: [UInt8], value: ConversationValue)]) { self.items = items }

    /// What a layer says at a bound of the conversations whose names begin so; not in order.
    init(_ layer: Layer, _ prefix: [UInt8], at bound: UInt64) {
        items = []
        if prefix.isEmpty { items.reserveCapacity(layer.names.names.count) }
        for (number, name) in layer.names.names.enumerated() where name.starts(with: prefix) {
            items.append((name, ConversationValue(layer.conversations[number], at: bound)))
        }
    }

    consuming func sorted() -> ConversationList {
        items.sort { ConversationList.compare($0.name, $1.name) < 0 }
        return self
    }

    /// Both as one: where both say something of a conversation, this one is the newer.
    func upon(_ below: ConversationList) -> ConversationList {
        if items.isEmpty { return below }
        if below.items.isEmpty { return self }
        var joined: [(name: [UInt8], value: ConversationValue)] = []
        joined.reserveCapacity(items.count + below.items.count)
        var next = 0
        for item in items {
            var order = -1
            while next < below.items.count {
                order = ConversationList.compare(below.items[next].name, item.name)
                if order >= 0 { break }
                joined.append(below.items[next])
                next += 1
            }
            if order == 0 {
                joined.append((item.name, item.value.upon(below.items[next].value)))
                next += 1
            } else {
                joined.append(item)
            }
        }
        joined += below.items[next...]
        return ConversationList(joined)
    }

    private static func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
        a.withUnsafeBytes { a in b.withUnsafeBytes { b in TableKey.compare(a, b) } }
    }
}
