import JournalFileSystem

/// Inflated blocks of the tables of one journal, the least recently used of them dropped first.
package final class BlockCache: Sendable {
    struct Key: Hashable {
        var table: UInt64
        var offset: UInt64
    }

    private struct Slot {
        var block: TableBlock
        var lastUse: UInt64
    }

    private struct Contents {
        var slots: [Key: Slot] = [:]
        var bytes = 0
        var uses: UInt64 = 0
    }

    private let contents = Monitor(Contents())
    private let limit: Int

    /// - Parameter limit: How many bytes of blocks are kept.
    package init(limit: Int) { self.limit = limit }

    /// What it holds, in bytes.
    package var bytes: Int { contents.withLock { $0.bytes } }

    func find(_ key: Key) -> TableBlock? {
        contents.withLock { contents in
            guard let index = contents.slots.index(forKey: key) else { return nil }
            contents.uses += 1
            contents.slots.values[index].lastUse = contents.uses
            return contents.slots.values[index].block
        }
    }

    /// - Complexity: linear in the number of blocks when one must go; there are some hundreds.
    func insert(_ block: TableBlock, _ key: Key) {
        guard block.memoryBytes <= limit else { return }
        contents.withLock { contents in
            contents.uses += 1
            let old = contents.slots.updateValue(Slot(block: block, lastUse: contents.uses), forKey: key)
            contents.bytes += block.memoryBytes - (old?.block.memoryBytes ?? 0)
            while contents.bytes > limit,
                let oldest = contents.slots.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                contents.slots[oldest.key] = nil
                contents.bytes -= oldest.value.block.memoryBytes
            }
        }
    }

    /// Forgets the blocks of a table that is not used any more.
    func drop(_ table: UInt64) {
        contents.withLock { contents in
            for (key, slot) in contents.slots where key.table == table {
                contents.slots[key] = nil
                contents.bytes -= slot.block.memoryBytes
            }
        }
    }
}
