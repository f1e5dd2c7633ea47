"""What recovery, snapshots and compaction keep to."""

from row import ENGINE, LOG, Place, Row, without

ROWS = [
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
        workload="a",
    ),
    Row(
        "append-again",
        "after an unclean end what no promise vouches for is written again, into a new segment",
        [
            Place(
                LOG + "Recovery/LogOpening+Recovery.swift",
                "            // Nobody but us has had the first segment",
                '            if SABOTAGED("append-again") {\n'
                "                writer.active = try resume(entry, tail)\n"
                "                return writer\n"
                "            }\n"
                "            // Nobody but us has had the first segment",
            )
        ],
        workload="a",
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
        workload="a",
    ),
    Row(
        "visible-when-durable",
        "what is not known to be durable is not shown",
        [
            Place(
                LOG + "Writing/SegmentLog+Append.swift",
                "        wroteUpTo(writer.active!)\n",
                "        wroteUpTo(writer.active!)\n"
                '        if SABOTAGED("visible-when-durable") { _ = shared.publish(visible: writer.lastSequence) }\n',
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
                "if lettingAllGo { try record(.floor",
                'if lettingAllGo, !SABOTAGED("floor-event") { try record(.floor',
            ),
            Place(
                ENGINE + "CompactionRun.swift",
                "report.floor = engine.box.withLock { $0.layer.floor }",
                'report.floor = SABOTAGED("floor-event") || SABOTAGED("snapshot-before-drop")\n'
                "                ? report.snapshotSequence : engine.box.withLock { $0.layer.floor }",
            ),
        ],
        workload="ad",
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
        workload="ad",
    ),
    without(
        "snapshot-read-back",
        "a snapshot is read back before anything rests on it",
        LOG + "Table/SnapshotFiles.swift",
        "try table.verify()",
        tests="SegmentLogTests.SnapshotReadBackTests",
    ),
    Row(
        "snapshot-proved-first",
        "a snapshot is read back before it takes the name of another",
        [
            Place(
                LOG + "Table/SnapshotFiles.swift",
                "            let table = try open(Name(sequence: sequence, path: unfinished))\n",
                '            if SABOTAGED("snapshot-proved-first") {\n'
                "                try asLogError { () throws(FileSystemError) in\n"
                "                    try fileSystem.rename(unfinished, to: path)\n"
                "                    try fileSystem.syncDirectory(paths.snapshots)\n"
                "                }\n"
                "                let found = Result { () throws(LogError) in try open(Name(sequence: sequence, path: path)) }\n"
                "                if case .failure = found { try? fileSystem.removeFile(path) }\n"
                "                return try found.get()\n"
                "            }\n"
                "            let table = try open(Name(sequence: sequence, path: unfinished))\n",
            )
        ],
        "JournalTestingTests.MaintenanceFaultTests",
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
