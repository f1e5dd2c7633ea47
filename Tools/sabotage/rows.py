"""What is switched off, one at a time: rows of (name, what it is, the places in the source).

A place is a file, the text that stands there (exactly once, or as often as said), and the text that takes its place in
the copy that is built. `SABOTAGED("name")` is true in a process that runs with that row switched on. The source itself
has no switches; a text that is not found any more is an error, so that no row becomes void unnoticed.
"""

import dataclasses

LOG = "Sources/SegmentLog/"
ENGINE = "Sources/AgentJournal/Engine/"


@dataclasses.dataclass
class Place:
    file: str
    text: str
    instead: str
    times: int = 1


@dataclasses.dataclass
class Row:
    name: str
    what: str
    places: list
    # Filters of the tests that are run when the explorer notices nothing.
    tests: str = ""
    # Why nothing needs to notice: the line is for something else. Then it is an error when something does.
    needless: str = ""


def without(name, what, file, text, tests="", needless="", context=("", "")):
    """A row that leaves a statement out."""
    before, after = context
    return Row(
        name,
        what,
        [Place(file, before + text + after, f'{before}if !SABOTAGED("{name}") {{ {text} }}{after}')],
        tests,
        needless,
    )


DAMAGE = "SegmentLogTests"

ROWS = [
    # --- Syncs of files
    without("commit-sync", "a commit is synced", LOG + "Writing/SegmentLog+Append.swift", "try file.syncData()"),
    without(
        "segment-sync",
        "a new segment is synced before it gets its name",
        LOG + "Writing/SegmentFactory.swift",
        "try file.sync()",
    ),
    without(
        "trim-sync",
        "an ended segment is synced before the next one begins",
        LOG + "Writing/ActiveSegment.swift",
        "try file.sync()",
        tests=DAMAGE,
    ),
    without(
        "record-sync",
        "the clean-close record is synced before its mark is set",
        LOG + "Writing/SegmentLog+CleanClose.swift",
        "try lockFile.syncData()",
        context=("at: UInt64(LockFile.recordOffset))\n        ", ""),
        tests=DAMAGE,
    ),
    without(
        "mark-sync",
        "the clean-close mark is synced when it is set and when it is cleared",
        LOG + "Writing/SegmentLog+CleanClose.swift",
        "try lockFile.syncData()",
        context=("at: UInt64(LockFile.markOffset))\n        ", ""),
        tests=DAMAGE,
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
    ),
    without(
        "snapshot-sync",
        "a snapshot is synced before it gets its name",
        LOG + "Table/SnapshotFiles.swift",
        "try file.sync()",
    ),
    without(
        "lock-sync",
        "a new lock file is synced",
        LOG + "Opening/LogOpening.swift",
        "try file.sync()",
        tests=DAMAGE,
    ),
    # --- Syncs of directories
    without(
        "segment-directory-sync",
        "log/ is synced after a new segment got its name",
        LOG + "Writing/SegmentFactory.swift",
        "try fileSystem.syncDirectory(paths.log)",
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
        tests=DAMAGE,
    ),
    without(
        "packed-directory-sync",
        "log/ is synced after a packed segment got its name, before what it replaces goes",
        LOG + "Packing/SegmentLog+Pack.swift",
        "try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(log) }",
    ),
    without(
        "removal-directory-sync",
        "log/ is synced after each removal of a segment, before the next",
        LOG + "Packing/Maintenance.swift",
        "try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(log) }",
    ),
    without(
        "snapshot-directory-sync",
        "snapshots/ is synced after a snapshot got its name, before what it covers goes",
        LOG + "Table/SnapshotFiles.swift",
        "try fileSystem.syncDirectory(paths.snapshots)",
        context=("to: path)\n                ", ""),
    ),
    without(
        "superseded-directory-sync",
        "log/ is synced at opening, before a segment is removed that was packed",
        LOG + "Opening/LogOpening.swift",
        "try fileSystem.syncDirectory(paths.log)",
        context=("made sure.\n            ", ""),
    ),
    without(
        "recovery-directory-sync",
        "log/ is synced at recovery: a killed writer may not have come to it",
        LOG + "Recovery/LogOpening+Recovery.swift",
        "try fileSystem.syncDirectory(paths.log)",
        tests=DAMAGE,
    ),
]
