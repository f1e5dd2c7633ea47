@testable import AgentJournal

/// What can be seen.
extension Model {
    /// The memories that are there after the first `count` events, oldest first.
    func memories(after count: UInt64) -> [Memory] {
        var live: [Memory] = []
        for event in events.prefix(Int(count)) {
            switch event.kind {
            case .added(let memory): live.append(memory)
            case .forgotten(let sequence, _) where mistake != .forgetForgetsNothing:
                live.removeAll { $0.sequence == sequence }
            case .cleared(let name):
                let last = mistake == .clearKeepsTheLast ? live.last?.sequence : nil
                live.removeAll { $0.conversation.isSame(name) && $0.sequence != last }
            case .forgotten, .flushed, .historyLetGo, .erased, .erasureBegun, .erasureDone, .unknown: break
            }
        }
        return live
    }

    func memories(
        in name: String, last: Int? = nil, before: UInt64? = nil, after count: UInt64? = nil
    ) -> [Memory] {
        let bound = mistake == .beforeIsInclusive ? before.map { $0 + 1 } : before
        let all = memories(after: count ?? lastSequence).filter {
            $0.conversation.isSame(name) && $0.sequence < bound ?? .max
        }
        return last.map { Array(all.suffix(max(0, $0))) } ?? all
    }

    /// The conversations that hold memories, with how many, in order of their bytes.
    func conversations(
        prefix: String = "", after count: UInt64? = nil
    ) -> [JournalView.ConversationSummary] {
        var found: [JournalView.ConversationSummary] = []
        for memory in memories(after: count ?? lastSequence)
        where memory.conversation.utf8.starts(with: prefix.utf8) {
            if let index = found.firstIndex(where: { $0.name.isSame(memory.conversation) }) {
                found[index].count += 1
            } else {
                found.append(.init(name: memory.conversation, count: 1))
            }
        }
        if mistake == .conversationsAreUnsorted { return found }
        return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    func lastSequence(of name: String) -> UInt64 {
        events.last { $0.conversation?.isSame(name) == true }?.sequence ?? 0
    }

    /// The last event that counts at a point, or why it cannot be looked at.
    func sequence(at point: Point) -> Result<UInt64, Failure> {
        let sequence: UInt64
        switch point {
        case .sequence(let wanted):
            guard wanted <= lastSequence else { return .failure(.noSuchPoint) }
            sequence = wanted
        case .date(let date): sequence = events.last { $0.recorded <= date }?.sequence ?? 0
        case .label(let label):
            let named = events.filter {
                if case .flushed(let name?) = $0.kind { name.isSame(label) } else { false }
            }
            guard let flush = mistake == .labelMeansTheFirst ? named.first : named.last else {
                return .failure(.noSuchPoint)
            }
            sequence = flush.sequence
        }
        return canLook(at: sequence) ? .success(sequence) : .failure(.noSuchPoint)
    }

    /// Whether the log, or a snapshot and the log behind it, lead to a sequence.
    func canLook(at sequence: UInt64) -> Bool {
        firstSequence == 1 || mistake == .lettingGoIsIgnored
            || snapshots.contains { $0 <= sequence && $0 + 1 >= firstSequence }
    }
}

extension String {
    /// Compared as bytes.
    func isSame(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
