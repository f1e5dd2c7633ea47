import JournalFileSystem
import JournalTesting
import SystemPackage

@testable import AgentJournal
@testable import SegmentLog

extension Journal {
    /// Takes a snapshot, for a caller that is not asynchronous.
    fileprivate func waitForSnapshot() -> Result<UInt64, JournalError> {
        let done = Monitor<Result<UInt64, JournalError>?>(nil)
        Task {
            let result: Result<UInt64, JournalError>
            do throws(JournalError) {
                result = .success(try await snapshot())
            } catch {
                result = .failure(error)
            }
            done.withLock { $0 = result }
            done.signal()
        }
        return done.withLock(waitingUntil: { $0 != nil }) { $0! }
    }
}

/// A snapshot: a table whose keys and values mean a state, in a journal that rests on it or only uses it.
struct SnapshotTarget: Target {
    static let name = "snapshot"
    /// The log reaches back.
    private let whole: [(path: String, bytes: [UInt8])]
    /// It does not.
    private let cut: [(path: String, bytes: [UInt8])]

    init() throws {
        whole = try Golden.files("snapshot")
        cut = try Golden.files("compacted")
    }

    /// The first byte says what is repaired; its highest bit, which of the two journals it is.
    func run(_ input: [UInt8]) throws {
        var (repair, snapshot) = Repair.split(input)
        repair.table(&snapshot)
        let isWhole = repair.rawValue & 0x80 == 0
        let files = (isWhole ? whole : cut).map { file in
            file.path.hasSuffix(".snapshot") ? (file.path, snapshot) : file
        }
        let checks = JournalChecks(disk: try Golden.disk(files), hasCraftedSnapshot: true)
        try checks.check()
        try checkPast(checks)
    }

    /// What rests on a snapshot can be looked at in all ways, or is damaged.
    private func checkPast(_ checks: JournalChecks) throws {
        _ = try checks.outcome(checks.disk.copy(), .readWrite) { journal in
            for conversation in try journal.view().conversations().prefix(4) {
                _ = try journal.view().memories(in: conversation.name, last: 3)
            }
            _ = try journal.waitForSnapshot().get()
        }
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = [:]
        for (name, files, bit) in [("whole", whole, UInt8(0)), ("cut", cut, 0x80)] {
            guard let snapshot = files.first(where: { $0.path.hasSuffix(".snapshot") }) else { continue }
            seeds[name] = [bit] + snapshot.bytes
            let stored = try SnapshotTarget.stored(snapshot.bytes)
            seeds[name + "-stored"] = [bit | Repair.all.rawValue] + stored
        }
        return seeds
    }

    /// The same entries in blocks that are not compressed, without the longest values.
    private static func stored(_ bytes: [UInt8]) throws -> [UInt8] {
        let disk = SimulatedDisk()
        try disk.replaceContents(of: "/from", with: bytes)
        let table = try TableReader(
            try disk.openFile("/from", .readOnly), path: "/from", journal: nil, cache: BlockCache(limit: 0))
        let writer = TableWriter(
            try disk.openFile("/to", .createNew), journal: table.journal, sequence: table.sequence, salt: 5,
            level: nil, blockBytes: { _ in 512 })
        let cursor = TableCursor(table, isCaching: false)
        try cursor.load()
        while let key = cursor.key {
            if cursor.value.count < 300 { try writer.add(key, cursor.operation, cursor.value) }
            try cursor.advance()
        }
        _ = try writer.finish(meta: table.meta)
        return try disk.contents(of: "/to")
    }
}
