import JournalFileSystem
package import SystemPackage

/// A segment as the log knows it: its header, and where its successor says that it ends.
package struct CatalogEntry: Sendable {
    package var path: FilePath
    package var header: SegmentHeader
    /// What the successor's header says of this one; nil for the last segment.
    package var ending: SegmentHeader.Predecessor?
    /// Which copies of the header could not be read.
    package var badHeaderCopies: [Int] = []
}

/// Something found wrong in the journal's files.
package struct LogProblem: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case identity
        case missingSegment = "missing_segment"
        case segmentHeader = "segment_header"
        case headerCopy = "segment_header_copy"
        case foreignSegment = "foreign_segment"
        case frame
        case event
        case padding
        case cleanCloseRecord = "clean_close_record"
        case unsupported
    }
    /// Relative to the journal's directory.
    package var file: String
    package var offset: UInt64?
    package var kind: Kind
    /// The sequences that cannot be read because of it, as far as they are known.
    package var lost: ClosedRange<UInt64>?
    package var message: String

    package init(
        file: String, offset: UInt64? = nil, kind: Kind, lost: ClosedRange<UInt64>? = nil, message: String
    ) {
        self.file = file
        self.offset = offset
        self.kind = kind
        self.lost = lost
        self.message = message
    }

    /// The error that refuses to go on because of it.
    func error(in paths: JournalPaths) -> LogError {
        var text = "\(file)\(offset.map { " is damaged at offset \($0)" } ?? ""): \(message)"
        if let lost {
            text += "; sequences \(lost.lowerBound) to \(lost.upperBound) cannot be read"
        }
        text +=
            ". Nothing was changed. Run `agent-journal verify` for all that is wrong; `export --salvage` and "
        text += "`log --salvage` read what lies on either side"
        return LogError(
            kind == .unsupported ? .unsupported : .damaged, text, path: paths.directory.appending(file),
            offset: offset, sequences: lost)
    }
}

extension ClosedRange<UInt64> {
    /// Nil when `upper` is below `lower`.
    static func checked(_ lower: UInt64, _ upper: UInt64) -> ClosedRange<UInt64>? {
        lower <= upper ? lower...upper : nil
    }
}

/// The segments of a journal in order, read from their headers and checked against one another.
package struct SegmentCatalog: Sendable {
    package private(set) var entries: [CatalogEntry] = []
    package private(set) var problems: [LogProblem] = []

    /// Reads the directory and each segment's header.
    ///
    /// Problems are collected, not thrown, so that the salvaging reader can go on past them.
    /// - Complexity: one open and one read a segment.
    static func load(
        _ paths: JournalPaths, journal: JournalUUID?, fileSystem: any FileSystem
    ) throws(LogError) -> SegmentCatalog {
        var catalog = SegmentCatalog()
        let names: [String]
        do {
            names = try fileSystem.names(inDirectory: paths.log)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw LogError(system: error) }
            catalog.link(paths)
            return catalog
        }
        for name in names.compactMap({ SegmentName($0) }).sorted(by: {
            ($0.id, $0.firstSequence) < ($1.id, $1.firstSequence)
        }) {
            try catalog.add(name, paths, journal: journal, fileSystem: fileSystem)
        }
        catalog.link(paths)
        return catalog
    }

    private mutating func add(
        _ name: SegmentName, _ paths: JournalPaths, journal: JournalUUID?, fileSystem: any FileSystem
    ) throws(LogError) {
        let path = paths.segment(name)
        let file = paths.relative(path)
        let (header, bad) = try SegmentCatalog.readHeader(path, fileSystem: fileSystem)
        guard let header else {
            problems.append(
                LogProblem(
                    file: file, offset: 0, kind: .segmentHeader,
                    message: "neither copy of the header is valid"))
            return
        }
        guard header.isSupported else {
            problems.append(
                LogProblem(
                    file: file, offset: 8, kind: .unsupported,
                    message: "written by a newer version (needs a reader of version \(header.minimumReader))")
            )
            return
        }
        guard journal == nil || header.journal == journal else {
            problems.append(
                LogProblem(
                    file: file, offset: 16, kind: .foreignSegment,
                    message: "the segment belongs to another journal, \(header.journal)"))
            return
        }
        guard header.belongs(to: name) else {
            problems.append(
                LogProblem(
                    file: file, offset: 0, kind: .segmentHeader,
                    message: "the header is that of \(header.name)"))
            return
        }
        entries.append(CatalogEntry(path: path, header: header, badHeaderCopies: bad))
    }

    /// Both copies are read; the first valid one serves.
    static func readHeader(
        _ path: FilePath, fileSystem: any FileSystem
    ) throws(LogError) -> (header: SegmentHeader?, badCopies: [Int]) {
        let file = try asLogError { () throws(FileSystemError) in try fileSystem.openFile(path, .readOnly) }
        defer { file.close() }
        let bytes = try asLogError { () throws(FileSystemError) in
            try file.read(Int(SegmentHeader.framesOffset), at: 0)
        }
        var header: SegmentHeader?
        var bad: [Int] = []
        bytes.withUnsafeBytes { raw in
            for offset in SegmentHeader.copyOffsets {
                let copy =
                    offset + SegmentHeader.length <= raw.count
                    ? SegmentHeader(
                        UnsafeRawBufferPointer(rebasing: raw[offset..<(offset + SegmentHeader.length)]))
                    : nil
                if let copy, header == nil || header == copy { header = copy } else { bad.append(offset) }
            }
        }
        return (header, bad)
    }

    /// Takes from each header where its predecessor ends, and notices who is missing.
    private mutating func link(_ paths: JournalPaths) {
        guard let first = entries.first else {
            if problems.isEmpty {
                problems.append(
                    LogProblem(
                        file: "log", kind: .missingSegment,
                        message: "there is no segment, and a journal always has one"))
            }
            return
        }
        if first.header.predecessor != nil || first.header.firstSequence != 1 {
            noteMissing(
                first.header.predecessor, before: first, lost: .checked(1, first.header.firstSequence - 1),
                paths)
        }
        for index in entries.indices.dropFirst() {
            let header = entries[index].header
            let before = entries[index - 1]
            guard let predecessor = header.predecessor, predecessor.originalID == before.header.originalID
            else {
                let last = header.predecessor?.lastSequence ?? header.firstSequence &- 1
                noteMissing(
                    header.predecessor, before: entries[index],
                    lost: .checked(before.header.firstSequence, last), paths)
                continue
            }
            guard header.firstSequence == predecessor.lastSequence &+ 1 else {
                problems.append(
                    LogProblem(
                        file: paths.relative(entries[index].path), offset: 32, kind: .segmentHeader,
                        message:
                            "it begins with sequence \(header.firstSequence) and says that the segment before it ends with "
                            + "\(predecessor.lastSequence)"))
                continue
            }
            entries[index - 1].ending = predecessor
        }
    }

    private mutating func noteMissing(
        _ predecessor: SegmentHeader.Predecessor?, before entry: CatalogEntry, lost: ClosedRange<UInt64>?,
        _ paths: JournalPaths
    ) {
        let name = predecessor.map { "segment \($0.originalID)" } ?? "a segment"
        problems.append(
            LogProblem(
                file: paths.relative(entry.path), kind: .missingSegment, lost: lost,
                message: "\(name), which comes before it, is missing"))
    }

    /// A new segment at the end.
    mutating func append(_ entry: CatalogEntry) {
        if let last = entries.indices.last { entries[last].ending = entry.header.predecessor }
        entries.append(entry)
    }
}
