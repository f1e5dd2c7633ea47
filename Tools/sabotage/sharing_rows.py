"""What several processes with one journal keep to."""

from row import ENGINE, LOG, Place, Row, without

SHARING = LOG + "Sharing/"
LOG_TESTS = "SegmentLogTests.SharingTests"
ENGINE_TESTS = "AgentJournalTests.SeveralProcessesTests"

ROWS = [
    Row(
        "writer-range",
        "who appends holds the writer range",
        [
            Place(
                SHARING + "SegmentLog+WriterRange.swift",
                "if try lockFile.lock(range, .exclusive, wait: false) { return true }",
                'if SABOTAGED("writer-range") { return true }\n'
                "            if try lockFile.lock(range, .exclusive, wait: false) { return true }",
            )
        ],
        "SegmentLogTests.CreationTests",
    ),
    Row(
        "syncer-election",
        "who syncs for all holds the syncer range",
        [
            Place(
                SHARING + "SegmentLog+SyncerRange.swift",
                "guard try lockFile.lock(LockFile.syncerRange, .exclusive, wait: false) else { return .busy }",
                'guard try lockFile.lock(LockFile.syncerRange, .exclusive, wait: false) || SABOTAGED("syncer-election")\n'
                "                else { return .busy }",
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "compressed-ahead",
        "what was compressed before the append is appended only where all of it was taken",
        [
            Place(
                ENGINE + "Engine.swift",
                "events.reduce(0, { $0 + $1.count }) == ahead.count",
                'SABOTAGED("compressed-ahead") || events.reduce(0, { $0 + $1.count }) == ahead.count',
            )
        ],
        ENGINE_TESTS,
    ),
    Row(
        "written-by-others",
        "what others wrote meanwhile is taken over before one appends",
        [
            Place(
                SHARING + "SegmentLog+WriterRange.swift",
                "guard shared.generation != writer.generation else { return }",
                'guard shared.generation != writer.generation, !SABOTAGED("written-by-others") else { return }',
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "dead-writer",
        "the log is read past what the page says when a process died while it appended",
        [
            Place(
                SHARING + "SegmentLog+WriterRange.swift",
                "if shared.writer != nil || shared.failures",
                'if (shared.writer != nil && !SABOTAGED("dead-writer")) || shared.failures',
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "dead-syncer",
        "after a process died while it synced, what no promise vouches for is written again",
        [
            Place(
                SHARING + "SegmentLog+SyncerRange.swift",
                "guard shared.syncer == nil else { return .isMarked }",
                'guard shared.syncer == nil || SABOTAGED("dead-syncer") else { return .isMarked }',
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "others-failures",
        "after a failed sync of another process nothing written before it is acknowledged",
        [
            Place(
                SHARING + "SegmentLog+SyncerRange.swift",
                "guard shared.failures == wanted.failures else",
                'guard shared.failures == wanted.failures || SABOTAGED("others-failures") else',
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "openers",
        "who opens looks whether others have it open, and joins them",
        [
            Place(
                LOG + "Opening/LogOpening.swift",
                "let isJoining = try openers.hasOthers()",
                'let isJoining = try openers.hasOthers() && !SABOTAGED("openers")',
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "last-closes",
        "only the last one to close leaves the record of a clean close",
        [
            Place(
                LOG + "Writing/SegmentLog+Append.swift",
                "guard try !Openers(lockFile: lockFile).hasOthers() else { return }",
                'guard try !Openers(lockFile: lockFile).hasOthers() || SABOTAGED("last-closes") else { return }',
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "store-noticed",
        "what is written and cannot be told to the others ends in an error",
        [
            Place(
                LOG + "Writing/SegmentLog+Append.swift",
                "guard publishWritten(&writer, shared) else {\n            throw poison(&writer, .outcomeUnknown",
                'guard publishWritten(&writer, shared) || SABOTAGED("store-noticed") else {\n'
                "            throw poison(&writer, .outcomeUnknown",
            )
        ],
        LOG_TESTS,
    ),
    Row(
        "catch-up",
        "what to append is decided by a state that has what others wrote",
        [
            Place(
                ENGINE + "Engine.swift",
                "isCurrent = try catchUp(to: head, mayHoldErased: mayHoldErased)",
                'if !SABOTAGED("catch-up") { isCurrent = try catchUp(to: head, mayHoldErased: mayHoldErased) }',
            )
        ],
        ENGINE_TESTS,
    ),
    without(
        "overwritten-page",
        "an append looks whether the shared page is the one that its process knows",
        SHARING + "SegmentLog+WriterRange.swift",
        "if isPageOverwritten(shared) { throw overwritten(&writer, paths.lock) }",
        "ToolTests.OverwrittenTests",
    ),
    Row(
        "doubtful-state",
        "a state with what was perhaps never written is built anew",
        [
            Place(
                ENGINE + "Engine+Reading.swift",
                "if isDoubtful(at: bound) {",
                'if !SABOTAGED("doubtful-state"), isDoubtful(at: bound) {',
            )
        ],
        ENGINE_TESTS,
    ),
]
