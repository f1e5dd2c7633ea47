import JournalFileSystem

extension SegmentLog {
    /// Removes the sealed segments all of whose events have sequences up to `sequence`, the oldest first.
    ///
    /// What must be known of them afterwards (the floor, a snapshot) is the caller's to make durable before. A crash at any
    /// moment leaves a log without a gap: each removal is durable before the next. Readers that are in a segment read it to
    /// its end; one that needs what is gone gets `historyGone`.
    /// - Returns: what was removed.
    /// - Throws: `readOnly`, `closed`, `poisoned`, `system`; what was removed by then is gone, and the log goes on.
    package func drop(through sequence: UInt64) throws(LogError) -> DropPlan {
        try maintenance.withLock { (maintenance) throws(LogError) in
            try finishRemovals(&maintenance)
            let plan = try dropPlan(through: sequence)
            for segment in plan.segments { try drop(segment, &maintenance) }
            return plan
        }
    }

    private func drop(_ segment: SealedSegment, _ maintenance: inout Maintenance) throws(LogError) {
        let path = paths.segment(segment.name)
        let fileSystem = options.fileSystem
        // While it is open its blocks are not freed: that takes time, and adds wait for the removal.
        let file = try asLogError { () throws(FileSystemError) in try fileSystem.openFile(path, .readOnly) }
        defer { file.close() }
        try exclusively {}
        catalog.withLock { $0.remove(segment.name) }
        maintenance.removals.append(path)
        try finishRemovals(&maintenance)
        try namesChanged()
    }
}
