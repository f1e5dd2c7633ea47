import AgentJournal
import JournalTesting
import Synchronization
import SystemPackage
import Testing

/// A small journal that is to be damaged, and what it gives undamaged.
struct DamageSubject: Sendable {
    /// What the journal went through.
    enum Life: String, Sendable, CaseIterable {
        /// Three segments and more, a packed one, a sealed one and the last, with a snapshot; closed cleanly.
        case closed
        /// The same, but its history was let go: what came before the snapshots is nowhere else.
        case letGo = "history let go"
        /// Killed, recovered, gone on, and killed again.
        case killed
    }

    static let names = ["support/user-42", "a", "é", "e\u{301}"]
    /// A memory that is there, and its key, for a retry.
    static let keyed = NewMemory("with a key", role: .user, metadata: ["n": 1], idempotencyKey: "key")

    let life: Life
    let disk: SimulatedDisk
    /// What can be read of it. After a kill, also what could be read after each of the last commits, all of it last.
    let readings: [JournalReading]
    /// What the retry of `keyed` returns.
    let receipt: Receipt
    let past: UInt64
    let files: [FilePath]
    let frames: JournalFrames

    static func options(
        _ disk: SimulatedDisk, _ access: Journal.Access = .readWrite, seed: UInt64 = 1
    ) -> Journal.Options {
        var options = AgentJournalTests.options(disk, clock: TestClock(), segmentBytes: 4096)
        options.access = access
        let random = Mutex(Random(seed))
        let source = Source(random)
        options.random = { source.next() }
        return options
    }

    private final class Source: Sendable {
        private let random: Mutex<Random>
        init(_ random: consuming Mutex<Random>) { self.random = random }
        func next() -> UInt64 { random.withLock { $0.next() } }
    }

    func read(_ journal: Journal) async -> JournalReading {
        await JournalReading(journal, names: Self.names, past: past, label: "here")
    }

    // MARK: Making them

    init(_ life: Life, seed: UInt64 = 1) async throws {
        self.life = life
        var writer = try await Writer(seed: seed)
        receipt = try await writer.first()
        var readings: [JournalReading] = []
        switch life {
        case .closed:
            try await writer.fill()
            try await writer.journal.compact()
            past = try await writer.label()
            try await writer.fill()
            try await writer.some()
            readings = [await writer.read(past)]
            try await writer.journal.close()
            disk = writer.disk.copy()
        case .letGo:
            try await writer.fill()
            try await writer.journal.compact(keepingHistory: .none)
            past = try await writer.label()
            try await writer.fill()
            try await writer.some()
            readings = [await writer.read(past)]
            try await writer.journal.close()
            disk = writer.disk.copy()
        case .killed:
            try await writer.fill()
            try await writer.journal.compact()
            past = try await writer.label()
            writer.past = past
            try await writer.some()
            try await writer.killAndReopen()
            try await writer.some()
            readings = writer.readings
            disk = writer.disk.copy()
            try await writer.journal.close()
        }
        self.readings = readings
        files = disk.paths
        frames = try JournalFrames(disk)
    }

    /// What may be read of it when it is damaged so: all of it, and after a kill what lacks the events that nothing vouches for.
    func allowed(_ damage: Damage) -> ArraySlice<JournalReading> {
        guard life == .killed else { return readings[...] }
        // Where the last segment is cut, or the frames in it are moved, the promises behind that are gone too.
        return damage.isCut && damage.files.first == lastSegment ? readings[...] : readings.suffix(2)
    }

    var lastSegment: FilePath { files.last { $0.string.hasSuffix(".segment") }! }

    /// Writes something of everything.
    private struct Writer {
        var disk = SimulatedDisk()
        /// What can be read after each commit, once there is a point of the past to look at.
        var readings: [JournalReading] = []
        var past: UInt64?
        var journal: Journal
        var random: Random
        let seed: UInt64

        init(seed: UInt64) async throws {
            self.seed = seed
            random = Random(seed)
            journal = try await Journal.open(at: directory, options: options(disk, seed: seed))
        }

        mutating func first() async throws -> Receipt {
            var receipt = try await journal.conversation("a").add(contentsOf: [keyed])[0]
            receipt.isReplayed = true
            try await some()
            return receipt
        }

        func read(_ past: UInt64) async -> JournalReading {
            await JournalReading(journal, names: names, past: past, label: "here")
        }

        /// A label, and after it what changes the state that it labels.
        mutating func label() async throws -> UInt64 {
            try await journal.flush(label: "here")
            let sequence = journal.lastSequence
            try await some()
            return sequence
        }

        /// Each kind of event and of content, a keyed retry, a forget, a replace and a clear.
        mutating func some() async throws {
            await note()
            for name in names {
                let conversation = journal.conversation(name)
                try await conversation.add("text of \(name), a little longer than short", role: .assistant)
                await note()
                try await conversation.add(
                    .json(["n": [1, 2.5, nil]]), metadata: ["topic": "contact"],
                    idempotencyKey: "key \(journal.lastSequence)")
                await note()
            }
            let bytes = try await journal.conversation("a").add(
                .bytes((0..<40).map { _ in UInt8(truncatingIfNeeded: random.next()) }), mimeType: "image/png",
                timestamp: .earliest)
            await note()
            try await journal.conversation("a").replace(bytes.sequence, with: "instead of the picture")
            await note()
            try await journal.forget([try await journal.conversation("é").lastSequence()])
            await note()
            try await journal.conversation("e\u{301}").clear()
            await note()
            try await journal.add(contentsOf: [("a", "one"), ("e\u{301}", "two"), ("é", "three")])
            await note()
        }

        private mutating func note() async {
            if let past { readings.append(await read(past)) }
        }

        /// Ends the segment.
        mutating func fill() async throws {
            for _ in 0..<2 {
                try await journal.conversation("support/user-42").add(
                    .bytes((0..<1400).map { _ in UInt8(truncatingIfNeeded: random.next()) }))
            }
            try await some()
        }

        mutating func killAndReopen() async throws {
            let left = disk.copy()
            try await journal.close()
            disk = left
            journal = try await Journal.open(at: directory, options: options(disk, seed: seed + 1))
        }
    }
}

extension DamageSubject {
    /// What `verify` need not notice. docs/durability.md says the same, under "What cannot be noticed".
    func mayGoUnnoticed(_ damage: Damage) -> Bool {
        guard life == .killed, let file = damage.files.first, let offset = damage.offset else { return false }
        if file.lastComponent?.string == "lock" { return LockPage.isUnchecked(offset) && !damage.isCut }
        guard file.string.hasSuffix(".segment") else { return false }
        if offset >= frames.end(of: file) { return file != lastSegment || damage.isCut }
        // Cut between two frames, or before the first, the last segment seems to end there.
        return file == lastSegment && damage.isCut
            && (offset >= 640 && offset < 1024
                || frames.of(file).contains { ($0.bytes.upperBound...$0.end).contains(offset) }
                || offset == 1024)
    }

    /// What is in `lock` without a clean close: what serves while somebody writes, and a record that does not stand.
    private enum LockPage {
        static func isUnchecked(_ offset: Int) -> Bool {
            offset < 512 || (3592..<3640).contains(offset)
        }
    }
}
