import SegmentLog

/// How long the files of a journal would be after a compaction. It makes everything that the compaction makes, and keeps none of it.
struct CompactionForecast {
    let engine: Engine
    let segmentLog: SegmentLog
    let progress: CompactionProgress?

    /// - Parameters:
    ///   - plan: What would be done. Of what would be erased nothing is taken off.
    ///   - before: The lengths now.
    func lengths(_ plan: CompactionReport, _ before: JournalFileLengths) throws(JournalError)
        -> JournalFileLengths
    {
        let removed = Set(plan.removed.map(\.name))
        var after = before
        after.snapshots = try snapshots(removed)
        let level = engine.maintenance.options.level
        after.log = try asJournalError { () throws(LogError) in
            let segments = try segmentLog.sealedSegments() + [segmentLog.activeSegment()].compactMap { $0 }
            var bytes = SegmentLog.emptySegmentBytes
            for (number, segment) in segments.enumerated() where !removed.contains(segment.name.description) {
                guard !segment.isPacked else {
                    bytes += segment.lengthBytes
                    continue
                }
                let packed = try segmentLog.packedBytes(segment, level: level) {
                    progress?(.packing(segment: number + 1, of: segments.count))
                    return !engine.maintenance.isStopping
                }
                guard let packed else { throw LogError(.closed, "The journal is being closed") }
                bytes += packed
            }
            return bytes
        }
        return after
    }

    private func snapshots(_ removed: Set<String>) throws(JournalError) -> UInt64 {
        let names = try asJournalError { () throws(LogError) in try engine.snapshots?.names() ?? [] }
        var bytes: UInt64 = 0
        for name in names where !removed.contains(name.path.lastComponent?.string ?? "") {
            bytes += try asJournalError { () throws(LogError) in try engine.snapshots?.length(name) ?? 0 }
        }
        let state = engine.box.withLock { $0 }
        // Nothing came since the newest one.
        guard state.layer.lastSequence > 0, names.first?.sequence != state.layer.lastSequence else {
            return bytes
        }
        let below = state.frozen().below
        guard let layer = below.layer else { return bytes }
        let journal = segmentLog.identity.journal
        return try bytes
            + asJournalError { () throws(LogError) in
                var written: UInt64 = 0
                return try TableWriter.length(
                    journal: journal, sequence: layer.lastSequence, level: engine.maintenance.options.level,
                    blockBytes: StateKeys.blockBytes,
                    shouldContinue: {
                        written += 1
                        progress?(.snapshot(writtenBytes: written << 20))
                        return !engine.maintenance.isStopping
                    }
                ) { (writer) throws(LogError) in try below.write(to: writer, layer) }
            }
    }
}

/// Is told how far a compaction is, some times a second or more often, from the thread that does it.
package typealias CompactionProgress = @Sendable (CompactionStep) -> Void

/// What a compaction is at.
package enum CompactionStep: Sendable {
    /// A snapshot is written, of which so much is on disk.
    case snapshot(writtenBytes: UInt64)
    /// What is forgotten is erased.
    case erasing
    /// A segment is packed.
    case packing(segment: Int, of: Int)
}
