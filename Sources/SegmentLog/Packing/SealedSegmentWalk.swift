import JournalFileSystem

/// Reads a sealed segment from its first frame to its last, checking each, and that it ends as its successor says.
struct SealedSegmentWalk {
    let file: any File
    let cursor: FrameCursor
    private let entry: CatalogEntry
    private let footer: PackedFooter?
    private let end: SegmentEnd
    private let paths: JournalPaths

    /// - Parameter needsFooter: a packed segment whose footer is damaged is refused too.
    init(
        _ entry: CatalogEntry, _ paths: JournalPaths, fileSystem: any FileSystem, maximumRawBytes: Int,
        needsFooter: Bool = false
    ) throws(LogError) {
        let opened = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        footer = entry.header.isPacked ? try PackedFooter.read(opened, entry.header) : nil
        guard let end = entry.end(footer), footer != nil || !(needsFooter && entry.header.isPacked) else {
            opened.close()
            throw SealedSegmentWalk.indexProblem(entry, paths)
        }
        file = opened
        cursor = FrameCursor(
            opened, path: entry.path, header: entry.header, maximumRawBytes: maximumRawBytes)
        self.entry = entry
        self.end = end
        self.paths = paths
    }

    /// The next frame; its payload is the cursor's. Nil at the right end.
    ///
    /// - Throws: `damaged`, `unsupported`, `system`.
    func next() throws(LogError) -> FrameCursor.Frame? {
        if end.isReached(by: cursor) {
            guard end.isRight(cursor), entry.agrees(with: footer) else {
                throw problem("the segment does not end as it must")
            }
            return nil
        }
        switch try cursor.next(.payload) {
        case .frame(let frame):
            guard !end.isPassed(by: frame) else { throw problem("a frame reaches beyond the segment's end") }
            return frame
        case .invalid(let reason): throw problem(reason)
        case .unsupported(let what): throw Tail.unsupported(what, at: cursor.offset, entry, paths)
        }
    }

    private func problem(_ message: String) -> LogError {
        let lost = cursor.lostSequences(from: cursor.offset, upTo: end, last: end.lastSequence)
        return LogProblem(
            file: paths.relative(entry.path), offset: cursor.offset, kind: .frame, lost: lost,
            message: message
        ).error(in: paths)
    }

    /// Of an erased segment, what is left of its secret.
    var seeds: EventSalts? { footer?.salts }

    /// What gives the salts of those events that are not erased.
    func salts() throws(LogError) -> EventSalts {
        if let seeds { return seeds }
        guard !entry.header.isErased else { throw indexProblem }
        return EventSalts(secret: entry.header.secret)
    }

    private var indexProblem: LogError { SealedSegmentWalk.indexProblem(entry, paths) }

    private static func indexProblem(_ entry: CatalogEntry, _ paths: JournalPaths) -> LogError {
        LogProblem(
            file: paths.relative(entry.path), kind: .index, message: "the index at the end is damaged"
        ).error(in: paths)
    }

    /// What all events of the segment come to.
    func digest() throws(LogError) -> EventDigest {
        var digest = EventDigest()
        while let frame = try next() { digest.add(frame, cursor.payload) }
        digest.finish()
        return digest
    }

    /// What is wrong with a packed segment by itself; nil when nothing is.
    ///
    /// - Complexity: linear in the segment, which is read.
    static func problem(
        of entry: CatalogEntry, _ paths: JournalPaths, fileSystem: any FileSystem
    ) -> String? {
        do throws(LogError) {
            let walk = try SealedSegmentWalk(
                entry, paths, fileSystem: fileSystem, maximumRawBytes: Int(UInt32.max), needsFooter: true)
            _ = try walk.digest()
            return nil
        } catch {
            return "the packed segment is damaged" + (error.offset.map { " at offset \($0)" } ?? "")
        }
    }
}
