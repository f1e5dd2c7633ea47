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
    # The tests that must notice; where none are named, the crash explorer must.
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


ROWS = [
    # --- Syncs of files
    without("commit-sync", "a commit is synced", LOG + "Writing/SegmentLog+Append.swift", "try file.syncData()"),
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
    ),
    # --- Checksums
    Row(
        "header-crc",
        "a frame header's checksum is compared",
        [
            Place(
                LOG + "Format/FrameHeader.swift",
                "guard headerCRC == FrameHeader.checksum(",
                'guard SABOTAGED("header-crc") || headerCRC == FrameHeader.checksum(',
            )
        ],
    ),
    Row(
        "header-seed",
        "a frame header's checksum begins with salt, segment and offset",
        [
            Place(
                LOG + "Format/FrameHeader.swift",
                "let seed = Checksum.crc32(0, UnsafeRawBufferPointer(place))",
                'let seed = SABOTAGED("header-seed") ? 0 : Checksum.crc32(0, UnsafeRawBufferPointer(place))',
            )
        ],
        "SegmentLogTests.DamageTests",
    ),
    Row(
        "payload-crc",
        "a payload's checksum is compared",
        [
            Place(
                LOG + "Reading/FrameCursor.swift",
                "return crc == found.payloadCRC ?",
                'return SABOTAGED("payload-crc") || crc == found.payloadCRC ?',
            )
        ],
    ),
    Row(
        "raw-crc",
        "a payload's checksum is over the raw events, not only over what is stored",
        [
            Place(
                LOG + "Format/FrameHeader.swift",
                "Checksum.crc32(Checksum.crc32(raw, data), varint)",
                'Checksum.crc32(Checksum.crc32(SABOTAGED("raw-crc") ? 0 : raw, data), varint)',
            )
        ],
        "SegmentLogTests.StaleContextTests",
    ),
    Row(
        "segment-header-crc",
        "a segment header's checksum is compared",
        [
            Place(
                LOG + "Format/SegmentHeader.swift",
                "bytes.little(124) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<124]))",
                'SABOTAGED("segment-header-crc")\n'
                "                || bytes.little(124) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<124]))",
            )
        ],
        "SegmentLogTests.OpeningTests",
    ),
    Row(
        "identity-checksum",
        "the checksum of journal.json is compared",
        [
            Place(
                LOG + "Format/JournalIdentity.swift",
                "JournalIdentity.line(unsigned) == bytes",
                '(SABOTAGED("identity-checksum") || JournalIdentity.line(unsigned) == bytes)',
            )
        ],
        "SegmentLogTests.FormatTests",
    ),
    Row(
        "record-checksum",
        "the clean-close record is compared with the checksum in its mark",
        [
            Place(
                LOG + "Format/LockFile.swift",
                "guard mark == 1 << 32 | UInt64(Checksum.crc32(0, bytes)) else",
                'guard SABOTAGED("record-checksum") || mark == 1 << 32 | UInt64(Checksum.crc32(0, bytes)) else',
            )
        ],
        "SegmentLogTests.TailVerdictTests",
    ),
    Row(
        "snapshot-block-crc",
        "the checksum of a snapshot's block is compared",
        [
            Place(
                LOG + "Table/TableReader.swift",
                "guard Checksum.crc32(0, data) == blockHeader.dataCRC else",
                'guard SABOTAGED("snapshot-block-crc") || Checksum.crc32(0, data) == blockHeader.dataCRC else',
            )
        ],
        "SegmentLogTests.TableTests",
    ),
    # --- Links and promises
    Row(
        "previous-link",
        "a frame must continue the one before it",
        [
            Place(
                LOG + "Reading/FrameCursor.swift",
                "guard isUnlinked || found.previous == chain else",
                'guard SABOTAGED("previous-link") || isUnlinked || found.previous == chain else',
            )
        ],
        "SegmentLogTests.TailVerdictTests",
    ),
    Row(
        "promise",
        "a frame says when all before it was durable",
        [
            Place(
                LOG + "Writing/FrameWriter.swift",
                "flags: followsSync ? flags.union(.followsSync) : flags)",
                'flags: followsSync && !SABOTAGED("promise") ? flags.union(.followsSync) : flags)',
            )
        ],
        "SegmentLogTests.TailVerdictTests",
    ),
    Row(
        "promise-kept",
        "a frame says so only when it is true",
        [
            Place(
                LOG + "Writing/SegmentLog+Append.swift",
                "followsSync: writer.durableSequence == writer.lastSequence)",
                'followsSync: SABOTAGED("promise-kept") || writer.durableSequence == writer.lastSequence)',
            )
        ],
        "SegmentLogTests.AppendingTests",
    ),
    Row(
        "predecessor-link",
        "a segment must continue the one before it",
        [
            Place(
                LOG + "Reading/SegmentCatalog.swift",
                "guard let predecessor = header.predecessor, predecessor.originalID == before.header.originalID",
                "guard let predecessor = header.predecessor,\n"
                '                SABOTAGED("predecessor-link") || predecessor.originalID == before.header.originalID',
            ),
            Place(
                LOG + "Reading/SegmentCatalog.swift",
                "guard header.firstSequence == predecessor.lastSequence &+ 1 else",
                'guard SABOTAGED("predecessor-link") || header.firstSequence == predecessor.lastSequence &+ 1 else',
            ),
        ],
        "SegmentLogTests.PackingDamageTests",
    ),
    Row(
        "predecessor-end",
        "a segment's header says where the one before it ends",
        [
            Place(
                LOG + "Reading/SegmentCatalog.swift",
                "entries[index - 1].ending = predecessor",
                'if !SABOTAGED("predecessor-end") { entries[index - 1].ending = predecessor }',
            )
        ],
    ),
    # --- Recovery
    Row(
        "clean-close-record",
        "the record of the last clean close is looked at",
        [
            Place(
                LOG + "Format/LockFile.swift",
                "guard mark != 0 else { return .none }",
                'guard mark != 0, !SABOTAGED("clean-close-record") else { return .none }',
            )
        ],
        "SegmentLogTests.DamageTests",
    ),
    Row(
        "poisoning",
        "after a failed write or sync nothing more is written",
        [
            Place(
                LOG + "Writing/SegmentLog+Append.swift",
                "            writer.poison = error\n",
                '            if !SABOTAGED("poisoning") { writer.poison = error }\n',
            )
        ],
    ),
    Row(
        "append-again",
        "after an unclean end what no promise vouches for is written again, into a new segment",
        [
            Place(
                LOG + "Recovery/LogOpening+Recovery.swift",
                "if tail.verdict == .clean || (report",
                'if tail.verdict == .clean || SABOTAGED("append-again") || (report',
            ),
            Place(
                LOG + "Recovery/LogOpening+Recovery.swift",
                "writer.isMarked = tail.verdict == .clean\n            return",
                'writer.isMarked = tail.verdict == .clean && !SABOTAGED("append-again")\n            return',
            ),
        ],
    ),
    Row(
        "torn-tail",
        "a new segment is begun behind a torn tail, also when there is nothing to write again",
        [
            Place(
                LOG + "Recovery/LogOpening+Recovery.swift",
                "(isOdd && report.ending != .created)",
                '(isOdd && report.ending != .created && !SABOTAGED("torn-tail"))',
            )
        ],
    ),
    Row(
        "visible-when-durable",
        "what is not known to be durable is not shown",
        [
            Place(
                LOG + "Writing/SegmentLog+Append.swift",
                "            writer.recordedMicroseconds = head.recordedMicroseconds\n",
                "            writer.recordedMicroseconds = head.recordedMicroseconds\n"
                '            if SABOTAGED("visible-when-durable") { publish(writer.lastSequence) }\n',
            )
        ],
    ),
    # --- Snapshots and compaction
    Row(
        "floor-event",
        "that history is let go is an event, before it goes",
        [
            Place(
                ENGINE + "Engine+Snapshots.swift",
                "if lettingAllGo { try record(floor",
                'if lettingAllGo, !SABOTAGED("floor-event") { try record(floor',
            )
        ],
    ),
    Row(
        "snapshot-before-drop",
        "a snapshot covers history before it is dropped",
        [
            Place(
                ENGINE + "CompactionRun.swift",
                "report.snapshotSequence = try engine.takeSnapshot(sealing: 0, lettingAllGo: lettingAllGo)",
                'report.snapshotSequence =\n            SABOTAGED("snapshot-before-drop")\n'
                "            ? engine.log.visibleSequence : try engine.takeSnapshot(sealing: 0, lettingAllGo: lettingAllGo)",
            )
        ],
    ),
    without(
        "snapshot-read-back",
        "a snapshot is read back before anything rests on it",
        LOG + "Table/SnapshotFiles.swift",
        "try table.verify()",
        tests="SegmentLogTests.SnapshotReadBackTests",
    ),
    Row(
        "packed-read-back",
        "a packed segment is compared with what it replaces",
        [
            Place(
                LOG + "Packing/SegmentLog+Pack.swift",
                "guard try again.digest() == digest else",
                'guard SABOTAGED("packed-read-back") ? true : try again.digest() == digest else',
            )
        ],
        "SegmentLogTests.PackingFaultTests",
    ),
]
