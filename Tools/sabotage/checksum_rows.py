"""Checksums, and what links one frame or segment to the next."""

from row import LOG, Place, Row, unless

ROWS = [
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
        workload="a",
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
        workload="ac",
    ),
    Row(
        "raw-crc",
        "a payload's checksum is over the raw events, not only over what is stored",
        [
            Place(
                LOG + "Format/FrameHeader.swift",
                ": Checksum.crc32(raw, data)",
                ': Checksum.crc32(SABOTAGED("raw-crc") ? 0 : raw, data)',
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
        "SegmentLogTests.JournalIdentityTests",
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
    unless(
        "lock-checksum",
        "the checksum of what lock says of the last writer is compared",
        LOG + "Format/LockFile.swift",
        "found == checksum(page)",
        tests="SegmentLogTests.ChecksumTests",
    ),
    unless(
        "packed-footer-crc",
        "the checksum of a packed segment's footer is compared",
        LOG + "Format/PackedFooter.swift",
        "trailer.little(52) == checksum(trailer, header, offset: offset)",
        tests="SegmentLogTests.ChecksumTests",
    ),
    Row(
        "packed-footer-seed",
        "the checksum of a packed segment's footer begins with salt, segment and offset",
        [
            Place(
                LOG + "Format/PackedFooter.swift",
                "let seed = Checksum.crc32(0, UnsafeRawBufferPointer(place))",
                'let seed = SABOTAGED("packed-footer-seed") ? 0 : Checksum.crc32(0, UnsafeRawBufferPointer(place))',
            )
        ],
        "SegmentLogTests.ChecksumTests",
    ),
    unless(
        "packed-index-crc",
        "the checksum of a packed segment's index is compared",
        LOG + "Format/PackedFooter.swift",
        "Checksum.crc32(0, index) == place.crc",
        tests="SegmentLogTests.ChecksumTests",
    ),
    unless(
        "snapshot-header-crc",
        "the checksum of a snapshot's header is compared",
        LOG + "Table/TableFormat.swift",
        "bytes.little(60) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<60]))",
        tests="SegmentLogTests.TableTests",
        context=("bytes.little(0, as: UInt64.self) == TableFormat.magic,\n            ", ""),
    ),
    unless(
        "snapshot-footer-crc",
        "the checksum of a snapshot's footer is compared",
        LOG + "Table/TableFormat.swift",
        "bytes.little(60) == Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: bytes[..<60]))",
        tests="SegmentLogTests.TableTests",
        context=("bytes.little(48, as: UInt64.self) == TableFormat.magic,\n            ", ""),
    ),
    unless(
        "snapshot-block-header-crc",
        "the checksum of the header of a snapshot's block is compared",
        LOG + "Table/TableFormat.swift",
        "bytes.little(0) == BlockHeader.checksum(bytes, salt: salt, offset: offset)",
        tests="SegmentLogTests.TableTests",
    ),
    Row(
        "snapshot-block-seed",
        "that checksum begins with salt and offset",
        [
            Place(
                LOG + "Table/TableFormat.swift",
                "let seed = Checksum.crc32(0, UnsafeRawBufferPointer(place))",
                'let seed = SABOTAGED("snapshot-block-seed") ? 0 : Checksum.crc32(0, UnsafeRawBufferPointer(place))',
            )
        ],
        "SegmentLogTests.ChecksumTests",
    ),
    Row(
        "snapshot-block-crc",
        "the checksum of a snapshot's block of entries is compared",
        [
            Place(
                LOG + "Table/TableReader.swift",
                "guard Checksum.crc32(0, data) == blockHeader.dataCRC else",
                "guard\n            Checksum.crc32(0, data) == blockHeader.dataCRC\n"
                '                || kind == .data && SABOTAGED("snapshot-block-crc")\n'
                '                || kind == .index && SABOTAGED("snapshot-index-crc")\n'
                '                || kind == .root && SABOTAGED("snapshot-root-crc")\n'
                '                || kind == .meta && SABOTAGED("snapshot-meta-crc") else',
            )
        ],
        "SegmentLogTests.TableTests",
    ),
    Row("snapshot-index-crc", "the same of an index block", [], "SegmentLogTests.TableTests"),
    Row("snapshot-root-crc", "the same of the root", [], "SegmentLogTests.TableTests"),
    Row("snapshot-meta-crc", "the same of the meta block", [], "SegmentLogTests.TableTests"),
    unless(
        "salvage-block-crc",
        "the checksum of a block is compared when a damaged snapshot is salvaged",
        LOG + "Table/TableSalvage.swift",
        "Checksum.crc32(0, data) == header.dataCRC",
        tests="SegmentLogTests.ChecksumTests",
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
                "flags: followsSync ? flags.union(.followsSync) : flags, type: type)",
                'flags: followsSync && !SABOTAGED("promise") ? flags.union(.followsSync) : flags, type: type)',
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
                "followsSync: shared.visible == writer.lastSequence,",
                'followsSync: SABOTAGED("promise-kept") || shared.visible == writer.lastSequence,',
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
]
