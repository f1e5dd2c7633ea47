import AgentJournal
import JournalTesting
import SystemPackage

/// A small journal that is to be damaged, and what it gives undamaged.
struct DamageSubject: Sendable {
    /// What the journal went through.
    enum Life: String, Sendable, CaseIterable {
        /// A packed segment, a sealed one and the last, with a snapshot; closed cleanly.
        case closed
        /// Its history was let go: what came before the snapshot is nowhere else. Two sealed segments and the last; closed cleanly.
        case letGo = "history let go"
        /// A packed segment, a sealed one and one that ended with a kill; recovered, gone on in a last one, and killed again.
        case killed
    }

    static let names = ["support/user-42", "a", "é", "e\u{301}"]
    /// A conversation that is not there, to go on with; it comes behind all the others.
    static let newName = "語"
    /// A memory that is there, and its key, for a retry.
    static let keyed = NewMemory("with a key", role: .user, metadata: ["n": 1], idempotencyKey: "key")

    let life: Life
    let disk: SimulatedDisk
    /// What can be read of it.
    let reading: JournalReading
    /// After a kill, what could be read after each commit, by its last sequence.
    let readings: [UInt64: JournalReading]
    /// The last sequence when it was killed the first time.
    let lastBeforeKill: UInt64
    /// What the retry of `keyed` returns.
    let receipt: Receipt
    let past: UInt64
    /// History was let go up to here.
    let floor: UInt64
    let files: [FilePath]
    let segments: [FilePath]
    let frames: JournalFrames
    /// What `verify` notes of it undamaged.
    let notes: [String]
    let lastSegmentBytes: [UInt8]

    static func options(
        _ disk: SimulatedDisk, _ access: Journal.Access = .readWrite, seed: UInt64 = 1
    ) -> Journal.Options {
        var options = AgentJournalTests.options(disk, clock: TestClock())
        options.access = access
        let random = SeededRandom(seed)
        options.random = { random.next() }
        return options
    }

    func read(_ journal: Journal) async -> JournalReading {
        await JournalReading(journal, names: Self.names, past: past, label: DamageWriter.label, after: floor)
    }

    init(_ life: Life, seed: UInt64 = 1) async throws {
        self.life = life
        var writer = try await DamageWriter(seed: seed)
        receipt = try await writer.first()
        var lastBeforeKill: UInt64 = 0
        switch life {
        case .closed:
            try await writer.compact()
            past = try await writer.labelled()
            try await writer.some()
            try writer.journal.endSegmentNow()
            try await writer.some()
        case .letGo:
            try await writer.compact(keepingHistory: .none)
            past = try await writer.labelled()
            try writer.journal.endSegmentNow()
            try await writer.some()
            try writer.journal.endSegmentNow()
            try await writer.some()
        case .killed:
            try await writer.compact()
            past = try await writer.labelled()
            try writer.journal.endSegmentNow()
            try await writer.some()
            lastBeforeKill = writer.journal.lastSequence
            try await writer.killAndReopen()
            try await writer.some()
        }
        self.lastBeforeKill = lastBeforeKill
        floor = writer.floor
        readings = writer.readings
        reading = await writer.read(past)
        let killed = life == .killed ? try writer.killed() : nil
        try await writer.journal.close()
        disk = killed ?? writer.disk.copy()
        files = disk.paths
        frames = try JournalFrames(disk)
        notes = try Journal.verify(at: directory, fileSystem: disk).notes
        segments = files.filter { $0.string.hasSuffix(".segment") }
        lastSegmentBytes = try disk.contents(of: segments.last!)
    }

    var lastSegment: FilePath { segments.last! }
}
