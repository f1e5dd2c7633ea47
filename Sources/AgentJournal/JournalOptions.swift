package import JournalFileSystem
public import Logging
import SystemPackage

extension Journal {
    /// Whether opening makes a journal where there is none.
    public enum Creation: Sendable, Hashable {
        /// Makes it, with every directory above it that is missing.
        case ifMissing
        /// Throws `noJournal`. For a path that a volume should be mounted at: an unmounted one is then not taken for an
        /// empty memory.
        case never
    }

    /// What a journal is opened for.
    public enum Access: Sendable, Hashable {
        /// Reading and appending. Any number of processes of one machine may, at once, and see one memory.
        case readWrite
        /// Reading alone: writes nothing to the directory, also not to recover, and works beside a process that writes.
        case readOnly
    }

    /// How a journal is opened.
    public struct Options: Sendable {
        /// What it is opened for.
        public var access = Access.readWrite
        /// The clock that recorded times are taken from; a clock that goes back does not take them back.
        public var clock: @Sendable () -> Timestamp = { Timestamp.now() }
        /// Where an operator's log lines go.
        public var logger = Logger(label: "agent-journal")
        /// For a new journal: the largest content, in bytes. 16 MiB.
        public var maximumContentBytes = 16 << 20
        /// A segment file is ended when it would grow beyond this, in bytes. 64 MiB.
        public var segmentBytes = 64 << 20
        /// zlib's level, 1 (fast) to 9 (small).
        public var compressionLevel = 8
        /// A snapshot is taken, in the background, after so many events since the last one. 200,000: some tenths of a
        /// second of replaying.
        public var snapshotEvents: UInt64 = 200_000
        /// So many bytes of inflated blocks of a snapshot are kept in memory. 16 MiB.
        public var cacheBytes = 16 << 20
        /// A replay that needs more memory than this, in bytes, puts parts of the state into temporary files. 256 MiB.
        public var replayBytes = 256 << 20

        /// How long another process is waited for that is appending, syncing or opening, and is stopped perhaps. 30 seconds;
        /// ten times that for one that takes a snapshot or compacts. Then the error is `busy`, and names it.
        public var lockTimeout = Duration.seconds(30)

        /// The file system; tests put a simulated one here.
        package var fileSystem: any FileSystem = PosixFileSystem()
        /// Random bits; tests may make them repeatable.
        package var random: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
        /// Told how far the replay is, by sequence.
        package var replayProgress: (@Sendable (UInt64) -> Void)?
        /// How many bytes of a segment are reserved at first.
        package var preallocationBytes = 256 << 10
        /// Packs segments also where that makes them larger: for tests, whose segments are small.
        package var packsAlways = false
        /// Opens though a repair is not finished: by that repair.
        package var isRepairing = false
        /// Builds the state from the log alone: for a repair, after which the snapshots may say something else.
        package var ignoresSnapshots = false
        /// Opens the log without building a state from it: for listing what is on disk.
        package var skipsReplay = false

        /// The defaults: read and write, the system's clock.
        public init() {}
    }
}
