import JournalFileSystem
package import SystemPackage

/// Makes a damaged log whole: what can be read stays, what a snapshot still has is put in its place, and the rest is a recorded
/// loss, whose sequences no other event gets.
///
/// Only segments with something wrong are written anew. What they were made from is moved aside, not removed. Interrupted, it is
/// done again from what is there. Nobody else may have the journal open.
package struct LogRepair {
    let paths: JournalPaths
    let options: LogOptions
    /// Everything up to here may be missing.
    let floor: UInt64
    /// The last event that something else than the log knows of.
    let knownThrough: UInt64
    let survivors: [RepairSurvivor]
    /// What is wrong with a frame's events.
    let problem: LogSurvey.Visit

    package init(
        _ directory: FilePath, _ options: LogOptions, floor: UInt64, knownThrough: UInt64,
        survivors: [RepairSurvivor], problem: @escaping LogSurvey.Visit
    ) {
        paths = JournalPaths(directory)
        self.options = options.confined(to: directory)
        self.floor = floor
        self.knownThrough = knownThrough
        self.survivors = survivors
        self.problem = problem
    }

    /// The directory that damaged files are moved to.
    package static let damagedDirectory = "damaged"

    private var fileSystem: any FileSystem { options.fileSystem }
    private static let defaultFrameBytes = 1 << 30

    /// The log while it is put together, from the first segment on.
    private struct Progress {
        var result = RepairResult()
        var nextID: UInt32
        /// What the next segment continues from; nil before the first.
        var predecessor: SegmentHeader.Predecessor?
        var lastSequence: UInt64
        var lastRecordedMicroseconds: Int64
        /// The last segment is packed: an empty one must follow.
        var endsPacked = false
        var renames: [(from: FilePath, to: FilePath)] = []
        var setAside: [FilePath] = []
    }

    /// - Parameters:
    ///   - applies: false says what would be done.
    ///   - willApply: Called when others are locked out, before anything is changed.
    package func run(
        applies: Bool, willApply: () throws(LogError) -> Void = { () throws(LogError) in }
    ) throws(LogError) -> RepairResult {
        let opening = LogOpening(paths: paths, options: options)
        let identity = try? opening.readIdentity()
        let lockFile = applies ? try lock() : nil
        defer { lockFile?.close() }
        if applies {
            try willApply()
            try opening.removeUnfinished()
        }
        var journal = identity?.journal
        if journal == nil { journal = try firstJournal() }
        let catalog = try SegmentCatalog.load(paths, journal: journal, fileSystem: fileSystem)
        guard let first = catalog.entries.first else {
            throw LogError(
                .damaged,
                "No segment of the log can be read: there is nothing to repair. Restore the journal from a backup",
                path: paths.log)
        }
        var progress = Progress(
            nextID: try max(catalog.highestID, highestSetAsideID()) + 1, lastSequence: floor,
            lastRecordedMicroseconds: .max)
        for problem in catalog.problems {
            switch problem.kind {
            case .segmentHeader, .foreignSegment:
                progress.setAside.append(paths.directory.appending(problem.file))
            case .unsupported: throw problem.error(in: paths)
            default: break
            }
        }
        progress.setAside += catalog.superseded.map(\.path)
        progress.setAside += catalog.replacementProblems.map { paths.directory.appending($0.file) }
        let maximum = identity?.maximumFrameBytes ?? LogRepair.defaultFrameBytes
        for (index, entry) in catalog.entries.enumerated() {
            try fillGap(before: entry, isFirst: index == 0, catalog, applies, maximum, &progress)
            try repair(
                entry, isLast: index == catalog.entries.count - 1, applies, maximum, &progress)
        }
        if progress.endsPacked { try addActive(first.header.journal, applies, &progress) }
        progress.result.setAside = progress.setAside.map { paths.relative($0) }
        if applies {
            try install(progress, lockFile!)
            if identity == nil { try writeIdentity(first.header) }
        }
        return progress.result
    }

    // MARK: Segments

    /// In the place of segments that are not there.
    private func fillGap(
        before entry: CatalogEntry, isFirst: Bool, _ catalog: SegmentCatalog, _ applies: Bool,
        _ maximum: Int, _ progress: inout Progress
    ) throws(LogError) {
        let header = entry.header
        if isFirst {
            guard catalog.missingBeginning(floor: floor, paths) != nil else {
                progress.lastSequence = header.firstSequence - 1
                progress.result.firstSequence = header.firstSequence
                return
            }
            progress.result.firstSequence = floor + 1
        } else if header.predecessor == progress.predecessor {
            return
        }
        guard let original = header.predecessor, header.firstSequence > progress.lastSequence,
            original.lastSequence == header.firstSequence - 1,
            original.originalID > progress.predecessor?.originalID ?? 0
        else {
            throw LogError(
                .damaged,
                "\(paths.relative(entry.path)) does not say what comes before it as a segment must: that cannot be repaired. "
                    + "Restore the journal from a backup; `export --salvage` reads what is there",
                path: entry.path)
        }
        let first = progress.lastSequence + 1
        var made = SegmentHeader(
            id: progress.nextID, journal: header.journal, firstSequence: first,
            createdMicroseconds: min(
                progress.predecessor == nil
                    ? survivors.first { $0.sequence >= first }?.recordedMicroseconds ?? .max
                    : progress.lastRecordedMicroseconds, header.createdMicroseconds),
            salt: UInt32(truncatingIfNeeded: options.random()), secret: (0..<4).map { _ in options.random() },
            predecessor: progress.predecessor
                ?? (first > 1
                    ? .init(originalID: .max, chain: 0, lastSequence: first - 1, end: 0) : nil))
        made.flags = SegmentHeader.packedFlag
        made.originalID = original.originalID
        made.replacedID = original.originalID
        try checkFits(made, upTo: original.lastSequence)
        var segment = RepairedSegment(made, survivors, maximumRawBytes: maximum)
        segment.lose(upTo: original.lastSequence)
        try finish(&segment, original, nil, applies, maximum, &progress)
    }

    private func repair(
        _ entry: CatalogEntry, isLast: Bool, _ applies: Bool, _ maximum: Int, _ progress: inout Progress
    ) throws(LogError) {
        var segment = RepairedSegment(
            entry.header.packed(
                id: progress.nextID, salt: UInt32(truncatingIfNeeded: options.random())), survivors,
            maximumRawBytes: maximum)
        let record = try cleanCloseRecord()
        let found = try LogSurvey.salvage(entry, isLast: isLast, record, paths, fileSystem, maximum) {
            frame, payload in
            // What may be passed over is kept, as are losses of before.
            if !frame.header.isSkippable, let wrong = problem(frame, payload) { return wrong }
            segment.take(frame, payload)
            return nil
        }
        var wanted = entry.ending?.lastSequence ?? segment.lastSequence
        if isLast {
            wanted = max(wanted, knownThrough)
            wanted = max(wanted, try visibleAtTheEnd(beyond: entry, progress.setAside))
            if case .record(let record) = record { wanted = max(wanted, record.lastSequence) }
        }
        guard !found.problems.isEmpty || segment.lastSequence != wanted || !entry.badHeaderCopies.isEmpty
        else {
            progress.predecessor = entry.ending ?? found.end
            progress.lastSequence = wanted
            progress.lastRecordedMicroseconds = segment.lastRecordedMicroseconds
            progress.endsPacked = isLast && entry.header.isPacked
            return
        }
        try checkFits(entry.header, upTo: wanted)
        segment.lose(upTo: wanted)
        progress.setAside.append(entry.path)
        let original =
            entry.ending
            ?? SegmentHeader.Predecessor(
                originalID: entry.header.originalID, chain: entry.header.chain,
                lastSequence: segment.lastSequence, end: SegmentHeader.framesOffset)
        try finish(
            &segment, original, entry.header.isErased ? found.salts ?? EventSalts(seeds: []) : nil, applies,
            maximum, &progress)
        progress.endsPacked = isLast
    }

    /// A segment's frames say how far their events are from its first one, in 32 bits. No segment is so long that more could be lost with
    /// it; a lock file or a note that says so is not what was written.
    private func checkFits(_ header: SegmentHeader, upTo last: UInt64) throws(LogError) {
        guard last >= header.firstSequence, last - header.firstSequence > LogRepair.mostSequences else {
            return
        }
        throw LogError(
            .damaged,
            "Sequences up to \(last) would be lost, and the log's last segment begins with \(header.firstSequence): no log lost so many. "
                + "What says so (\(paths.lock), or \(UnfinishedRepair.file)) is not what was written. Move it away, and repair again",
            path: paths.directory)
    }

    private static let mostSequences: UInt64 = 1 << 31

    private func finish(
        _ segment: inout RepairedSegment, _ original: SegmentHeader.Predecessor, _ salts: EventSalts?,
        _ applies: Bool, _ maximum: Int, _ progress: inout Progress
    ) throws(LogError) {
        let path = paths.segment(segment.header.name)
        if applies {
            let unfinished = FilePath(path.string + SegmentName.unfinishedSuffix)
            try segment.write(to: unfinished, original, salts, fileSystem)
            try readBack(
                CatalogEntry(path: unfinished, header: segment.header, ending: original), maximum)
            progress.renames.append((unfinished, path))
        }
        for loss in segment.result.losses { progress.result.lose(loss) }
        progress.result.restored += segment.result.restored
        progress.result.rewritten.append(paths.relative(path))
        progress.nextID += 1
        progress.predecessor = original
        progress.lastSequence = segment.lastSequence
        progress.lastRecordedMicroseconds = segment.lastRecordedMicroseconds
    }

    /// Reads what was written, from its first frame to its end. Only then what it was made from is moved aside.
    private func readBack(_ written: CatalogEntry, _ maximum: Int) throws(LogError) {
        let walk = try SealedSegmentWalk(
            written, paths, fileSystem: fileSystem, maximumRawBytes: maximum, needsFooter: true)
        defer { walk.file.close() }
        _ = try walk.digest()
    }

    /// A packed segment has a successor always.
    private func addActive(
        _ journal: JournalUUID, _ applies: Bool, _ progress: inout Progress
    ) throws(LogError) {
        let header = SegmentFactory(options, paths).header(
            id: progress.nextID, journal: journal, firstSequence: progress.lastSequence + 1,
            createdMicroseconds: progress.lastRecordedMicroseconds, predecessor: progress.predecessor)
        let path = paths.segment(header.name)
        progress.result.rewritten.append(paths.relative(path))
        guard applies else { return }
        let unfinished = FilePath(path.string + SegmentName.unfinishedSuffix)
        let fileSystem = fileSystem
        try asLogError { () throws(FileSystemError) in
            let file = try fileSystem.openFile(unfinished, .createNew)
            defer { file.close() }
            try file.write(header.twice, at: 0)
            try file.sync()
        }
        progress.renames.append((unfinished, path))
    }

    // MARK: Files

    /// Where the last segment's header is lost, how far it came is told by nothing but the shared page, as a killed writer left it.
    private func visibleAtTheEnd(
        beyond entry: CatalogEntry, _ setAside: [FilePath]
    ) throws(LogError) -> UInt64 {
        var bound: UInt64 = 0
        for path in setAside {
            guard let name = path.lastComponent.flatMap({ SegmentName($0.string) }),
                name.firstSequence > entry.header.firstSequence
            else { continue }
            let fileSystem = fileSystem
            let length = try asLogError { () throws(FileSystemError) in
                try fileSystem.status(of: path)?.length ?? 0
            }
            // No event takes less than a byte, but for many that are the same.
            bound = max(bound, name.firstSequence - 1 + 8 * length)
        }
        guard bound > 0, let file = try? fileSystem.openFile(paths.lock, .readOnly) else { return 0 }
        defer { file.close() }
        let page = try LogOpening.readPage(file)
        guard page.count >= LockFile.length else { return 0 }
        let visible: UInt64 = page.withUnsafeBytes { $0.little(LockFile.visibleOffset) }
        return visible <= bound ? visible : 0
    }

    /// No id is used twice, also not one of a segment that a repair set aside.
    private func highestSetAsideID() throws(LogError) -> UInt32 {
        let (fileSystem, damaged) = (fileSystem, paths.directory.appending(LogRepair.damagedDirectory))
        return try asLogError { () throws(FileSystemError) in
            guard try fileSystem.status(of: damaged)?.kind == .directory else { return 0 }
            // One whose name was taken has a number behind it.
            return try fileSystem.names(inDirectory: damaged).compactMap { name in
                SegmentName(String(name.prefix { $0 != "~" }))?.id
            }.max() ?? 0
        }
    }

    private func cleanCloseRecord() throws(LogError) -> CleanCloseRecord.Found {
        guard let file = try? fileSystem.openFile(paths.lock, .readOnly) else { return .none }
        defer { file.close() }
        return try LogOpening.readPage(file).withUnsafeBytes { CleanCloseRecord.read($0) }
    }

    /// Whose journal it is, as its first readable segment says.
    private func firstJournal() throws(LogError) -> JournalUUID? {
        let (fileSystem, paths) = (fileSystem, paths)
        let names = try asLogError { () throws(FileSystemError) in
            try fileSystem.names(inDirectory: paths.log).compactMap { SegmentName($0) }
        }
        for name in names.sorted(by: { $0.id < $1.id }) {
            let found = try SegmentCatalog.readHeader(paths.segment(name), fileSystem: fileSystem).header
            if let found { return found.journal }
        }
        return nil
    }

    private func lock() throws(LogError) -> any File {
        try BackupTarget(
            paths: paths, fileSystem: fileSystem, journal: JournalUUID(high: 0, low: 0)
        ).lock()
    }

    private func install(_ progress: Progress, _ lockFile: any File) throws(LogError) {
        let (fileSystem, paths) = (fileSystem, paths)
        try asLogError { () throws(FileSystemError) in
            // It vouches for an end that the log may not have any more.
            try lockFile.truncate(to: 0)
            try lockFile.allocate(0..<UInt64(LockFile.length))
            try lockFile.sync()
            for (from, to) in progress.renames { try fileSystem.rename(from, to: to) }
            try fileSystem.syncDirectory(paths.log)
        }
        for path in progress.setAside { try setAside(path) }
    }

    /// Moves a file out of the way, durably, if it is there.
    package func setAside(_ path: FilePath) throws(LogError) {
        let (fileSystem, paths) = (fileSystem, paths)
        let damaged = paths.directory.appending(LogRepair.damagedDirectory)
        try asLogError { () throws(FileSystemError) in
            guard try fileSystem.status(of: path) != nil else { return }
            let target = try fileSystem.freeName(of: path, in: damaged)
            try fileSystem.rename(path, to: target)
            try fileSystem.syncDirectory(damaged)
            try fileSystem.syncDirectory(path.removingLastComponent())
        }
    }

    /// Keeps a copy of a damaged file that another one is about to replace, durably.
    package func copyAside(_ path: FilePath) throws(LogError) {
        let (fileSystem, damaged) = (
            fileSystem, paths.directory.appending(LogRepair.damagedDirectory)
        )
        try asLogError { () throws(FileSystemError) in
            let source = try fileSystem.openFile(path, .readOnly)
            defer { source.close() }
            let copy = try fileSystem.openFile(try fileSystem.freeName(of: path, in: damaged), .createNew)
            defer { copy.close() }
            let length = try source.length()
            for start in stride(from: 0, to: length, by: LogRepair.copiedBytes) {
                let piece = try source.read(
                    Int(min(UInt64(LogRepair.copiedBytes), length - start)), at: start)
                try copy.write(piece, at: start)
            }
            try copy.sync()
            try fileSystem.syncDirectory(damaged)
        }
    }

    private static let copiedBytes = 1 << 20

    /// What the segments do not say of it is as large as it can be.
    private func writeIdentity(_ header: SegmentHeader) throws(LogError) {
        let fileSystem = fileSystem
        let isThere = try asLogError { () throws(FileSystemError) in
            try fileSystem.status(of: paths.identity) != nil
        }
        if isThere { try copyAside(paths.identity) }
        let identity = JournalIdentity(
            journal: header.journal, created: options.formatTime(header.createdMicroseconds),
            maximumContentBytes: LogRepair.defaultFrameBytes / 4,
            maximumFrameBytes: LogRepair.defaultFrameBytes)
        let creation = JournalCreation(paths: paths, options: options)
        try asLogError { () throws(FileSystemError) in try creation.writeIdentity(identity) }
    }
}
