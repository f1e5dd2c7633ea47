package import JournalFileSystem
import SystemPackage

/// How a log is opened. What is fixed at creation is read back from `journal.json` afterwards.
package struct LogOptions: Sendable {
    package enum Access: Sendable {
        /// Appends, in turn with whoever else does.
        case readWrite
        /// Writes nothing, also not to recover; may read beside a writer.
        case readOnly
    }

    package var fileSystem: any FileSystem
    package var access = Access.readWrite
    /// Whether a journal is made where none is.
    package var createsIfMissing = true
    /// Everything up to this sequence may be missing; a log that begins later than right behind it is damaged. Whoever
    /// learns of the floor only after opening says `.max` here, and calls `checkReachesBack(to:)` then.
    package var floor: UInt64 = 0
    /// Why the floor is not known, where something says it that cannot be read: thrown in place of the error that the
    /// beginning of the log is missing.
    package var unknownFloor: LogError?
    /// A segment is ended when the next commit would make it longer than this.
    package var segmentBytes: UInt64 = 64 << 20
    /// How many bytes of a segment are reserved at first; later steps grow with it.
    package var preallocationBytes: UInt64 = 256 << 10
    /// zlib's level, 1 to 9.
    package var compressionLevel: Int32 = 8
    /// A disk whose syncs take less is quick: under load several processes leave it to packing to compress what they append.
    package var quickSync = Duration.microseconds(500)
    /// For a new journal: the largest content.
    package var maximumContentBytes = 16 << 20
    /// For a new journal: the largest raw payload of a frame, and so of a batch.
    package var maximumFrameBytes = 64 << 20
    /// How long another process is waited for that holds a range of the lock file. It is stopped then, or its disk is.
    package var lockTimeout = Duration.seconds(30)
    /// Random bits: salts, secrets, identities. A test may make them repeatable.
    package var random: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
    /// Microseconds since 1970.
    package var now: @Sendable () -> Int64
    /// RFC 3339 of a time, for `journal.json`.
    package var formatTime: @Sendable (Int64) -> String

    package init(
        fileSystem: any FileSystem, now: @escaping @Sendable () -> Int64,
        formatTime: @escaping @Sendable (Int64) -> String
    ) {
        self.fileSystem = fileSystem
        self.now = now
        self.formatTime = formatTime
    }

    /// As it is, for a journal whose files are reached through no link below its directory.
    func confined(to directory: FilePath) -> LogOptions {
        var options = self
        options.fileSystem = fileSystem.confined(to: directory)
        return options
    }
}

/// What opening found and did, for the operator's log.
package struct OpeningReport: Sendable {
    package enum Ending: Sendable {
        /// Made now.
        case created
        /// The last close was clean.
        case clean
        /// The last writer did not close.
        case unclean
        /// A writer has it open; this opener reads beside it.
        case shared
    }
    package var ending = Ending.clean
    /// Events that no sync vouched for and that were written again into a new segment.
    package var reappendedEvents: UInt64 = 0
    /// Where a torn write, never acknowledged, was set aside.
    package var tornTail: (path: String, offset: UInt64)?
    /// When the journal was last closed cleanly, microseconds since 1970.
    package var closedMicroseconds: Int64?
    /// What else an operator should know: a header copy that is damaged, a clean-close record that cannot be read.
    package var notes: [String] = []

    package init() {}
}
