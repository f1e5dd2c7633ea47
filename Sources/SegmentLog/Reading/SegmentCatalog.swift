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

/// The segments of a journal in order, read from their headers and checked against one another.
package struct SegmentCatalog: Sendable {
    package private(set) var entries: [CatalogEntry] = []
    package private(set) var problems: [LogProblem] = []
    /// Files whose replacement is there and complete: whoever packed them died before they were removed.
    private(set) var superseded: [CatalogEntry] = []
    /// Replacements that are damaged while what they replace is still there, and serves.
    private(set) var replacementProblems: [LogProblem] = []
    /// The highest id of any segment, also of one that is unfinished or cannot be read: no id is used twice.
    private(set) var highestID: UInt32 = 0
    /// How often this process changed it since it was first read.
    var changes: UInt64 = 0

    /// The first sequence that the log still holds; that of the next event when it holds none.
    package var firstSequence: UInt64 { entries.first?.header.firstSequence ?? 0 }

    /// Reads the directory and each segment's header.
    ///
    /// Problems are collected, not thrown, so that the salvaging reader can go on past them. A directory that another process
    /// changes meanwhile is read again: a listing may lack both a segment that was packed and what takes its place.
    /// - Complexity: one open and one read a segment.
    static func load(
        _ paths: JournalPaths, journal: JournalUUID?, fileSystem: any FileSystem
    ) throws(LogError) -> SegmentCatalog {
        func list() throws(LogError) -> [String] {
            do {
                return try fileSystem.names(inDirectory: paths.log).sorted()
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw LogError(system: error) }
                return []
            }
        }
        var names = try list()
        while true {
            let result: Result<SegmentCatalog, LogError>
            do throws(LogError) {
                result = .success(try read(names, paths, journal: journal, fileSystem: fileSystem))
            } catch {
                result = .failure(error)
            }
            let after = try list()
            if after == names { return try result.get() }
            names = after
        }
    }

    private static func read(
        _ names: [String], _ paths: JournalPaths, journal: JournalUUID?, fileSystem: any FileSystem
    ) throws(LogError) -> SegmentCatalog {
        var catalog = SegmentCatalog()
        for name in names {
            if let segment = SegmentName(name) {
                try catalog.add(segment, paths, journal: journal, fileSystem: fileSystem)
            }
            guard let segment = SegmentName(name) ?? SegmentName(unfinished: name) else { continue }
            catalog.highestID = max(catalog.highestID, segment.id)
        }
        catalog.entries.sort {
            ($0.header.firstSequence, $0.header.originalID, $0.header.id)
                < ($1.header.firstSequence, $1.header.originalID, $1.header.id)
        }
        try catalog.settleReplacements(paths, fileSystem: fileSystem)
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
        guard !entries.isEmpty else {
            if problems.isEmpty {
                problems.append(
                    LogProblem(
                        file: "log", kind: .missingSegment,
                        message: "there is no segment, and a journal always has one"))
            }
            return
        }
        for index in entries.indices.dropFirst() {
            let header = entries[index].header
            let before = entries[index - 1]
            guard let predecessor = header.predecessor, predecessor.originalID == before.header.originalID
            else {
                let last = header.predecessor?.lastSequence ?? header.firstSequence &- 1
                problems.append(
                    missing(
                        header.predecessor, before: entries[index],
                        lost: .checked(before.header.firstSequence, last), paths))
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
        if let last = entries.last, last.header.isPacked {
            problems.append(
                LogProblem(
                    file: paths.relative(last.path), kind: .missingSegment,
                    message: "the segment behind it is missing: the last one is never packed"))
        }
    }

    /// What is missing at the beginning of a log that may begin right behind `floor`; nil when nothing is.
    ///
    /// The log cannot tell whether history was dropped or lost; whoever knows the floor can.
    func missingBeginning(floor: UInt64, _ paths: JournalPaths) -> LogProblem? {
        guard let first = entries.first else { return nil }
        // Only the very first segment has no predecessor, and it begins with 1.
        let isOdd = (first.header.predecessor == nil) != (first.header.firstSequence == 1)
        let isMissing = isOdd && (floor == 0 || first.header.predecessor == nil)
        guard isMissing || first.header.firstSequence - 1 > floor else { return nil }
        return missing(
            first.header.predecessor, before: first,
            lost: .checked(min(floor, first.header.firstSequence) + 1, first.header.firstSequence - 1), paths)
    }

    private func missing(
        _ predecessor: SegmentHeader.Predecessor?, before entry: CatalogEntry, lost: ClosedRange<UInt64>?,
        _ paths: JournalPaths
    ) -> LogProblem {
        let name = predecessor.map { "segment \($0.originalID)" } ?? "a segment"
        return LogProblem(
            file: paths.relative(entry.path), kind: .missingSegment, lost: lost,
            message: "\(name), which comes before it, is missing")
    }

    /// A new segment at the end.
    mutating func append(_ entry: CatalogEntry) {
        changes += 1
        // A reader of this process may have read the directory since the segment got its name.
        guard !entries.contains(where: { $0.header.id == entry.header.id }) else { return }
        if let last = entries.indices.last { entries[last].ending = entry.header.predecessor }
        entries.append(entry)
        highestID = max(highestID, entry.header.id)
    }

    /// A replacement takes the place of the file that it was made from.
    mutating func replace(_ name: SegmentName, by replacement: CatalogEntry) {
        changes += 1
        guard let index = entries.firstIndex(where: { $0.header.name == name }) else { return }
        var entry = replacement
        entry.ending = entries[index].ending
        entries[index] = entry
    }

    /// A segment, the first one, is dropped.
    mutating func remove(_ name: SegmentName) {
        changes += 1
        entries.removeAll { $0.header.name == name }
    }

    /// The removal of what was replaced is finished.
    mutating func forgetSuperseded() { superseded.removeAll() }
}

extension SegmentCatalog {
    /// Of files that are the same segment, the newest that is complete serves.
    ///
    /// A replacement gets its name only when it is durable, so an incomplete one is damaged; what it replaces is there.
    private mutating func settleReplacements(
        _ paths: JournalPaths, fileSystem: any FileSystem
    ) throws(LogError) {
        var settled: [CatalogEntry] = []
        var rest = entries[...]
        while let first = rest.first {
            let same = rest.prefix { $0.header.originalID == first.header.originalID }
            rest = rest.dropFirst(same.count)
            var serving: CatalogEntry?
            for entry in same.reversed() {
                if serving != nil {
                    superseded.append(entry)
                } else if entry.path == first.path {
                    serving = entry
                } else if let problem = SealedSegmentWalk.problem(of: entry, paths, fileSystem: fileSystem) {
                    replacementProblems.append(
                        LogProblem(
                            file: paths.relative(entry.path), kind: .frame,
                            message:
                                "\(problem); the file that it was made from serves, and no event is touched"))
                } else {
                    serving = entry
                }
            }
            settled.append(serving!)
        }
        entries = settled
    }
}
