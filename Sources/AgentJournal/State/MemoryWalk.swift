import SegmentLog

/// The memories that lie in the tables below, conversation after conversation.
///
/// Whoever asks for the conversations in order of their names reads each block once, of however many tables, and what a newer
/// table forgot of an older one is met just before it.
final class MemoryWalk {
    let below: Below
    private var source: (any TableSource)?
    /// What the keys of the conversation begin with that was asked for last.
    private var last: [UInt8] = []

    init(_ below: Below) { self.below = below }

    /// Calls with the live memories of a conversation, from the oldest on.
    ///
    /// - Parameter mask: What newer layers say of them.
    func forEach(_ name: [UInt8], _ mask: Below.Mask, _ body: (Stored) throws -> Void) throws {
        guard !below.tables.isEmpty, !mask.isCleared else { return }
        let prefix = StateKeys.memories(of: name)
        let source = try asJournalError { () throws(LogError) in try seek(prefix) }
        while let key = source.key, prefix.withUnsafeBytes({ TableKey.hasPrefix(key, $0) }) {
            if source.operation == .put, key.count == prefix.count + 8 {
                let sequence = StateKeys.sequence(ofMemory: key)
                if !mask.removed.contains(sequence) {
                    try body(try Below.stored(source.value, name, sequence, below.tables[0]))
                }
            }
            try asJournalError { () throws(LogError) in try source.advance() }
        }
    }

    /// The source, at the first key that is not below `prefix`.
    private func seek(_ prefix: [UInt8]) throws(LogError) -> any TableSource {
        defer { last = prefix }
        if let source, !prefix.lexicographicallyPrecedes(last) {
            while let key = source.key, prefix.withUnsafeBytes({ TableKey.isLess(key, $0) }) {
                try source.advance()
            }
            return source
        }
        var cursors: [TableCursor] = []
        for table in below.tables {
            let cursor = TableCursor(table, isCaching: false)
            try cursor.seek(prefix)
            cursors.append(cursor)
        }
        let source: any TableSource =
            cursors.count == 1 ? cursors[0] : try MergedSource(cursors, combine: StateKeys.combine)
        self.source = source
        return source
    }
}
