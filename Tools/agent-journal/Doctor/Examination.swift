import AgentJournal
import JournalFileSystem
import SegmentLog
import SystemPackage

/// Looks at everything that might keep memory from persisting here.
struct Examination {
    let directory: FilePath
    private(set) var findings: [Finding] = []

    /// So many places of damage are named.
    private static let mostProblems = 3
    private static let littleSpaceBytes: UInt64 = 256 << 20
    private static let slowSyncMicroseconds: Int64 = 20_000
    /// No storage that keeps data through a power cut is that fast.
    private static let suspiciousSyncMicroseconds: Int64 = 5

    init(_ directory: FilePath) { self.directory = directory }

    private mutating func add(_ name: String, _ grade: Finding.Grade, _ message: String) {
        findings.append(Finding(name: name, grade: grade, message: message))
    }

    // MARK: The place

    /// What kind of storage it is, its space, its permissions, its speed.
    mutating func examinePlace() {
        do {
            let volume = try PosixFileSystem().volume(holding: directory)
            examineKind(volume)
            examinePermissions(isReadOnly: volume.isReadOnly)
            let mebibytes = volume.freeBytes >> 20
            if volume.freeBytes < Examination.littleSpaceBytes {
                add(
                    "space", .warning,
                    "only \(mebibytes) MiB are free; a full disk refuses adds and loses nothing")
            } else {
                add("space", .ok, "\(mebibytes) MiB are free")
            }
        } catch {
            add("storage", .problem, "the file system cannot be asked: \(error)")
            examinePermissions(isReadOnly: false)
        }
    }

    private mutating func examineKind(_ volume: Volume) {
        switch volume.kind {
        case .local where directory.isTemporary:
            add(
                "storage", .warning,
                "\(volume.name), local, and a temporary directory, which is emptied now and then. Use another one"
            )
        case .local: add("storage", .ok, "\(volume.name), local")
        case .memory:
            add(
                "storage", .warning,
                "\(volume.name) is memory: gone after a restart. Use a directory on a disk")
        case .containerLayer:
            add(
                "storage", .warning,
                "\(volume.name) is the container's own layer: gone with the container. Mount a volume here")
        case .untrusted:
            add(
                "storage", .problem,
                "\(volume.name): its locks and shared mappings cannot be trusted. Use a local disk or a block volume"
            )
        }
        if volume.isReadOnly {
            add(
                "mount", .warning,
                "mounted for reading only: nothing can be added, by nobody. Mount it for writing where the agent runs"
            )
        }
    }

    private mutating func examinePermissions(isReadOnly: Bool) {
        guard let found = SystemFacts.permissions(of: directory) else {
            return add("permissions", .problem, "the directory cannot be examined")
        }
        let mode = "0" + String(found.mode, radix: 8)
        let owner = "mode \(mode), owner \(found.owner)\(found.isOwn ? " (this user)" : "")"
        guard !isReadOnly else {
            return add("permissions", .warning, "\(owner): of no use while the mount is for reading only")
        }
        guard found.isWritable else {
            return add("permissions", .warning, "\(owner): this user cannot add; run as the owner")
        }
        if found.mode & 0o022 != 0 {
            add("permissions", .warning, "\(owner): others may write here. `chmod go-w` keeps them out")
        } else {
            add("permissions", .ok, owner)
        }
        examineSpeed()
    }

    private mutating func examineSpeed() {
        do {
            let (median, longest) = try SystemFacts.syncMicroseconds(in: directory)
            let measured = "a sync takes \(median) µs (median of 16, the longest \(longest) µs)"
            if median < Examination.suspiciousSyncMicroseconds {
                add(
                    "sync", .warning,
                    "\(measured): too fast to reach a disk. Is syncing switched off (eatmydata, nobarrier)?")
            } else if median > Examination.slowSyncMicroseconds {
                add(
                    "sync", .warning,
                    "\(measured): every add waits that long. Add in batches, or use a faster disk")
            } else {
                add("sync", .ok, measured)
            }
        } catch {
            add("sync", .warning, "the latency of a sync cannot be measured: \(error)")
        }
    }

    // MARK: The journal

    /// Since when there is memory here, and whether it has outlived a restart.
    mutating func examineAge(_ created: String) {
        guard SystemFacts.isContainer, let start = SystemFacts.firstProcessStart,
            let time = Timestamp(created)
        else {
            return add("age", .ok, "created \(created)")
        }
        if time < start {
            add(
                "age", .ok,
                "created \(created), before this container started (\(start)): it has outlived a restart")
        } else {
            add(
                "age", .warning,
                "created \(created), after this container started (\(start)): nothing shows yet that it outlives a restart. "
                    + "If there should be older memory, the volume is not mounted")
        }
    }

    /// Who has it open for writing.
    mutating func examineOpeners(_ openers: [LockFile.Opener], ending: OpeningReport.Ending) {
        guard !openers.isEmpty else {
            let isShared = ending == .shared
            return add(
                "open", .ok,
                isShared ? "open for writing in a process that cannot be named" : "open nowhere else")
        }
        for opener in openers {
            add(
                "open", .ok,
                "open for writing in process \(opener.process.pid) on \(opener.process.host) (\(opener.process.command)), "
                    + "since \(Timestamp(clampingMicrosecondsSince1970: opener.sinceMicroseconds))")
        }
    }

    /// How it was left, and what recovery found.
    mutating func examineEnding(_ report: OpeningReport) {
        switch report.ending {
        case .created, .clean:
            let time = report.closedMicroseconds.map {
                Timestamp(clampingMicrosecondsSince1970: $0).description
            }
            add("closed", .ok, "closed cleanly" + (time.map { " \($0)" } ?? ""))
        case .shared: add("closed", .ok, "in use")
        case .unclean:
            add(
                "closed", .warning,
                "not closed cleanly: the last process that wrote it was killed. The next one that writes recovers it; "
                    + "nothing acknowledged is lost")
        }
        if let torn = report.tornTail {
            add(
                "recovery", .ok,
                "a torn write, never acknowledged, in \(torn.path) from offset \(torn.offset) on is passed over"
            )
        }
        for note in report.notes { add("recovery", .warning, note) }
    }

    /// It cannot be opened.
    mutating func examineDamage(_ error: JournalError) {
        add("journal", .problem, error.message)
    }

    /// What reading every byte of it found.
    mutating func examineContents(_ report: VerifyReport) {
        let read = "\(report.events) events in \(report.segments) segments, \(report.snapshots) snapshots"
        for problem in report.problems.prefix(Examination.mostProblems) {
            add("contents", .problem, "damaged: \(problem)")
        }
        guard report.isHealthy else {
            let rest = report.problems.count - Examination.mostProblems
            return add(
                "contents", .problem,
                (rest > 0 ? "\(rest) more places are damaged. " : "")
                    + "Nothing was changed. `verify` lists all, `repair` says what would be lost, a backup may have it"
            )
        }
        add("contents", .ok, "every byte is as it was written: \(read)")
    }
}
