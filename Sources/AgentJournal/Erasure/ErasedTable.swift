import SegmentLog

/// What a snapshot must change to hold nothing that is erased: in order of the keys, to be merged with it.
///
/// It serves for the snapshot by which the scope was told and for older ones, in which the erased memories were still there.
final class ErasedTable: TableSource {
    private struct Change {
        var key: [UInt8]
        var operation: TableOperation
        var value: [UInt8] = []
    }

    private var changes: [Change] = []
    private var next = 0
    private var heldKey = RawBuffer(capacity: 600)
    private var heldValue = RawBuffer(capacity: 600)

    /// - Complexity: reads the table but for its labels; holds what changes.
    init(
        _ table: TableReader, _ scope: ErasureScope, isResuming: Bool, erasureKey: [UInt8]
    ) throws(LogError) {
        var failure: LogError?
        func isEmptied(_ name: UnsafeRawBufferPointer) -> Bool {
            do throws(LogError) {
                return try scope.isEmptied(name, isResuming: isResuming)
            } catch {
                failure = failure ?? error
                return false
            }
        }
        var gone: [[UInt8]: Int] = [:]
        var memories: [Change] = []
        // Those of the snapshot that tells what is there are all there.
        try ErasureScope.forEach(StateKeys.memories, of: table.sequence == scope.through ? nil : table) {
            key, _ in
            guard !scope.isLive(StateKeys.sequence(ofMemory: key)) else { return }
            memories.append(Change(key: Array(key), operation: .delete))
            gone[Array(key[1..<(key.count - 9)]), default: 0] += 1
        }
        try ErasureScope.forEach(StateKeys.conversations, of: table) { key, value in
            let name = UnsafeRawBufferPointer(rebasing: key.dropFirst())
            if isEmptied(name) {
                changes.append(Change(key: Array(key), operation: .delete))
            } else if let count = gone[Array(name)], let value = ConversationValue(value) {
                let less = ConversationValue(
                    isWhole: false, memories: -count, lastSequence: value.lastSequence)
                changes.append(Change(key: Array(key), operation: .put, value: less.encoded))
            }
        }
        var keys: [Change] = []
        var hashes: [Change] = []
        try ErasureScope.forEach(StateKeys.keys, of: table) { key, value in
            guard let known = KeyValue(value), !scope.isLive(known.sequence) else { return }
            keys.append(Change(key: Array(key), operation: .delete))
            let end = key.firstIndex(of: 0)!
            let hash = StateKeys.hash(
                ofKey: Array(key[(end + 1)...]), in: Array(key[1..<end]), erasureKey: erasureKey)
            let erased = KeyValue(
                sequence: known.sequence, recordedMicroseconds: known.recordedMicroseconds, hash: [])
            hashes.append(
                Change(key: StateKeys.erasedKey(hash), operation: .put, value: erased.encoded))
        }
        hashes.sort { $0.key.lexicographicallyPrecedes($1.key) }
        changes += hashes + keys + memories
        try ErasureScope.forEach(StateKeys.sequences, of: table) { key, value in
            let isMarked = value.first == StateKeys.erasedMark
            let name = UnsafeRawBufferPointer(rebasing: value.dropFirst(isMarked ? 1 : 0))
            if isEmptied(name) {
                changes.append(Change(key: Array(key), operation: .delete))
            } else if !isMarked, !scope.isLive(StateKeys.sequence(ofMemory: key)) {
                changes.append(
                    Change(key: Array(key), operation: .put, value: [StateKeys.erasedMark] + Array(name)))
            }
        }
        if let failure { throw failure }
        hold()
    }

    /// Whether the table holds nothing that is erased.
    var isEmpty: Bool { changes.isEmpty }

    var key: UnsafeRawBufferPointer? { next < changes.count ? heldKey.bytes : nil }
    var operation: TableOperation { changes[next].operation }
    var value: UnsafeRawBufferPointer { heldValue.bytes }

    func advance() {
        next += 1
        hold()
    }

    private func hold() {
        guard next < changes.count else { return }
        heldKey.removeAll()
        heldKey.append(changes[next].key)
        heldValue.removeAll()
        heldValue.append(changes[next].value)
    }
}
