import AgentJournal

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
    }

    private(set) var parts: [Part] = []

    /// Reads a journal whose conversations are called `names`, as it is now and as it was at two points of the past.
    init(_ journal: Journal, names: [String], past: UInt64, label: String) async {
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
            for try await event in journal.events() { events.append(event) }
            return .events(events)
        }
        await add("a past sequence") { .bytes(try await journal.view(at: .sequence(past)).exported()) }
        await add("a label") { .bytes(try await journal.view(at: .label(label)).exported()) }
    }

    /// The export of the present state.
    var export: [UInt8]? {
        guard case .bytes(let bytes) = parts[1].value else { return nil }
        return bytes
    }

    private mutating func add(_ name: String, _ read: () async throws -> Value) async {
        do {
            parts.append(Part(name: name, result: .success(try await read())))
        } catch {
            parts.append(Part(name: name, result: .failure(error)))
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
