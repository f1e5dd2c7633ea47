import SegmentLog

/// What an erasure leaves of a journal: told by a snapshot of the sequence up to which it goes.
///
/// All of it follows from which memories and conversations are there: so it is the same when it is told again, of what an
/// interrupted erasure left.
struct ErasureScope: Sendable {
    /// What is behind this is not touched.
    let through: UInt64
    /// By sequence, whether it is that of a memory that is there: a bit each.
    private var live: [UInt64]
    /// The adds whose memories are forgotten and not yet erased, in order.
    private(set) var forgotten: [UInt64] = []
    /// Conversations without a memory, whose names are still known.
    private(set) var emptied: Set<[UInt8]> = []
    private let table: TableReader

    /// - Complexity: reads the snapshot, and keeps a bit for each event that it covers.
    init(_ table: TableReader) throws(LogError) {
        self.table = table
        through = table.sequence
        live = Array(repeating: 0, count: Int(table.sequence / 64) + 1)
        // In order of the conversations, as these are: those that are passed over have no memory, whatever else is said of them.
        let conversations = TableCursor(table, isCaching: false)
        try conversations.seek([StateKeys.conversations])
        let memories = TableCursor(table, isCaching: false)
        try memories.seek([StateKeys.memories])
        while let key = memories.key, key[0] == StateKeys.memories {
            let sequence = StateKeys.sequence(ofMemory: key)
            if sequence <= table.sequence { live[Int(sequence / 64)] |= 1 << (sequence % 64) }
            try pass(conversations, upTo: UnsafeRawBufferPointer(rebasing: key[1..<(key.count - 9)]))
            try memories.advance()
        }
        try pass(conversations, upTo: nil)
        try ErasureScope.forEach(StateKeys.sequences, of: table) { key, value in
            let sequence = StateKeys.sequence(ofMemory: key)
            if value.first != StateKeys.erasedMark, !isLive(sequence) { forgotten.append(sequence) }
        }
    }

    /// Moves past the conversations up to that with a memory, and notes that those before it have none.
    private mutating func pass(
        _ conversations: TableCursor, upTo name: UnsafeRawBufferPointer?
    ) throws(LogError) {
        while let key = conversations.key, key[0] == StateKeys.conversations {
            let conversation = UnsafeRawBufferPointer(rebasing: key.dropFirst())
            let order = name.map { TableKey.compare(conversation, $0) } ?? -1
            guard order <= 0 else { return }
            if order < 0 { emptied.insert(Array(conversation)) }
            try conversations.advance()
        }
    }

    /// Calls with the entries of a section; nil has none.
    static func forEach(
        _ section: UInt8, of table: TableReader?,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) throws(LogError) {
        guard let table else { return }
        let cursor = TableCursor(table, isCaching: false)
        try cursor.seek([section])
        while let key = cursor.key, key[0] == section {
            body(key, cursor.value)
            try cursor.advance()
        }
    }

    /// Whether there is nothing to erase, as far as the snapshot knows.
    var isEmpty: Bool { forgotten.isEmpty && emptied.isEmpty }

    /// Whether the memory that was added with a sequence is there.
    func isLive(_ sequence: UInt64) -> Bool {
        sequence <= through && live[Int(sequence / 64)] & 1 << (sequence % 64) != 0
    }

    /// Whether a conversation that is named up to there holds no memory.
    ///
    /// - Parameter isResuming: the snapshot may have forgotten the name already, by an erasure that was not ended.
    func isEmptied(_ name: UnsafeRawBufferPointer, isResuming: Bool) throws(LogError) -> Bool {
        guard isResuming else { return !emptied.isEmpty && emptied.contains(Array(name)) }
        let prefix = StateKeys.memories(of: Array(name))
        let cursor = TableCursor(table)
        try cursor.seek(prefix)
        return cursor.key?.starts(with: prefix) != true
    }

    /// Whether a segment with these sequences holds something that is forgotten.
    func touches(_ sequences: ClosedRange<UInt64>) -> Bool {
        let index = forgotten.partitionIndex { $0 >= sequences.lowerBound }
        return index < forgotten.count && forgotten[index] <= sequences.upperBound
    }
}
