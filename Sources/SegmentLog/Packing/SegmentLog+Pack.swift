import JournalFileSystem
import SystemPackage

extension SegmentLog {
    /// The level at which packing compresses: what is packed stays, so it may take its time.
    package static let packingLevel: Int32 = 9
    /// Packing may make a segment that is longer than this larger, by one part in so many.
    private static let tolerated: (fromBytes: UInt64, part: UInt64) = (1 << 20, 10)

    static func isWorthwhile(_ result: PackResult) -> Bool {
        let growth = result.bytesBefore < tolerated.fromBytes ? 0 : result.bytesBefore / tolerated.part
        return result.bytesAfter < result.bytesBefore + growth
    }

    /// Rewrites a sealed segment as independent blocks with an index, and removes what it replaces.
    ///
    /// Every frame is checked on the way, the new file is made aside, durable, read back and compared before it counts. It
    /// may run beside appends, which wait for nothing of it but the renaming and the removal.
    /// - Parameters:
    ///   - name: of any sealed segment; one that is packed already is packed anew.
    ///   - unlessLarger: keeps the segment as it is when packing would make it larger by more than a tenth, as it may of batches
    ///     that were larger than a block. What is a little larger is read in the middle, and erased from, without the rest.
    ///   - shouldContinue: asked now and then; on false nothing is changed.
    /// - Returns: nil when nothing was done: it should not continue, or there is no sealed segment of that name (any more).
    /// - Throws: `damaged`, `unsupported`, `noSpace`, `system`, `readOnly`, `closed`, `poisoned`. Then the journal is what
    ///   it was, or it is packed and the removal is not finished, which the next packing, dropping or opening does. The log
    ///   goes on.
    /// - Complexity: reads the segment, deflates it, and reads what was written.
    package func pack(
        _ name: SegmentName, level: Int32 = packingLevel, unlessLarger: Bool = false,
        shouldContinue: () -> Bool = { true }
    ) throws(LogError) -> PackResult? {
        try maintenance.withLock { (maintenance) throws(LogError) -> PackResult? in
            try finishRemovals(&maintenance)
            guard let entry = entries.dropLast().first(where: { $0.header.name == name }) else { return nil }
            let header = entry.header.packed(
                id: try newSegmentID(), salt: UInt32(truncatingIfNeeded: options.random()))
            let replacement = CatalogEntry(
                path: paths.segment(header.name), header: header, ending: entry.ending)
            return try replace(
                entry, by: replacement, level, shouldContinue, unlessLarger: unlessLarger, &maintenance)
        }
    }

    /// Makes the replacement of a segment and installs it.
    ///
    /// - Parameter rewrite: says what takes an event's place; nil keeps all.
    func replace(
        _ entry: CatalogEntry, by replacement: CatalogEntry, _ level: Int32, _ shouldContinue: () -> Bool,
        _ rewrite: EventRewriter.Body? = nil, unlessLarger: Bool, _ maintenance: inout Maintenance
    ) throws(LogError) -> PackResult? {
        let original = try walk(through: entry)
        // Up to the end, because a removed file's blocks are freed when it is closed: adds do not wait for that.
        defer { original.file.close() }
        do throws(LogError) {
            if let result = try makeReplacement(
                original, entry, replacement, level, shouldContinue, rewrite),
                !unlessLarger || SegmentLog.isWorthwhile(result)
            {
                try install(replacement, insteadOf: entry, &maintenance)
                return result
            }
            try discard(replacement, &maintenance)
            return nil
        } catch {
            // The error that led here says more than one of the removal, which is tried again.
            try? discard(replacement, &maintenance)
            throw error
        }
    }

    func walk(through entry: CatalogEntry) throws(LogError) -> SealedSegmentWalk {
        try SealedSegmentWalk(
            entry, paths, fileSystem: options.fileSystem, maximumRawBytes: identity.maximumFrameBytes,
            needsFooter: entry.header.isErased)
    }

    /// Writes the replacement under its unfinished name, durable and compared with what it replaces.
    private func makeReplacement(
        _ original: SealedSegmentWalk, _ entry: CatalogEntry, _ replacement: CatalogEntry, _ level: Int32,
        _ shouldContinue: () -> Bool, _ rewrite: EventRewriter.Body?
    ) throws(LogError) -> PackResult? {
        let unfinished = replacement.unfinishedPath
        let fileSystem = options.fileSystem
        let maximum = identity.maximumFrameBytes
        let packer = BlockPacker(replacement.header, level: level, maximumRawBytes: maximum)
        var output = try PackedFile(unfinished, packer, fileSystem)
        defer { output.file.close() }
        let written: EventDigest?
        if let rewrite {
            var rewriter = EventRewriter(entry, try original.salts(), rewrite)
            written = try output.write(original, entry.ending!, &rewriter, shouldContinue)
        } else {
            written = try output.write(original, entry.ending!, shouldContinue)
        }
        guard let digest = written else { return nil }
        var unnamed = replacement
        unnamed.path = unfinished
        let again = try SealedSegmentWalk(
            unnamed, paths, fileSystem: fileSystem, maximumRawBytes: maximum, needsFooter: true)
        defer { again.file.close() }
        guard try again.digest() == digest else {
            throw LogError(
                .damaged,
                "\(paths.relative(entry.path)) was not rewritten: what was written is not what is read back. Nothing was "
                    + "changed; the disk or the memory of this machine is failing", path: unfinished)
        }
        let lengths = try asLogError { () throws(FileSystemError) in
            (try original.file.length(), try again.file.length())
        }
        return PackResult(
            replaced: entry.header.name, name: replacement.header.name, bytesBefore: lengths.0,
            bytesAfter: lengths.1, rawBytes: digest.rawBytes, eventCount: digest.eventCount)
    }

    /// Gives the replacement its name, durably; only then what it replaces is removed.
    private func install(
        _ replacement: CatalogEntry, insteadOf entry: CatalogEntry, _ maintenance: inout Maintenance
    ) throws(LogError) {
        let fileSystem = options.fileSystem
        let log = paths.log
        try exclusively { () throws(FileSystemError) in
            try fileSystem.rename(replacement.unfinishedPath, to: replacement.path)
        }
        try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(log) }
        catalog.withLock { $0.replace(entry.header.name, by: replacement) }
        maintenance.removals.append(entry.path)
        try finishRemovals(&maintenance)
        try namesChanged()
    }

    /// Removes a replacement that does not count, whichever of its names it has, now or after a power cut.
    private func discard(
        _ replacement: CatalogEntry, _ maintenance: inout Maintenance
    ) throws(LogError) {
        guard !entries.contains(where: { $0.path == replacement.path }) else { return }
        maintenance.removals += [replacement.unfinishedPath, replacement.path]
        try finishRemovals(&maintenance)
    }
}

extension CatalogEntry {
    var unfinishedPath: FilePath { FilePath(path.string + SegmentName.unfinishedSuffix) }
}
