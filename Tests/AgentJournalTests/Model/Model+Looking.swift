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
            case .forgotten, .flushed, .historyLetGo, .erased, .erasureBegun, .erasureDone, .lost, .unknown:
                break
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

/// What became of memories, and of conversations.
extension Model {
    func history(of sequence: UInt64) -> Result<MemoryHistory, Failure> {
        guard events.indices.contains(Int(sequence) - 1) else { return .failure(.noSuchMemory) }
        let first = events[Int(sequence) - 1]
        var history: MemoryHistory
        var erasure: UInt64?
        switch first.kind {
        case .added(let memory):
            history = MemoryHistory(
                sequence: sequence, conversation: memory.conversation, memory: memory,
                changes: [
                    .init(
                        sequence: sequence, recorded: first.recorded,
                        kind: .added(replacing: memory.replaces))
                ])
        case .erased(let left) where left.kind == .added:
            erasure = left.erasure
            history = MemoryHistory(
                sequence: sequence, conversation: left.conversation,
                changes: [.init(sequence: sequence, recorded: first.recorded, kind: .added(replacing: nil))])
        default: return .failure(sequence < firstSequence ? .noSuchPoint : .noSuchMemory)
        }
        if memories(after: lastSequence).contains(where: { $0.sequence == sequence }) {
            return .success(history)
        }
        guard sequence >= firstSequence else { return .failure(.noSuchPoint) }
        if let end = events.dropFirst(Int(sequence)).first(where: { ends(history, $0) }) {
            history.changes.append(
                .init(sequence: end.sequence, recorded: end.recorded, kind: kind(of: end, history)))
        }
        if let erasure {
            history.changes.append(
                .init(sequence: erasure, recorded: events[Int(erasure) - 1].recorded, kind: .erased))
        }
        return .success(history)
    }

    private func ends(_ history: MemoryHistory, _ event: Event) -> Bool {
        switch event.kind {
        case .forgotten(let target, _): target == history.sequence
        case .cleared(let name): history.conversation?.isSame(name) == true
        case .erased(let left): left.kind == .forgotten && left.target == history.sequence
        default: false
        }
    }

    private func kind(of event: Event, _ history: MemoryHistory) -> MemoryHistory.Change.Kind {
        if case .cleared = event.kind { return .cleared }
        if event.sequence < lastSequence, case .added(let next) = events[Int(event.sequence)].kind,
            next.replaces == history.sequence
        {
            return .replaced(by: next.sequence)
        }
        return .forgotten
    }

    func diff(of name: String, from: UInt64, to: UInt64) -> ConversationDiff {
        let (before, after) = (memories(in: name, after: from), memories(in: name, after: to))
        return ConversationDiff(
            from: from, to: to,
            added: after.filter { memory in !before.contains { $0.sequence == memory.sequence } },
            removed: before.filter { memory in !after.contains { $0.sequence == memory.sequence } })
    }
}
