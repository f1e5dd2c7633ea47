@testable import AgentJournal

/// Everything that can be read of a journal, each way of reading for itself.
///
/// Of a damaged journal each way must give what it gave before, or be refused with an error that names the place.
struct JournalReading: Sendable {
    enum Value: Hashable, Sendable {
        case bytes([UInt8])
        case names([String])
        case numbers([UInt64])
        case memories([Memory])
        case events([Event])
    }

    /// What one way of reading gave.
    struct Part: Sendable {
        var name: String
        var result: Result<Value, any Error>

        var value: Value? { try? result.get() }

        /// Whether both are refused with the same code: there is no such point in either.
        func isRefused(as other: Part) -> Bool {
            guard case .failure(let error as JournalError) = result,
                case .failure(let known as JournalError) = other.result
            else { return false }
            return error.code == known.code
        }
    }

    private(set) var parts: [Part] = []

    /// Reads a journal whose conversations are called `names`, as it is now and as it was at two points of the past.
    ///
    /// - Parameter after: The last event that the log need not have.
    init(_ journal: Journal, names: [String], past: UInt64, label: String, after: UInt64) async {
        await add("export") { .bytes(try await journal.view(at: .sequence(journal.lastSequence)).exported()) }
        await add("view") { .bytes(try journal.view().exported()) }
        await add("conversations") { .names(try await journal.conversations()) }
        await add("last memories") {
            var memories: [Memory] = []
            for name in names { memories += try await journal.conversation(name).memories(last: 2) }
            return .memories(memories)
        }
        await add("last sequences") {
            var sequences: [UInt64] = []
            for name in names { sequences.append(try await journal.conversation(name).lastSequence()) }
            return .numbers(sequences)
        }
        await add("events") {
            var events: [Event] = []
            for try await event in journal.events(after: after) { events.append(event) }
            return .events(events)
        }
        await add("a past sequence") { .bytes(try await journal.view(at: .sequence(past)).exported()) }
        await add("a label") { .bytes(try await journal.view(at: .label(label)).exported()) }
    }

    private mutating func add(_ name: String, _ read: () async throws -> Value) async {
        do {
            parts.append(Part(name: name, result: .success(try await read())))
        } catch {
            parts.append(Part(name: name, result: .failure(error)))
        }
    }

    // MARK: Comparing

    /// The parts that were given, and are not what `right` gives.
    func differences(from right: JournalReading) -> [String] {
        zip(parts, right.parts).filter { $0.value != nil && $0.value != $1.value }.map(\.0.name)
    }

    /// Whether each part is that of `right`.
    func isWhole(as right: JournalReading) -> Bool {
        zip(parts, right.parts).allSatisfy { $0.isRefused(as: $1) || $0.value != nil && $0.value == $1.value }
    }

    /// What must be read when `DamageSubject.newName` has got its one memory.
    func adding(_ added: Receipt) -> JournalReading {
        let memory = Memory(
            sequence: added.sequence, conversation: DamageSubject.newName, content: .text("more"),
            metadata: [:], timestamp: added.recorded, recorded: added.recorded)
        var new = self
        for (index, part) in parts.enumerated() {
            guard let value = part.value else { continue }
            switch (part.name, value) {
            case ("export", .bytes(let bytes)), ("view", .bytes(let bytes)):
                new.parts[index].result = .success(.bytes(bytes + Self.exportLine(added)))
            case ("conversations", .names(let names)):
                // Its name comes behind all the others.
                new.parts[index].result = .success(.names(names + [memory.conversation]))
            case ("events", .events(let events)):
                let event = Event(sequence: added.sequence, recorded: added.recorded, kind: .added(memory))
                new.parts[index].result = .success(.events(events + [event]))
            default: break
            }
        }
        return new
    }

    /// As docs/format.md has it, of the memory that is added.
    private static func exportLine(_ added: Receipt) -> [UInt8] {
        Array(
            (#"{"content":"more","conversation":"\#(DamageSubject.newName)","sequence":\#(added.sequence),"#
                + #""timestamp":"\#(added.recorded)"}"# + "\n").utf8)
    }

    /// Whether a memory is in the present state or among the events.
    func has(_ added: Receipt) -> Bool {
        parts.contains { part in
            switch part.value {
            case .names(let names): names.contains(DamageSubject.newName)
            case .events(let events): events.last?.sequence == added.sequence
            default: false
            }
        }
    }
}

extension JournalView {
    /// The export in one piece.
    func exported() throws -> [UInt8] {
        var bytes: [UInt8] = []
        try export { bytes += $0 }
        return bytes
    }
}
