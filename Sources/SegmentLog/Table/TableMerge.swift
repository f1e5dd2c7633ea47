import JournalFileSystem

/// Entries in order of their keys: a table's, or what is in memory.
package protocol TableSource: AnyObject {
    /// The key here; nil at the end. Valid until the source moves.
    var key: UnsafeRawBufferPointer? { get }
    var operation: TableOperation { get }
    var value: UnsafeRawBufferPointer { get }
    func advance() throws(LogError)
}

extension TableCursor: TableSource {}

/// Says what a key's value is when an older source has one too; else the newer one counts.
package typealias TableCombine =
    @Sendable (
        _ key: UnsafeRawBufferPointer, _ older: UnsafeRawBufferPointer, _ newer: UnsafeRawBufferPointer
    ) -> [UInt8]?

/// Several sources as one: of each key what the newest says.
package final class MergedSource: TableSource {
    /// The oldest first.
    private let sources: [any TableSource]
    /// The key that each stands at: asked for once, as each is compared many times.
    private var keys: [UnsafeRawBufferPointer?]
    private let combine: TableCombine
    /// By source, the prefix that it deleted from those before it.
    private var deleted: [[UInt8]?]
    /// The sources that stand at the present key.
    private var current: [Int] = []
    private var combined: [UInt8]?
    private var bytes = RawBuffer(capacity: 256)

    package init(_ sources: [any TableSource], combine: @escaping TableCombine) throws(LogError) {
        self.sources = sources
        self.combine = combine
        keys = sources.map(\.key)
        deleted = Array(repeating: nil, count: sources.count)
        try settle()
    }

    package var key: UnsafeRawBufferPointer? { current.last.flatMap { keys[$0] } }
    package var operation: TableOperation { sources[current.last!].operation }
    package var value: UnsafeRawBufferPointer { combined == nil ? sources[current.last!].value : bytes.bytes }

    package func advance() throws(LogError) {
        for number in current { try advance(number) }
        try settle()
    }

    private func advance(_ number: Int) throws(LogError) {
        try sources[number].advance()
        keys[number] = sources[number].key
    }

    /// Finds the smallest key, and who has it; passes over what a newer source deleted by a prefix.
    private func settle() throws(LogError) {
        while true {
            current.removeAll(keepingCapacity: true)
            combined = nil
            for number in keys.indices {
                guard let key = keys[number] else { continue }
                let order = current.first.map { TableKey.compare(key, keys[$0]!) } ?? -1
                if order < 0 { current.removeAll(keepingCapacity: true) }
                if order <= 0 { current.append(number) }
            }
            guard let newest = current.last, let key = keys[newest] else { return }
            if sources[newest].operation == .deletePrefix {
                deleted[newest] = Array(key)
                return
            }
            let hiding = deleted.indices.last { number in
                deleted[number]?.withUnsafeBytes { TableKey.hasPrefix(key, $0) } == true
            }
            if let hiding, current.contains(where: { $0 < hiding }) {
                let hidden = current.filter { $0 < hiding }
                for number in hidden { try advance(number) }
                continue
            }
            try combineValues(key)
            return
        }
    }

    private func combineValues(_ key: UnsafeRawBufferPointer) throws(LogError) {
        // From the newest back to the first that does not put.
        let puts = current.reversed().prefix { sources[$0].operation == .put }
        guard puts.count > 1 else { return }
        var value: [UInt8]?
        for number in puts.dropFirst() {
            let older = sources[number].value
            let result =
                if let value {
                    value.withUnsafeBytes { combine(key, older, $0) }
                } else {
                    combine(key, older, sources[puts.first!].value)
                }
            guard let result else { break }
            value = result
        }
        guard let value else { return }
        combined = value
        bytes.removeAll()
        value.withUnsafeBytes { bytes.append($0) }
    }
}

/// Writes what a table and the changes upon it give, copying the blocks that did not change.
package enum TableMerge {
    /// - Parameters:
    ///   - base: At its first entry; nil when there is nothing below.
    ///   - changes: What lies upon it.
    ///   - keepsDeletions: Whether what is written will itself lie upon another table.
    package static func run(
        _ base: TableCursor?, _ changes: any TableSource, keepsDeletions: Bool, combine: TableCombine,
        into writer: TableWriter
    ) throws(LogError) {
        while let key = changes.key {
            if let base { try copy(base, upTo: key, to: writer) }
            let isSame = base?.key.map { TableKey.compare($0, key) == 0 } ?? false
            switch changes.operation {
            case .put:
                let joined = isSame ? combine(key, base!.value, changes.value) : nil
                if let joined {
                    try joined.span.withUnsafeBytes { (value) throws(LogError) in
                        try add(key, .put, value, to: writer)
                    }
                } else {
                    try add(key, .put, changes.value, to: writer)
                }
                if isSame { try base!.advance() }
            case .delete:
                if isSame { try base!.advance() }
                if keepsDeletions { try add(key, .delete, changes.value, to: writer) }
            case .deletePrefix:
                while let below = base?.key, TableKey.hasPrefix(below, key) { try base!.advance() }
                if keepsDeletions { try add(key, .deletePrefix, changes.value, to: writer) }
            }
            try changes.advance()
        }
        // The filter behind them is of this table's keys.
        guard let base else { return }
        try [FilterFormat.section].span.withUnsafeBytes { (end) throws(LogError) in
            try copy(base, upTo: end, to: writer)
        }
    }

    private static func add(
        _ key: UnsafeRawBufferPointer, _ operation: TableOperation, _ value: UnsafeRawBufferPointer,
        to writer: TableWriter
    ) throws(LogError) {
        try asLogError { () throws(FileSystemError) in try writer.add(key, operation, value) }
    }

    /// Copies the entries below `limit`, whole blocks as they are where that leaves no small ones.
    private static func copy(
        _ base: TableCursor, upTo limit: UnsafeRawBufferPointer, to writer: TableWriter
    ) throws(LogError) {
        while !base.isAtEnd {
            if base.isAtBlockStart {
                let last = try base.lastKeyOfBlock()
                if TableKey.isLess(last, limit), writer.mayCopyBlocks(last[0]) {
                    if writer.canCopyBlock {
                        try base.copyBlock(to: writer)
                    } else {
                        try writer.absorbing { () throws(LogError) in try copyEntries(base, to: writer) }
                    }
                    continue
                }
            }
            try base.load()
            guard let key = base.key, TableKey.isLess(key, limit) else { return }
            try add(key, .put, base.value, to: writer)
            try base.advance()
        }
    }

    /// All entries of one block, to join a small one before it.
    private static func copyEntries(_ base: TableCursor, to writer: TableWriter) throws(LogError) {
        repeat {
            try base.load()
            try add(base.key!, .put, base.value, to: writer)
            try base.advance()
        } while !base.isAtBlockStart && !base.isAtEnd
    }
}
