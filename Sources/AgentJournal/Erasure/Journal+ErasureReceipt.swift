import SegmentLog

extension Journal {
    /// What the last erasure that was ended erased, read from the log again: for whoever lost its receipt.
    ///
    /// The log keeps each erased event's place, with its leaf and the number of its erasure. What was let go since is not in it.
    /// - Returns: nil when the log knows of no erasure. `isFromLog` is set: names and files are not known any more.
    /// - Complexity: reads the log twice.
    public func erasureReceipt() async throws(JournalError) -> ErasureReport? {
        try await onOwnThread { [self] () throws(JournalError) in try erasureReceiptNow() }
    }

    private func erasureReceiptNow() throws(JournalError) -> ErasureReport? {
        try checkOpen()
        let (log, entries) = (try engine.log, try segmentLog.entries)
        let last = log.visibleSequence
        let first = try firstSequence
        var begun: [(sequence: UInt64, recorded: Timestamp)] = []
        var found: (through: UInt64, begun: [(sequence: UInt64, recorded: Timestamp)])?
        var cursor = EventCursor(log, after: first - 1)
        while let event = try cursor.nextEvent(upTo: last) {
            switch event.kind {
            case .erasureBegun: begun.append((event.sequence, event.recorded))
            case .erasureDone(let through):
                found = (through, begun)
                begun = []
            default: break
            }
        }
        guard let found, let beginning = found.begun.last else { return nil }
        let sequences = Set(found.begun.map(\.sequence))
        var report = ErasureReport(isFromLog: true)
        report.journal = try segmentLog.identity.journal.description
        report.through = found.through
        (report.sequence, report.recorded) = (beginning.sequence, beginning.recorded)
        cursor = EventCursor(log, after: first - 1)
        while let event = try cursor.nextEvent(upTo: found.through) {
            guard case .erased(let erased) = event.kind, sequences.contains(erased.erasure) else { continue }
            let entry = entries.last { $0.header.firstSequence <= event.sequence }
            if erased.kind == .added { report.memories += 1 }
            report.events.append(
                ErasureReport.ErasedEvent(
                    sequence: event.sequence, recorded: event.recorded, kind: erased.kind, leaf: erased.leaf,
                    file: entry.map { "log/\($0.header.name)" } ?? ""))
        }
        return report
    }
}
