import Logging
import SegmentLog

/// One compaction. On the maintenance thread.
///
/// In this order, so that a crash between any two steps leaves a journal that holds the same: the floor as an event; a
/// snapshot that covers it; segments dropped, the oldest first; what is forgotten erased (see `ErasureRun`); segments packed,
/// each for itself.
struct CompactionRun {
    let engine: Engine
    let now: Int64
    /// Whether what is forgotten is erased.
    let isErasing: Bool
    /// See `ErasureRun`.
    var willRecordErasure: ErasureReport.Handler?
    var progress: CompactionProgress?

    /// By so much the clock may be before or behind the last event, in microseconds: 30 days.
    private static let clockTolerance: Int64 = 30 * 86_400 * 1_000_000

    /// What would be done.
    func plan(_ retention: Retention) throws(JournalError) -> CompactionReport {
        var report = try planWithoutErasure(retention)
        if isErasing, let snapshots = engine.snapshots {
            progress?(.erasing)
            report.erasure = try ErasureRun(engine: engine, files: snapshots).plan()
        }
        return report
    }

    private func planWithoutErasure(_ retention: Retention) throws(JournalError) -> CompactionReport {
        let last = engine.log.visibleSequence
        let floor = try floor(retention)
        return try asJournalError { () throws(LogError) in
            let sealed = try engine.log.sealedSegments()
            var removed: [CompactionReport.RemovedFile] = []
            var packed: [SealedSegment] = []
            // The last segment is sealed first, if it holds anything.
            for segment in sealed + [try engine.log.activeSegment()].compactMap({ $0 }) {
                if floor > 0, segment.lastSequence <= floor {
                    removed.append(CompactionReport.RemovedFile(segment))
                } else if !segment.isPacked {
                    packed.append(segment)
                }
            }
            let first =
                removed.compactMap(\.sequences?.upperBound).max().map { $0 + 1 } ?? engine.log.firstSequence
            if let snapshots = engine.snapshots {
                for name in try engine.surplus(snapshots, newest: last, first) {
                    removed.append(try snapshots.removedFile(name))
                }
            }
            return CompactionReport(
                floor: floor, firstSequence: first, snapshotSequence: last, removed: removed,
                packedSegments: packed.count, packedBytesBefore: packed.reduce(0) { $0 + $1.lengthBytes },
                packedBytesAfter: nil, isDryRun: true, files: CompactionReport.FileLengths())
        }
    }

    /// Does it, while no other process does.
    func run(_ retention: Retention) throws(JournalError) -> CompactionReport {
        try engine.inMaintenanceRange { () throws(JournalError) in
            // The plan is by what is there now.
            _ = try engine.now()
            return try runAlone(retention)
        }
    }

    private func runAlone(_ retention: Retention) throws(JournalError) -> CompactionReport {
        var report = try planWithoutErasure(retention)
        report.isDryRun = false
        let lettingAllGo = retention == .none && report.removed.contains { $0.sequences != nil }
        if !lettingAllGo, report.floor > engine.box.withLock({ $0.layer.floor }) {
            let floor = report.floor
            try engine.betweenCommits { () throws(JournalError) in _ = try engine.record(.floor(floor)) }
        }
        let progress = progress
        report.snapshotSequence = try engine.takeSnapshot(sealing: 0, lettingAllGo: lettingAllGo) {
            progress?(.snapshot(writtenBytes: $0))
        }
        // What other processes added behind the record is kept.
        if lettingAllGo { report.floor = engine.box.withLock { $0.layer.floor } }
        // With nothing new to snapshot, the segment was not ended by that.
        try engine.betweenCommits { () throws(JournalError) in
            try asJournalError { () throws(LogError) in try engine.log.seal(longerThan: 0) }
        }
        // What no snapshot covers is never dropped, whatever was planned.
        let floor = min(report.floor, report.snapshotSequence)
        if floor > 0 {
            try prove(snapshot: report.snapshotSequence)
            try asJournalError { () throws(LogError) in _ = try engine.log.drop(through: floor) }
        }
        if let snapshots = engine.snapshots { try engine.removeOldSnapshots(snapshots) }
        report.firstSequence = engine.log.firstSequence
        if isErasing, let snapshots = engine.snapshots {
            // By the snapshot that covers what was forgotten before the call: the state may have been rebuilt without it since.
            for _ in 0..<3 where !isUpon(report.snapshotSequence) {
                report.snapshotSequence = try engine.takeSnapshot(sealing: 0)
            }
            guard isUpon(report.snapshotSequence) else {
                throw JournalError(
                    .system, "Nothing was erased: a snapshot was rebuilt meanwhile; compact again")
            }
            report.erasure = try ErasureRun(engine: engine, files: snapshots, willRecord: willRecordErasure)
                .run()
        }
        try pack(&report)
        engine.logger.info(
            "journal compacted",
            metadata: [
                "first_sequence": "\(report.firstSequence)", "freed": "\(report.freedBytes)",
                "packed": "\(report.packedSegments)",
            ])
        return report
    }

    /// Reads a whole snapshot from its file, before the log lets go of what it holds. One that was there already was checked
    /// when it was taken, which may be long ago.
    private func prove(snapshot sequence: UInt64) throws(JournalError) {
        guard let snapshots = engine.snapshots else { return }
        try asJournalError { () throws(LogError) in
            try snapshots.open(SnapshotFiles.Name(sequence: sequence, path: snapshots.path(sequence)))
                .verify()
        }
    }

    /// Whether the state lies upon the snapshot of a sequence, and nothing else; there is none of an empty journal.
    private func isUpon(_ sequence: UInt64) -> Bool {
        let below = engine.box.withLock { $0.below }
        guard sequence > 0 else { return below.tables.isEmpty }
        return below.layer == nil && below.tables.map(\.sequence) == [sequence]
            && !below.tables[0].meta.isEmpty
    }

    private func pack(_ report: inout CompactionReport) throws(JournalError) {
        report.packedSegments = 0
        report.packedBytesBefore = 0
        var after: UInt64 = 0
        let maintenance = engine.maintenance
        let segments = try asJournalError { () throws(LogError) in try engine.log.sealedSegments() }
        for (number, segment) in segments.enumerated() where !segment.isPacked {
            let result = try asJournalError { () throws(LogError) in
                try engine.log.pack(
                    segment.name, level: maintenance.options.level,
                    unlessLarger: !maintenance.options.packsAlways
                ) {
                    progress?(.packing(segment: number + 1, of: segments.count))
                    return !maintenance.isStopping
                }
            }
            guard let result else { continue }
            report.packedSegments += 1
            report.packedBytesBefore += result.bytesBefore
            after += result.bytesAfter
        }
        report.packedBytesAfter = after
    }

    /// Up to where history goes; 0 for nowhere.
    private func floor(_ retention: Retention) throws(JournalError) -> UInt64 {
        switch retention {
        case .all: return 0
        case .none: return engine.log.visibleSequence
        case .duration(let duration):
            let seconds = duration.components.seconds
            guard seconds >= 0, seconds < 1 << 40 else {
                throw JournalError(.invalidArgument, "A retention of \(seconds) seconds makes no sense")
            }
            let last = engine.box.withLock { $0.layer.lastRecordedMicroseconds }
            guard engine.log.visibleSequence > 0 else { return 0 }
            let (distance, overflow) = now.subtractingReportingOverflow(last)
            guard !overflow, distance.magnitude <= CompactionRun.clockTolerance.magnitude
            else {
                throw JournalError(
                    .clockUncertain,
                    "The clock says \(Timestamp(clampingMicrosecondsSince1970: now)), and the last event was recorded at "
                        + "\(Timestamp(clampingMicrosecondsSince1970: last)): more than 30 days apart. Nothing is let go by a "
                        + "clock that may be wrong. If it is right, record that with `agent-journal flush DIR --accept-clock`, and compact again"
                )
            }
            let cutoff = now - seconds * 1_000_000
            let old = try asJournalError { () throws(LogError) in
                try engine.log.sealedSegments().prefix { $0.recordedAtMostMicroseconds < cutoff }
            }
            return old.last?.lastSequence ?? 0
        }
    }
}

extension CompactionReport.RemovedFile {
    init(_ segment: SealedSegment) {
        name = segment.name.description
        bytes = segment.lengthBytes
        sequences =
            segment.name.firstSequence <= segment.lastSequence
            ? segment.name.firstSequence...segment.lastSequence : nil
    }
}

extension SnapshotFiles {
    func removedFile(_ name: Name) throws(LogError) -> CompactionReport.RemovedFile {
        CompactionReport.RemovedFile(
            name: name.path.lastComponent?.string ?? name.path.string, bytes: try length(name), sequences: nil
        )
    }
}
