import AgentJournal
import SystemPackage

/// The same memories as a journal and as a SQLite database: short messages of conversations of 2,000, which come in
/// interleaved, as a server gets them.
struct LargeSet {
    static let perConversation = 2000

    var count: Int
    /// The bytes of the messages as lines of JSON with content, conversation and role.
    var lineBytes: Int
    /// Holds `journal` and `memories.sqlite`, both closed; of the journal a snapshot was taken before.
    var directory: FilePath

    var conversations: Int { LargeSet.conversations(count) }
    var journal: FilePath { directory.appending("journal") }
    var sqlite: FilePath { directory.appending("memories.sqlite") }

    static func conversations(_ count: Int) -> Int { max(1, count / perConversation) }
    static func name(_ conversation: Int) -> String { "support/user-\(conversation)" }
}

/// Makes large data sets, each once in a run.
final class LargeSets {
    private let kept: FilePath?
    private let scratch: Scratch
    private var made: [Int: LargeSet] = [:]

    /// What a memory takes at most while a set is made and copied, journal and database together.
    private static let bytesEach = 800

    init(_ kept: FilePath?, _ scratch: Scratch) {
        self.kept = kept
        self.scratch = scratch
    }

    /// The set with so many memories.
    func set(_ count: Int, _ data: DataSets) async throws -> LargeSet {
        if let set = made[count] { return set }
        let parent = kept ?? scratch.directory
        let directory = parent.appending("set-\(count)")
        let note = directory.appending("line-bytes")
        if kept != nil, Files.exists(note) {
            let text = String(decoding: try Files.read(note), as: UTF8.self)
            guard let bytes = Int(text) else { throw UsageError("\(note) is no number") }
            let set = LargeSet(count: count, lineBytes: bytes, directory: directory)
            made[count] = set
            return set
        }
        try Files.createDirectories(parent)
        if Files.exists(directory) { try Files.removeTree(directory) }
        let needed = count * LargeSets.bytesEach
        guard try Files.freeBytes(parent) > needed else {
            throw UsageError(
                "\(Double(count).grouped) memories need \(needed / 1_000_000) MB of disk, and \(parent) has less"
            )
        }
        var set = LargeSet(count: count, lineBytes: 0, directory: directory)
        made[count] = set
        try Files.createDirectories(directory)
        set.lineBytes = try await make(set, try data.taskmaster())
        made[count] = set
        let file = try FileDescriptor.open(
            note, .writeOnly, options: .create, permissions: .ownerReadWrite)
        _ = try file.closeAfter { try file.writeAll("\(set.lineBytes)".utf8) }
        try Files.sync(parent)
        return set
    }

    /// Removes the sets that are not kept.
    func remove() {
        guard kept == nil else { return }
        for set in made.values { try? Files.removeTree(set.directory) }
        made = [:]
    }

    private func make(_ set: LargeSet, _ source: [Message]) async throws -> Int {
        let journal = try await Journal.openQuietly(set.journal)
        let store = try SQLiteStore(set.sqlite)
        var messages = ShortMessages(source, seed: 5)
        var order = Array(0..<set.conversations)
        var lineBytes = 0
        var written = 0
        var batch: [Message] = []
        for turn in 0..<(set.count / set.conversations) {
            messages.shuffle(&order)
            for conversation in order {
                let message = messages.next(in: LargeSet.name(conversation), turn: turn)
                lineBytes += message.lineBytes
                batch.append(message)
                guard batch.count == 1000 else { continue }
                try await write(batch, journal, store)
                written += batch.count
                batch.removeAll(keepingCapacity: true)
                if written % 50_000 == 0 { scratch.say("making \(written) of \(set.count) memories") }
            }
        }
        try await write(batch, journal, store)
        try await journal.snapshot()
        try await journal.close()
        try store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return lineBytes
    }

    private func write(_ batch: [Message], _ journal: Journal, _ store: SQLiteStore) async throws {
        guard !batch.isEmpty else { return }
        try await journal.add(contentsOf: batch.map { ($0.conversation, $0.memory) })
        try store.execute("BEGIN")
        for message in batch { try store.insert(message) }
        try store.execute("COMMIT")
    }
}
