import JournalFileSystem
import SegmentLog
import SystemPackage

/// Every byte of every snapshot, read and checked.
struct SurveyedSnapshots {
    private(set) var count = 0
    /// History up to here was let go, as the snapshots know.
    private(set) var floor: UInt64 = 0
    /// The last event that one of them covers; 0 when none can be read.
    private(set) var newest: UInt64 = 0
    private var problems: [VerifyReport.Problem] = []
    /// Those without a fault, the newest first.
    private var sound: [(file: String, table: TableReader, meta: StateMeta)] = []

    init(_ directory: FilePath, _ fileSystem: any FileSystem) throws(LogError) {
        let paths = JournalPaths(directory)
        let files = SnapshotFiles(
            paths, fileSystem, journal: JournalIdentity.journal(in: paths, fileSystem),
            cache: BlockCache(limit: 1 << 20), random: { 0 })
        for name in try files.names() {
            count += 1
            let file = paths.relative(name.path)
            do throws(LogError) {
                let table = try files.open(name)
                try table.verify()
                guard let meta = StateMeta(table.meta), meta.lastSequence == table.sequence else {
                    throw LogError(.damaged, "\(name.path) does not say what it covers", path: name.path)
                }
                floor = max(floor, meta.floor)
                newest = max(newest, table.sequence)
                sound.append((file, table, meta))
            } catch {
                // Removed since, by a compaction beside this.
                if error.cause?.errno == .noSuchFileOrDirectory { continue }
                guard error.kind == .damaged || error.kind == .unsupported else { throw error }
                problems.append(VerifyReport.Problem(snapshot: file, error))
            }
        }
    }

    /// The state of the newest sound one that qualifies; the empty one when there is none.
    func state(_ qualifies: (StateMeta) -> Bool) throws(JournalError) -> State {
        guard let found = sound.first(where: { qualifies($0.meta) }) else { return State() }
        return try State(snapshot: found.table)
    }

    /// What is wrong, when the log's last readable event is known.
    func problems(logEnd: UInt64) -> [VerifyReport.Problem] {
        problems
            + sound.filter { $0.meta.lastSequence > logEnd }.map { file, _, meta in
                VerifyReport.Problem(
                    snapshot: file,
                    LogError(
                        .damaged,
                        "it covers sequence \(meta.lastSequence), and the log's last readable event has sequence \(logEnd)"
                    ))
            }
    }
}
