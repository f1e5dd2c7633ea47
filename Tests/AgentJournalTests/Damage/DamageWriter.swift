import AgentJournal
import JournalTesting
import SystemPackage

/// Writes the journals that are to be damaged: something of everything, and little of it, because each of its bits is flipped.
struct DamageWriter {
    static let label = "here"

    private(set) var disk = SimulatedDisk()
    private(set) var journal: Journal
    /// What can be read after each commit, by its last sequence, once there is a point of the past to look at.
    private(set) var readings: [UInt64: JournalReading] = [:]
    private var past: UInt64?
    /// What was let go.
    private(set) var floor: UInt64 = 0
    private var random: Random
    private let seed: UInt64

    init(seed: UInt64) async throws {
        self.seed = seed
        random = Random(seed)
        journal = try await Journal.open(at: directory, options: DamageSubject.options(disk, seed: seed))
    }

    /// The first events, with the one that has a key to retry.
    mutating func first() async throws -> Receipt {
        var receipt = try await journal.conversation("a").add(contentsOf: [DamageSubject.keyed])[0]
        receipt.isReplayed = true
        try await some()
        return receipt
    }

    /// Ends the segment, packs it and takes a snapshot.
    mutating func compact(keepingHistory retention: Retention = .all) async throws {
        try journal.endSegmentNow()
        floor = try await journal.compact(keepingHistory: retention).firstSequence - 1
    }

    func read(_ past: UInt64) async -> JournalReading {
        await JournalReading(journal, names: DamageSubject.names, past: past, label: Self.label, after: floor)
    }

    /// A label, and after it what changes the state that it labels.
    mutating func labelled() async throws -> UInt64 {
        try await journal.flush(label: Self.label)
        let sequence = journal.lastSequence
        past = sequence
        try await journal.conversation("a").add("behind the label")
        await note()
        return sequence
    }

    /// Each kind of event and of content, a key, a replacement, a forgetting and a clearing.
    mutating func some() async throws {
        await note()
        try await journal.add(contentsOf: [
            ("support/user-42", NewMemory("text, a little longer than short", role: .assistant)),
            ("é", NewMemory("one")), ("e\u{301}", NewMemory("two")),
            (
                "é",
                NewMemory(
                    .json(["n": [1, 2.5, nil]]), metadata: ["topic": "contact"],
                    idempotencyKey: "key \(journal.lastSequence)")
            ),
        ])
        await note()
        let bytes = try await journal.conversation("a").add(
            .bytes((0..<12).map { _ in UInt8(truncatingIfNeeded: random.next()) }), mimeType: "image/png",
            timestamp: .earliest)
        await note()
        try await journal.conversation("a").replace(bytes.sequence, with: "instead of the picture")
        await note()
        try await journal.forget([try await journal.conversation("é").lastSequence()])
        await note()
        try await journal.conversation("e\u{301}").clear()
        await note()
    }

    private mutating func note() async {
        if let past { readings[journal.lastSequence] = await read(past) }
    }

    /// The disk as a kill leaves it now, with less reserved behind the end: each zero there is as the next.
    func killed() throws -> SimulatedDisk {
        let disk = disk.copy()
        for path in disk.paths where path.string.hasSuffix(".segment") {
            let bytes = try disk.contents(of: path)
            let end = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
            if bytes.count > end + 256 { try disk.truncate(path, to: (end + 7) / 8 * 8 + 128) }
        }
        return disk
    }

    mutating func killAndReopen() async throws {
        let left = try killed()
        try await journal.close()
        disk = left
        journal = try await Journal.open(at: directory, options: DamageSubject.options(disk, seed: seed + 1))
    }
}
