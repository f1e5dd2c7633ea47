import CanonicalJSON
import SegmentLog

/// The rules of docs/format.md about each entry of a snapshot.
enum SnapshotEntry {
    /// Whether an entry is as its section has it, in a snapshot of events up to `through`. Sections of later versions are passed
    /// over.
    ///
    /// - Complexity: linear in its bytes.
    static func isSound(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, through: UInt64
    ) -> Bool {
        let rest = UnsafeRawBufferPointer(rebasing: key.dropFirst())
        switch key.first {
        case StateKeys.conversations:
            guard NameRules.isConversation(rest), let found = ConversationValue(value) else { return false }
            return found.memories >= 0 && isCovered(found.lastSequence, through)
        case StateKeys.erasedKeys:
            guard rest.count == EventFields.keyHashBytes, let found = KeyValue(value) else { return false }
            return found.isErased && isSound(found, through)
        case StateKeys.keys:
            guard let (name, key) = named(rest), let found = KeyValue(value) else { return false }
            return NameRules.isConversation(name) && NameRules.isText(key, maximumBytes: NameRules.keyBytes)
                && found.hash.count == 16 && isSound(found, through)
        case StateKeys.labels:
            var offset = 0
            guard let sequence = Varint.read(value, &offset), offset == value.count else { return false }
            return NameRules.isText(rest, maximumBytes: NameRules.labelBytes) && isCovered(sequence, through)
        case StateKeys.memories:
            guard let (name, sequence) = named(rest), sequence.count == 8 else { return false }
            let number = StateKeys.sequence(ofMemory: key)
            return isCovered(number, through) && MemoryValue.decode(value, name: Array(name), number) != nil
        case StateKeys.sequences:
            guard rest.count == 8 else { return false }
            let name = value.first == StateKeys.erasedMark ? value.dropFirst() : value[...]
            return isCovered(StateKeys.sequence(ofMemory: key), through)
                && NameRules.isConversation(UnsafeRawBufferPointer(rebasing: name))
        default: return true
        }
    }

    /// The name, and what is behind the zero byte that ends it.
    private static func named(
        _ bytes: UnsafeRawBufferPointer
    ) -> (name: UnsafeRawBufferPointer, rest: UnsafeRawBufferPointer)? {
        guard let end = bytes.firstIndex(of: 0) else { return nil }
        return (
            UnsafeRawBufferPointer(rebasing: bytes[..<end]),
            UnsafeRawBufferPointer(rebasing: bytes[(end + 1)...])
        )
    }

    private static func isSound(_ value: KeyValue, _ through: UInt64) -> Bool {
        isCovered(value.sequence, through)
            && Timestamp.microsecondsRange.contains(value.recordedMicroseconds)
    }

    private static func isCovered(_ sequence: UInt64, _ through: UInt64) -> Bool {
        sequence > 0 && sequence <= through
    }
}
