@testable import AgentJournal

/// Erasing what is forgotten.
extension Model {
    /// What an erasure of everything up to an event leaves in the places of those that it erases. Leaves are not known.
    func erasable(through: UInt64, erasure: UInt64) -> [UInt64: Event.Kind] {
        let live = memories(after: through)
        let sequences = Set(live.map(\.sequence))
        func isEmptied(_ name: String) -> Bool {
            mistake != .erasureKeepsNames && !live.contains { $0.conversation.isSame(name) }
        }
        var erased: [UInt64: Event.Kind] = [:]
        for event in events.prefix(Int(through)) {
            switch event.kind {
            case .added(let memory) where !sequences.contains(event.sequence):
                let name = isEmptied(memory.conversation) ? nil : memory.conversation
                erased[event.sequence] = .erased(
                    Event.Erased(kind: .added, conversation: name, target: nil, leaf: [], erasure: erasure))
            case .forgotten(let target, let name) where isEmptied(name):
                erased[event.sequence] = .erased(
                    Event.Erased(
                        kind: .forgotten, conversation: nil, target: target, leaf: [], erasure: erasure))
            case .cleared(let name) where isEmptied(name):
                erased[event.sequence] = .erased(
                    Event.Erased(kind: .cleared, conversation: nil, target: nil, leaf: [], erasure: erasure))
            case .erased(var left):
                guard let name = left.conversation, isEmptied(name) else { break }
                left.conversation = nil
                erased[event.sequence] = .erased(left)
            default: break
            }
        }
        return erased
    }

    /// Erases, with the leaves that the journal tells.
    mutating func erase(through: UInt64, at recorded: Timestamp, leaves: [UInt64: [UInt8]]) {
        let erasure = lastSequence + 1
        for (sequence, kind) in erasable(through: through, erasure: erasure) {
            if case .added(let memory) = events[Int(sequence) - 1].kind, let key = memory.idempotencyKey,
                mistake != .erasureForgetsKeys
            {
                erasedKeys.append((memory.conversation, key, sequence))
            }
            guard case .erased(var left) = kind else { continue }
            if let leaf = leaves[sequence] { left.leaf = leaf }
            put(.erased(left), at: sequence)
        }
        append(.erasureBegun(through: through), at: recorded)
        append(.erasureDone(through: through), at: recorded)
    }

    /// The erased add that had a key first.
    func erased(_ name: String, _ key: String) -> UInt64? {
        erasedKeys.first { $0.conversation.isSame(name) && $0.key.isSame(key) }?.sequence
    }
}
