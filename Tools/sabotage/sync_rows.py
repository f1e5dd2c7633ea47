"""Syncs of files and of directories."""

from row import LOG, Place, Row, without

ROWS = [
    # --- Files
    without("commit-sync", "a commit is synced", LOG + "Sharing/SegmentLog+SyncerRange.swift", "try file.syncData()"),
    Row("segment-sync", "a new segment is synced before it gets its name", []),
    without(
        "trim-sync",
        "an ended segment is synced before the next one begins",
        LOG + "Writing/ActiveSegment.swift",
        "try file.sync()",
        tests="SegmentLogTests.AppendingTests",
    ),
    without(
        "record-sync",
        "the clean-close record is synced before its mark is set",
        LOG + "Writing/SegmentLog+CleanClose.swift",
        "try lockFile.syncData()",
        context=("at: UInt64(LockFile.recordOffset))\n        ", ""),
        workload="x",
    ),
    without(
        "mark-sync",
        "the clean-close mark is synced when it is set",
        LOG + "Writing/SegmentLog+CleanClose.swift",
        "try lockFile.syncData()",
        context=("try writeMark(CleanCloseRecord.mark(bytes), lockFile)\n        ", ""),
        tests="SegmentLogTests.CrashTests",
    ),
    without(
        "mark-clearing-sync",
        "the clean-close mark is synced when it is cleared",
        LOG + "Writing/SegmentLog+Append.swift",
        "try lockFile.syncData()",
        context=("try SegmentLog.writeMark(0, lockFile)\n            ", ""),
        workload="xa",
    ),
    without(
        "identity-sync",
        "journal.json is synced before it gets its name",
        LOG + "Opening/JournalCreation.swift",
        "try file.sync()",
    ),
    without(
        "packed-sync",
        "a packed segment is synced before it gets its name",
        LOG + "Packing/PackedFile.swift",
        "try file.sync()",
        workload="ap",
    ),
    without(
        "snapshot-sync",
        "a snapshot is synced before it gets its name",
        LOG + "Table/SnapshotFiles.swift",
        "try file.sync()",
        workload="as",
    ),
    without(
        "stale-mark-sync",
        "the clean-close mark of a journal that was removed is cleared durably, before one is made in its place",
        LOG + "Opening/JournalCreation.swift",
        "try lockFile.syncData()",
        context=("try SegmentLog.writeMark(0, lockFile)\n                ", ""),
        tests="SegmentLogTests.CreationTests",
    ),
    without(
        "packed-piece-sync",
        "a packed segment is synced in pieces, so that the commits beside it do not wait for a long queue of writes",
        LOG + "Packing/PackedFile.swift",
        "try file.syncData()",
        tests="SegmentLogTests.DurableNamesTests",
    ),
    without(
        "snapshot-piece-sync",
        "a snapshot is synced in pieces, so that the commits beside it do not wait for a long queue of writes",
        LOG + "Table/SnapshotFiles.swift",
        "try file.syncData()",
        tests="SegmentLogTests.DurableNamesTests",
    ),
    # --- Directories
    without(
        "segment-directory-sync",
        "log/ is synced after a new segment got its name",
        LOG + "Writing/SegmentFactory.swift",
        "try directory.sync()",
    ),
    without(
        "identity-directory-sync",
        "the journal's directory is synced after journal.json got its name",
        LOG + "Opening/JournalCreation.swift",
        "try fileSystem.syncDirectory(paths.directory)",
        context=("to: paths.identity)\n        ", ""),
    ),
    without(
        "parent-directory-sync",
        "the directory above is synced after one was made",
        LOG + "Opening/JournalCreation.swift",
        "try fileSystem.syncDirectory(parent)",
        context=("            }\n            ", "\n"),
    ),
    without(
        "subdirectory-sync",
        "the journal's directory is synced after log/ and snapshots/ were made",
        LOG + "Opening/JournalCreation.swift",
        "try fileSystem.syncDirectory(paths.directory)",
        context=("            ", "\n            for name"),
    ),
    without(
        "packed-directory-sync",
        "log/ is synced after a packed segment got its name, before what it replaces goes",
        LOG + "Packing/SegmentLog+Pack.swift",
        "try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(log) }",
        workload="ap",
    ),
    without(
        "removal-directory-sync",
        "log/ is synced after each removal of a segment, before the next",
        LOG + "Packing/Maintenance.swift",
        "try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(log) }",
        workload="ad",
    ),
    without(
        "snapshot-directory-sync",
        "snapshots/ is synced after a snapshot got its name, before what it covers goes",
        LOG + "Table/SnapshotFiles.swift",
        "try fileSystem.syncDirectory(paths.snapshots)",
        context=("to: path)\n                ", ""),
        workload="ad",
    ),
    without(
        "superseded-directory-sync",
        "log/ is synced at opening, before a segment is removed that was packed",
        LOG + "Opening/LogOpening.swift",
        "try fileSystem.syncDirectory(paths.log)",
        context=("made sure.\n            ", ""),
        workload="ap",
    ),
    without(
        "recovery-directory-sync",
        "log/ is synced at recovery: a killed writer may not have come to it",
        LOG + "Recovery/LogOpening+Recovery.swift",
        "try fileSystem.syncDirectory(paths.log)",
        workload="ar",
    ),
    Row(
        "existing-parent-sync",
        "the directory above is synced too when the directory was there already: whoever made it may have been killed",
        [
            Place(
                LOG + "Opening/JournalCreation.swift",
                "do { try fileSystem.syncDirectory(parent) } catch {",
                'do { if !SABOTAGED("existing-parent-sync") { try fileSystem.syncDirectory(parent) } } catch {',
            )
        ],
    ),
    without(
        "superseded-removal-sync",
        "log/ is synced at opening, after a segment was removed that was packed",
        LOG + "Opening/LogOpening.swift",
        "try fileSystem.syncDirectory(paths.log)",
        context=("for entry in superseded { try fileSystem.removeFile(entry.path) }\n            ", ""),
        tests="SegmentLogTests.DurableNamesTests",
    ),
    without(
        "recovery-top-directory-sync",
        "the journal's directory is synced at recovery: who was killed may have given journal.json its name just before",
        LOG + "Recovery/LogOpening+Recovery.swift",
        "try fileSystem.syncDirectory(paths.directory)",
    ),
    without(
        "snapshots-directory-sync",
        "the journal's directory is synced after snapshots/ was made anew",
        LOG + "Table/SnapshotFiles.swift",
        "try fileSystem.syncDirectory(paths.directory)",
        tests="SegmentLogTests.DurableNamesTests",
    ),
    without(
        "snapshot-removal-sync",
        "snapshots/ is synced after a snapshot was removed",
        LOG + "Table/SnapshotFiles.swift",
        "try fileSystem.syncDirectory(paths.snapshots)",
        context=("try fileSystem.removeFile(name.path)\n            ", ""),
        tests="SegmentLogTests.DurableNamesTests",
    ),
    # --- Order
    Row(
        "segment-rename-first",
        "a new segment gets its name after it was synced, not before",
        [
            Place(
                LOG + "Writing/SegmentFactory.swift",
                "            try file.sync()\n            return file",
                '            if SABOTAGED("segment-rename-first") {\n'
                "                try fileSystem.rename(unfinished, to: paths.segment(frames.header.name))\n"
                "                try fileSystem.syncDirectory(paths.log)\n"
                "            }\n"
                '            if !SABOTAGED("segment-sync") { try file.sync() }\n'
                '            if SABOTAGED("segment-rename-first") {\n'
                "                try fileSystem.rename(paths.segment(frames.header.name), to: unfinished)\n"
                "            }\n"
                "            return file",
            )
        ],
        workload="a",
    ),
]
