import SegmentLog
import JournalFileSystem

/// A state that threads share, and what can be read from it at a bound.
///
/// Reads collect places under the lock and decode outside it, so that a long read does not hold up commits.
final class StateBox: Sendable {
    private let state: Monitor<State>

    init(_ state: sending State = State()) { self.state = Monitor(state) }

    func withLock<R, E: Error>(_ body: (inout sending State) throws(E) -> sending R) throws(E) -> sending R {
        try state.withLock(body)
    }

    /// A memory's bytes, held while they are decoded.
    struct Stored: Sendable {
        var chunk: Arena.Chunk
        var offset: UInt32
        var length: UInt32
        var sequence: UInt64
        var recordedMicroseconds: Int64

        init(_ entry: State.Entry, in state: borrowing State) {
            chunk = state.arena.chunks[Int(entry.place.chunk)]
            offset = entry.place.offset
            length = entry.place.length
            sequence = entry.sequence
            recordedMicroseconds = entry.recordedMicroseconds
        }

        /// The fields and the bytes. What is in the state was decoded before, so it can be decoded again.
        func withFields<R>(_ body: (EventFields, UnsafeRawBufferPointer) -> R) -> R {
            chunk.withBytes(offset, length) { bytes in
                do {
                    return body(try EventFields(bytes), bytes)
                } catch {
                    preconditionFailure("an event that was applied cannot be decoded: \(error)")
                }
            }
        }

        func memory() -> Memory {
            withFields { Memory($0, $1, sequence: sequence, recordedMicroseconds: recordedMicroseconds) }
        }
    }

    /// The live memories of a conversation at `bound`, in order: the last `last` of those below `before`.
    func stored(in conversation: String, at bound: UInt64, last: Int?, before: UInt64?) -> [Stored] {
        state.withLock { state in
            guard let number = state.number(of: conversation) else { return [] }
            return StateBox.collect(state, number, at: bound, last: last, before: before)
        }
    }

    /// The same by the conversation's number.
    func stored(number: Int, at bound: UInt64) -> [Stored] {
        state.withLock { StateBox.collect($0, number, at: bound, last: nil, before: nil) }
    }

    private static func collect(
        _ state: borrowing State, _ number: Int, at bound: UInt64, last: Int?, before: UInt64?
    ) -> [Stored] {
        let entries = state.conversations[number].entries
        var index = before.map { before in entries.partitionIndex { $0.sequence >= before } } ?? entries.count
        var found: [Stored] = []
        while index > 0, found.count < last ?? .max {
            index -= 1
            if entries[index].isLive(at: bound) { found.append(Stored(entries[index], in: state)) }
        }
        found.reverse()
        return found
    }

    func stored(sequence: UInt64, at bound: UInt64) -> Stored? {
        state.withLock { state in
            guard let (number, index) = state.find(sequence) else { return nil }
            let entry = state.conversations[number].entries[index]
            return entry.isLive(at: bound) ? Stored(entry, in: state) : nil
        }
    }

    /// The conversations with live memories at `bound`, in order of their bytes, with how many.
    func conversations(prefix: String, at bound: UInt64) -> [(number: Int, name: [UInt8], count: Int)] {
        let prefix = Array(prefix.utf8)
        return state.withLock { state in
            state.conversations.indices.compactMap { number in
                let name = state.names.names[number]
                guard name.starts(with: prefix) else { return nil }
                let conversation = state.conversations[number]
                let count =
                    conversation.removedCount == 0 && (conversation.entries.last?.sequence ?? 0) <= bound
                    ? conversation.entries.count : conversation.entries.count { $0.isLive(at: bound) }
                return count > 0 ? (number, name, count) : nil
            }
        }.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// The last event of a conversation at `bound`.
    ///
    /// - Complexity: constant, but linear in the conversation while something behind the bound is being made durable.
    func lastSequence(of conversation: String, at bound: UInt64) -> UInt64 {
        state.withLock { state in
            guard let number = state.number(of: conversation) else { return 0 }
            let conversation = state.conversations[number]
            if conversation.lastSequence <= bound { return conversation.lastSequence }
            return conversation.entries.reduce(0) { last, entry in
                max(
                    last, entry.sequence <= bound ? entry.sequence : 0,
                    entry.removedAt <= bound ? entry.removedAt : 0)
            }
        }
    }
}
