import JournalFileSystem

/// One process at a time takes snapshots and compacts: who holds the maintenance range.
extension SegmentLog {
    /// Takes the range, if no other process has it.
    ///
    /// - Throws: what `check` throws; `system`.
    package func takeMaintenanceRange() throws(LogError) -> Bool {
        try writer.withLock { (writer) throws(LogError) in try check(&writer) }
        guard let lockFile, let shared else { return true }
        let isTaken = try asLogError { () throws(FileSystemError) in
            try lockFile.lock(LockFile.maintenanceRange, .exclusive, wait: false)
        }
        if isTaken { shared.setMaintainer(opener) }
        return isTaken
    }

    package func releaseMaintenanceRange() {
        // It cannot be said to anybody; the range goes with the file at the latest.
        try? lockFile?.unlock(LockFile.maintenanceRange)
    }

    /// Who takes a snapshot or compacts just now, for a message.
    package var maintainer: String {
        guard let lockFile, let shared else { return "another process" }
        return SegmentLog.holder(shared.maintainer, lockFile, options)
    }

    /// Looks at the directory again, if other processes changed names there; and removes what others left that died while they
    /// changed them. Under the maintenance range.
    ///
    /// - Throws: what `append` throws.
    package func finishMaintenanceOfOthers() throws(LogError) {
        let superseded = try writer.withLock { (writer) throws(LogError) in
            try inWriterRange(&writer) { (_, _) throws(LogError) -> [CatalogEntry] in
                // Nobody makes a segment now, and nobody packs one.
                try LogOpening(paths: paths, options: options).removeUnfinished()
                // Whoever died may not have come to saying that names changed.
                try refreshCatalog()
                return catalog.withLock { $0.superseded }
            }
        }
        guard !superseded.isEmpty else { return }
        let (fileSystem, log) = (options.fileSystem, paths.log)
        try asLogError { () throws(FileSystemError) in
            // The replacements are there; that they stay so was perhaps never made sure.
            try fileSystem.syncDirectory(log)
        }
        try maintenance.withLock { (maintenance) throws(LogError) in
            maintenance.removals += superseded.map(\.path)
            try finishRemovals(&maintenance)
        }
        catalog.withLock { $0.forgetSuperseded() }
    }
}
