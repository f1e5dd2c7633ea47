import JournalFileSystem
import SegmentLog
import Synchronization

/// A state that threads share, and what can be read from it at a bound.
///
/// What changes is looked at under the lock; what lies below does not change and is read outside it, and memories are
/// decoded outside it, so that a long read does not hold up commits.
final class StateBox: Sendable {
    private let state: Monitor<State>
    private let reached: Atomic<UInt64>

    init(_ state: sending State = State()) {
        reached = Atomic(state.lastSequence)
        self.state = Monitor(state)
    }

    func withLock<R, E: Error>(_ body: (inout sending State) throws(E) -> sending R) throws(E) -> sending R {
        try state.withLock { (state) throws(E) in
            defer { reached.store(state.lastSequence, ordering: .releasing) }
            return try body(&state)
        }
    }

    /// The last event that is in the state. Costs an atomic load.
    var lastSequence: UInt64 { reached.load(ordering: .acquiring) }

    /// What the layer says of a conversation, and what it lies upon.
    private struct Top: Sendable {
        var found: [Stored] = []
        var mask = Below.Mask()
        var below: Below
    }

    private func top(_ name: [UInt8], at bound: UInt64, last: Int, before: UInt64?) -> Top {
        state.withLock { state in
            var top = Top(below: state.below)
            state.layer.collect(name, at: bound, last: last, before: before, &top.mask, &top.found)
            return top
        }
    }

    /// The live memories of a conversation at `bound`, in order: the last `last` of those below `before`.
    func stored(
        in name: [UInt8], at bound: UInt64, last: Int?, before: UInt64?
    ) throws(JournalError) -> [Stored] {
        let last = max(0, last ?? .max)
        var top = top(name, at: bound, last: last, before: before)
        if !top.mask.isCleared, top.found.count < last {
            try top.below.collect(name, last: last, before: before, top.mask, &top.found)
        }
        top.found.reverse()
        return top.found
    }

    func stored(sequence: UInt64, at bound: UInt64) throws(JournalError) -> Stored? {
        let (own, isAbove, below) = state.withLock { state -> (Stored?, Bool, Below) in
            let isAbove = sequence > state.layer.baseSequence
            guard let (number, index) = state.layer.find(sequence) else { return (nil, isAbove, state.below) }
            let entry = state.layer.conversations[number].entries[index]
            return (entry.isLive(at: bound) ? Stored(entry, in: state.layer.arena) : nil, true, state.below)
        }
        if own != nil || isAbove { return own }
        guard let name = try below.conversation(ofAdd: sequence) else { return nil }
        let top = top(name, at: bound, last: 0, before: nil)
        guard !top.mask.isCleared, !top.mask.removed.contains(sequence) else { return nil }
        return try below.memory(name, sequence, top.mask)
    }

    /// Calls with the live memories of conversations at `bound`, oldest first, a conversation after the other in the given
    /// order, which is quickest when it is that of their bytes.
    func forEachStored(
        in names: [[UInt8]], at bound: UInt64, _ body: (Stored) throws -> Void
    ) throws {
        var walk: MemoryWalk?
        for name in names {
            var top = top(name, at: bound, last: .max, before: nil)
            // Behind those of the layer below, from the newest back.
            let own = top.found
            top.found = []
            top.below.layer?.collect(
                name, at: Layer.everything, last: .max, before: nil, &top.mask, &top.found)
            // A snapshot may be taken meanwhile, and then holds what the layers held.
            if walk?.below !== top.below { walk = MemoryWalk(top.below) }
            try walk!.forEach(name, top.mask, body)
            for stored in top.found.reversed() { try body(stored) }
            for stored in own.reversed() { try body(stored) }
        }
    }

    /// The conversations with live memories at `bound`, in order of their bytes, with how many.
    func conversations(
        prefix: String, at bound: UInt64
    ) throws(JournalError) -> [(name: [UInt8], count: Int)] {
        let prefix = Array(prefix.utf8)
        let (changed, below) = state.withLock { state -> (ConversationList, Below) in
            (ConversationList(state.layer, prefix, at: bound), state.below)
        }
        var all = ConversationList(try below.conversations(prefix: prefix))
        if let layer = below.layer {
            all = ConversationList(layer, prefix, at: Layer.everything).sorted().upon(all)
        }
        all = changed.sorted().upon(all)
        return all.items.compactMap { $0.value.memories > 0 ? ($0.name, $0.value.memories) : nil }
    }

    /// How many memories there are at `bound`.
    ///
    /// - Complexity: linear in the conversations that changed since the snapshot; in all, where there are several tables.
    func count(at bound: UInt64) throws(JournalError) -> Int {
        let (changed, below) = state.withLock { state in
            let changed = state.layer.conversations.indices.map { number in
                (
                    state.layer.names.names[number],
                    ConversationValue(state.layer.conversations[number], at: bound)
                )
            }
            return (changed, state.below)
        }
        // A table that a replay spilled does not say how many it has.
        let counts = below.tables.map { StateMeta($0.meta).flatMap { Int(exactly: $0.memories) } }
        guard counts.count <= 1, below.layer == nil, !counts.contains(nil) else {
            return try conversations(prefix: "", at: bound).map(\.count).reduce(0, &+)
        }
        var count = counts.first.flatMap { $0 } ?? 0
        for (name, value) in changed {
            count &+= value.memories
            if value.isWhole { count &-= try below.conversation(name)?.memories ?? 0 }
        }
        return count
    }

    /// How many memories a conversation holds at `bound`.
    ///
    /// - Complexity: that of `lastSequence(of:at:)`.
    func count(of name: [UInt8], at bound: UInt64) throws(JournalError) -> Int {
        let (own, below) = state.withLock { state in
            let number = state.layer.number(of: name)
            return (
                number.map { ConversationValue(state.layer.conversations[$0], at: bound) }, state.below
            )
        }
        if let own, own.isWhole { return own.memories }
        return try (own?.memories ?? 0) &+ (below.conversation(name)?.memories ?? 0)
    }

    /// The last event of a conversation at `bound`.
    ///
    /// - Complexity: constant, but linear in the conversation while something behind the bound is being made durable.
    func lastSequence(of name: String, at bound: UInt64) throws(JournalError) -> UInt64 {
        let (own, below) = state.withLock { state -> (UInt64, Below?) in
            let own = state.layer.lastSequence(of: name, at: bound)
            return (own, own > 0 ? nil : state.below)
        }
        return try below?.conversation(Array(name.utf8))?.lastSequence ?? own
    }

    /// The same where it is known at once: it lies above the snapshot and not behind the bound, and nobody is at the state, who
    /// might read files meanwhile; else nil.
    func knownLastSequence(of name: String, at bound: UInt64) -> UInt64? {
        let last = state.withLockIfFree { state in
            state.layer.number(of: name).map { state.layer.conversations[$0].lastSequence } ?? 0
        }
        guard let last, last > 0, last <= bound else { return nil }
        return last
    }

    /// The first add with an idempotency key, also when it is not visible yet; nil when there is none.
    func known(_ name: [UInt8], _ key: [UInt8]) throws(JournalError) -> KeyValue? {
        let (own, hash, below) = state.withLock { state -> (KeyValue?, [UInt8], Below) in
            if let known = state.layer.known(name, key) { return (known, [], state.below) }
            let erasureKey = state.layer.erasure.key
            guard !erasureKey.isEmpty else { return (nil, [], state.below) }
            let hash = StateKeys.hash(ofKey: key, in: name, erasureKey: erasureKey)
            return (state.layer.erasedKeys[hash], hash, state.below)
        }
        if let own { return own }
        if let known = try below.key(name, key) { return known }
        return hash.isEmpty ? nil : try below.erasedKey(hash)
    }

    /// The latest flush with a label, also when it is not visible yet; nil when there is none.
    func label(_ label: [UInt8]) throws(JournalError) -> UInt64? {
        let (own, below) = state.withLock { ($0.layer.labels[label], $0.below) }
        if let own { return own }
        return try below.label(label)
    }
}
