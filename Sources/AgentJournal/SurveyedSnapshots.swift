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
    /// Those that nothing is wrong with, the newest first.
    private(set) var sound: [(table: TableReader, meta: StateMeta)] = []
    private var problems: [VerifyReport.Problem] = []
    private var ends: [(file: String, sequence: UInt64)] = []

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
                sound.append((table, meta))
                ends.append((file, table.sequence))
            } catch {
                // Removed since, by a compaction beside this.
                if error.cause?.errno == .noSuchFileOrDirectory { continue }
                guard error.kind == .damaged || error.kind == .unsupported else { throw error }
                problems.append(VerifyReport.Problem(snapshot: file, error))
            }
        }
    }

    /// What is wrong, when the log's last readable event is known.
    func problems(logEnd: UInt64) -> [VerifyReport.Problem] {
        problems
            + ends.filter { $0.sequence > logEnd }.map { file, sequence in
                VerifyReport.Problem(
                    snapshot: file,
                    LogError(
                        .damaged,
                        "it covers sequence \(sequence), and the log's last readable event has sequence \(logEnd)"
                    ))
            }
    }
}
