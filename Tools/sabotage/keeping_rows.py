"""What erasures, backups and repairs keep to."""

from row import LOG, Place, Row, without

MEANING = "Sources/AgentJournal/"
ERASURE = MEANING + "Erasure/ErasureRun.swift"

ROWS = [
    # --- Keys
    Row(
        "own-filter",
        "a filter of keys that was copied from another table is not believed",
        [
            Place(
                LOG + "Table/TableFilter.swift",
                "guard value.little(0, as: UInt32.self) == table.salt else { return nil }",
                'guard value.little(0, as: UInt32.self) == table.salt || SABOTAGED("own-filter") else { return nil }',
            )
        ],
        "SegmentLogTests.TableFilterTests",
    ),
    Row(
        "filter-sees-keys",
        "a filter that is made anew sees the keys of blocks that could be copied",
        [
            Place(
                LOG + "Table/TableWriter.swift",
                "!mustSeeKeys || !filtered.contains(section)",
                '!mustSeeKeys || SABOTAGED("filter-sees-keys") || !filtered.contains(section)',
            )
        ],
        "SegmentLogTests.TableFilterTests",
    ),
    # --- Erasing
    without(
        "erased-snapshots",
        "snapshots are erased too",
        ERASURE,
        "try eraseSnapshots(erasure, &report)",
        "AgentJournalTests.ErasureTests",
    ),
    without(
        "erased-segments",
        "segments are erased too",
        ERASURE,
        "try eraseSegments(erasure, &report)",
        "AgentJournalTests.ErasureTests",
    ),
    Row(
        "erasure-resumes",
        "an erasure that was begun and not ended is looked for in everything",
        [
            Place(
                ERASURE,
                "let isResuming = state.isUnfinished",
                'let isResuming = state.isUnfinished && !SABOTAGED("erasure-resumes")',
            )
        ],
        "AgentJournalTests.ErasureTests",
    ),
    without(
        "erased-behind-end",
        "a segment with bytes behind its end is written anew",
        LOG + "Erasure/SegmentLog+Erase.swift",
        "if !changes { changes = try hasBytesBehindItsEnd(entry) }",
        "AgentJournalTests.ErasureTests",
    ),
    Row(
        "erased-elsewhere",
        "other processes let go of what was erased",
        [
            Place(
                MEANING + "Engine/Engine+Reading.swift",
                "        let through = state.layer.erasure.through\n",
                "        let through = state.layer.erasure.through\n"
                '        if SABOTAGED("erased-elsewhere") { return false }\n',
            )
        ],
        "AgentJournalTests.ErasureTests",
    ),
    without(
        "erased-base",
        "a snapshot says up to where it is erased",
        MEANING + "State/Layer.swift",
        "if target <= erasedBelow.sequence, sequence <= erasedBelow.through { return }",
        "AgentJournalTests.ErasureTests",
    ),
    without(
        "punctured-salts",
        "the salts of what is erased cannot be had any more",
        LOG + "Erasure/EventSalts.swift",
        "seeds = kept",
        "AgentJournalTests.ErasureTests",
    ),
    Row(
        "erased-keys",
        "a retry of an erased key is known",
        [
            Place(
                MEANING + "State/State.swift",
                "guard !layer.erasure.key.isEmpty else { return nil }",
                'guard !layer.erasure.key.isEmpty, !SABOTAGED("erased-keys") else { return nil }',
            )
        ],
        "AgentJournalTests.ErasureTests",
    ),
    # --- Backups
    without(
        "backup-incomplete",
        "a copy whose files do not belong together is no journal",
        LOG + "Backup/Backup.swift",
        "try target.markIncomplete()",
        "AgentJournalTests.BackupTests",
    ),
    without(
        "backup-read-back",
        "what is copied is read back and checked",
        LOG + "Backup/Backup+Copying.swift",
        "try check(walk)",
        "AgentJournalTests.BackupTests",
    ),
    # --- Repair
    without(
        "repair-losses",
        "the sequences of the lost are not used again",
        LOG + "Repair/RepairedSegment.swift",
        "packer.addLost(count: Int(count), time: recordedMicroseconds)",
        "AgentJournalTests.RepairTests",
    ),
    without(
        "repair-known-end",
        "a repaired log reaches as far as a snapshot",
        LOG + "Repair/LogRepair.swift",
        "wanted = max(wanted, knownThrough)",
        "AgentJournalTests.RepairTests",
    ),
    without(
        "repair-set-aside",
        "erasing removes what a repair set aside",
        ERASURE,
        "try asJournalError { () throws(LogError) in try engine.log.removeDamaged() }",
        "AgentJournalTests.RepairTests",
    ),
    without(
        "repair-unfinished",
        "a repair that was cut off is gone on with",
        "Sources/AgentJournal/VerifyReport.swift",
        "problems.append(.unfinishedRepair)",
        "AgentJournalTests.RepairTests",
    ),
]
