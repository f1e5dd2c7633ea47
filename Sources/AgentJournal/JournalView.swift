import CanonicalJSON
import Crypto
import JournalFileSystem
import SegmentLog

/// The memory state at one sequence. It does not change while the journal goes on.
public final class JournalView: Sendable {
    private let box: Monitor<StateBox>
    /// Builds the state anew when a snapshot under it turns out to be damaged; nil for a state that has none.
    private let engine: Engine?
    private let generation = ForkGeneration.current
    /// The journal that its memories were read from.
    private let origin: MemoryOrigin
    /// The last event that counts.
    public let sequence: UInt64

    /// What is visible in a state that others go on changing.
    init(_ box: StateBox, at sequence: UInt64, engine: Engine, origin: MemoryOrigin) {
        self.origin = origin
        self.box = Monitor(box)
        self.engine = engine
        self.sequence = sequence
    }

    /// A state of its own.
    init(_ state: sending State, engine: Engine? = nil, origin: MemoryOrigin = MemoryOrigin()) {
        self.origin = origin
        sequence = state.lastSequence
        self.engine = engine
        box = Monitor(StateBox(state))
    }

    /// Whether it rests on a snapshot, and not on the log alone.
    package var liesUponSnapshot: Bool {
        box.withLock { $0 }.withLock { state in state.below.tables.contains { !$0.meta.isEmpty } }
    }

    /// Reads; and once more without a snapshot that turns out to be damaged.
    private func read<R>(_ body: (StateBox) throws(JournalError) -> R) throws(JournalError) -> R {
        try JournalError.check(generation, "view")
        do {
            return try body(box.withLock { $0 })
        } catch {
            guard let engine, engine.isOfSnapshot(error) else { throw error }
            try heal(error, engine)
            return try body(box.withLock { $0 })
        }
    }

    private func heal(_ error: JournalError, _ engine: Engine) throws(JournalError) {
        try engine.heal(error)
        let healed = StateBox(try engine.state(at: sequence))
        box.withLock { $0 = healed }
    }

    /// A conversation and how many memories it holds.
    public struct ConversationSummary: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// How many memories it holds.
        public var count: Int
    }

    /// The conversations that hold memories, in order of their UTF-8 bytes.
    public func conversations(prefix: String = "") throws(JournalError) -> [ConversationSummary] {
        try read { (box) throws(JournalError) in
            try box.conversations(prefix: prefix, at: sequence)
        }.map { ConversationSummary(name: String(decoding: $0.name, as: UTF8.self), count: $0.count) }
    }

    /// Memories of a conversation, oldest first.
    ///
    /// - Parameters:
    ///   - last: At most so many, the newest; nil for all.
    ///   - before: Only those with a lower sequence, to page backwards.
    /// - Complexity: linear in the number returned (and in those forgotten between them).
    public func memories(in conversation: String, last: Int? = nil, before: UInt64? = nil)
        throws(JournalError)
        -> [Memory]
    {
        try read { (box) throws(JournalError) in
            try box.stored(in: Array(conversation.utf8), at: sequence, last: last, before: before)
        }.map(memory)
    }

    /// The same memories as canonical JSON lines: those of an export, and with them when each was recorded.
    package func memoryLines(in conversation: String, last: Int? = nil, before: UInt64? = nil)
        throws(JournalError)
        -> [UInt8]
    {
        let found = try read { (box) throws(JournalError) in
            try box.stored(in: Array(conversation.utf8), at: sequence, last: last, before: before)
        }
        var lines: [UInt8] = []
        for stored in found { JournalView.appendLine(of: stored, to: &lines) }
        return lines
    }

    /// What is known of an idempotency key, with the memory's line; the line is empty when the memory is gone.
    package func memoryLine(
        forKey key: String, in conversation: String
    ) throws(JournalError) -> (receipt: Receipt, line: [UInt8])? {
        guard let (value, stored) = try stored(forKey: key, in: conversation) else { return nil }
        var line: [UInt8] = []
        if let stored { JournalView.appendLine(of: stored, to: &line) }
        return (Receipt(repeating: value), line)
    }

    private static func appendLine(of stored: Stored, to lines: inout [UInt8]) {
        stored.withFields { fields, bytes in
            ExportLine.append(
                fields, bytes, sequence: stored.sequence,
                recordedMicroseconds: stored.recordedMicroseconds, isWithRecorded: true, to: &lines)
        }
    }

    /// The memory with a sequence, if it is there.
    public func memory(_ sequence: UInt64) throws(JournalError) -> Memory? {
        try read { (box) throws(JournalError) in
            try box.stored(sequence: sequence, at: self.sequence)
        }.map(memory)
    }

    /// What is known of an idempotency key, and the memory's event if that is there.
    func stored(
        forKey key: String, in conversation: String
    ) throws(JournalError) -> (value: KeyValue, stored: Stored?)? {
        try read { (box) throws(JournalError) in
            guard let value = try box.known(Array(conversation.utf8), Array(key.utf8)),
                value.sequence <= sequence
            else { return nil }
            return (value, value.isErased ? nil : try box.stored(sequence: value.sequence, at: sequence))
        }
    }

    func memory(_ stored: Stored) -> Memory {
        var memory = stored.memory()
        memory.origin = origin
        return memory
    }

    /// How many memories there are.
    public var count: Int {
        get throws(JournalError) {
            try read { (box) throws(JournalError) in try box.count(at: sequence) }
        }
    }

    /// How many memories a conversation holds.
    public func count(of conversation: String) throws(JournalError) -> Int {
        try read { (box) throws(JournalError) in
            try box.count(of: Array(conversation.utf8), at: sequence)
        }
    }

    /// Writes all memories as canonical JSON lines, by conversation and sequence.
    ///
    /// - Parameters:
    ///   - conversation: Only this one; nil for all.
    ///   - write: Is called with pieces of at most a few hundred kilobytes, but for larger single lines.
    public func export(
        conversation: String? = nil, write: (ArraySlice<UInt8>) throws -> Void
    ) throws {
        try JournalError.check(generation, "view")
        var buffer: [UInt8] = []
        buffer.reserveCapacity(256 << 10)
        let names =
            try conversation.map { [Array($0.utf8)] }
            ?? read { (box) throws(JournalError) in
                try box.conversations(prefix: "", at: sequence)
            }.map(\.name)
        // When a snapshot turns out to be damaged on the way, the same memories come again from the log, in the same order.
        var done = 0
        func pass() throws {
            var passed = 0
            try box.withLock { $0 }.forEachStored(in: names, at: sequence) { stored in
                passed += 1
                guard passed > done else { return }
                stored.withFields { fields, bytes in
                    ExportLine.append(
                        fields, bytes, sequence: stored.sequence,
                        recordedMicroseconds: stored.recordedMicroseconds, to: &buffer)
                }
                done += 1
                if buffer.count > 192 << 10 {
                    try write(buffer[...])
                    buffer.removeAll(keepingCapacity: true)
                }
            }
        }
        do {
            try pass()
        } catch let error as JournalError {
            guard let engine, engine.isOfSnapshot(error) else { throw error }
            try heal(error, engine)
            try pass()
        }
        if !buffer.isEmpty { try write(buffer[...]) }
    }

    /// The SHA-256 of the export, in lower-case hexadecimal digits: two states with the same digest hold the same memories.
    public func digest() throws -> String {
        var hash = SHA256()
        try export { piece in piece.withUnsafeBytes { hash.update(bufferPointer: $0) } }
        return String(decoding: Hexadecimal.digits(of: hash.finalize()), as: UTF8.self)
    }
}
