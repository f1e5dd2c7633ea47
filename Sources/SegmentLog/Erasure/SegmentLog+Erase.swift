import JournalFileSystem
import SystemPackage

/// What erasing from a segment did.
package struct EraseResult: Hashable, Sendable {
    package var replaced: SegmentName
    package var name: SegmentName
    package var bytesBefore: UInt64
    package var bytesAfter: UInt64
}

extension SegmentLog {
    /// Rewrites a sealed segment with other events in the places of some, and without what the secret tells of these; then removes
    /// what it replaces.
    ///
    /// The result is packed. Blocks in which nothing changes are copied as they are. A segment in which nothing changes stays,
    /// unless there are bytes behind its end, which nobody reads and which may hold anything. As with `pack`, the new file is
    /// durable, read back and compared before it counts.
    /// - Parameters:
    ///   - isAffected: whether something is known to change; else the segment is read once to see.
    ///   - level: zlib's.
    ///   - rewrite: says what takes an event's place.
    ///   - shouldContinue: asked now and then; on false nothing is changed.
    /// - Returns: nil when nothing was done: nothing changes, or it should not continue, or there is no sealed segment of that
    ///   name (any more).
    /// - Throws: as `pack`; what `rewrite` throws.
    /// - Complexity: reads the segment, copies it, deflates what changes, and reads what was written.
    package func erase(
        _ name: SegmentName, level: Int32, isAffected: Bool,
        shouldContinue: () -> Bool = { true }, _ rewrite: @escaping EventRewriter.Body
    ) throws(LogError) -> EraseResult? {
        try maintenance.withLock { (maintenance) throws(LogError) -> EraseResult? in
            try finishRemovals(&maintenance)
            guard let entry = entries.dropLast().first(where: { $0.header.name == name }) else { return nil }
            var changes = isAffected
            if !changes { changes = try hasBytesBehindItsEnd(entry) }
            if !changes { changes = try changesAnything(entry, rewrite) }
            guard changes else { return nil }
            let header = entry.header.erased(
                id: try newSegmentID(), salt: UInt32(truncatingIfNeeded: options.random()))
            let replacement = CatalogEntry(
                path: paths.segment(header.name), header: header, ending: entry.ending)
            guard
                let result = try replace(
                    entry, by: replacement, level, shouldContinue, rewrite, unlessLarger: false,
                    &maintenance)
            else { return nil }
            return EraseResult(
                replaced: result.replaced, name: result.name, bytesBefore: result.bytesBefore,
                bytesAfter: result.bytesAfter)
        }
    }

    /// Removes what a repair set aside: it may hold anything.
    package func removeDamaged() throws(LogError) {
        let (fileSystem, damaged) = (
            options.fileSystem, paths.directory.appending(LogRepair.damagedDirectory)
        )
        // What a repair has still to do holds nothing of a memory.
        let names = try asLogError { () throws(FileSystemError) in
            try fileSystem.status(of: damaged) == nil ? [] : try fileSystem.names(inDirectory: damaged)
        }.filter { $0 != UnfinishedRepair.name }
        for name in names {
            let path = damaged.appending(name)
            let kind = try asLogError { () throws(FileSystemError) in try fileSystem.status(of: path)?.kind }
            guard kind != .directory else {
                throw LogError(
                    .system, "Nothing was erased: \(path) is a directory, which no repair made; move it away",
                    path: path)
            }
            try asLogError { () throws(FileSystemError) in try fileSystem.removeFile(path) }
        }
        guard !names.isEmpty else { return }
        try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(damaged) }
    }

    private func hasBytesBehindItsEnd(_ entry: CatalogEntry) throws(LogError) -> Bool {
        guard !entry.header.isPacked, let ending = entry.ending else { return false }
        let fileSystem = options.fileSystem
        let file = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        defer { file.close() }
        return try FrameCursor(
            file, path: entry.path, header: entry.header, maximumRawBytes: identity.maximumFrameBytes
        ).hasBytes(from: ending.end)
    }

    private func changesAnything(
        _ entry: CatalogEntry, _ rewrite: @escaping EventRewriter.Body
    ) throws(LogError) -> Bool {
        let walk = try walk(through: entry)
        defer { walk.file.close() }
        var rewriter = EventRewriter(entry, try walk.salts(), rewrite)
        while let frame = try walk.next() {
            if try rewriter.rewrite(frame, walk.cursor.payload) != nil { return true }
        }
        return false
    }
}
