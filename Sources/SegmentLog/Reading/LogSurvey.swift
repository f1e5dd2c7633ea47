package import JournalFileSystem
package import SystemPackage

/// Reads everything that can be read of a journal's log, past whatever is damaged, and says what could not be.
///
/// `verify` is this with nothing done with the frames; salvage is this with the events taken from them. It opens
/// nothing for writing, takes no lock, and works beside a writer.
package final class LogSurvey {
    package let paths: JournalPaths
    private let fileSystem: any FileSystem
    /// What was found wrong, in the order of the files.
    package internal(set) var problems: [LogProblem] = []
    /// What is not as it was left by a clean close, and is no damage.
    package internal(set) var notes: [String] = []
    package private(set) var segmentCount = 0
    package private(set) var frameCount: UInt64 = 0
    package private(set) var eventCount: UInt64 = 0
    package private(set) var rawBytes: UInt64 = 0
    package private(set) var lastSequence: UInt64 = 0
    /// Events that are known to be lost: a repair has recorded that.
    package private(set) var losses: [ClosedRange<UInt64>] = []

    /// Takes a frame's raw payload; returns what is wrong with it, or nil.
    package typealias Visit = (FrameCursor.Frame, UnsafeRawBufferPointer) -> String?

    private let visit: Visit
    private let floor: () -> UInt64
    /// What a writer shows: what lies behind it is still being written. Nil when there is no writer.
    private var visible: UInt64?
    private(set) var record = CleanCloseRecord.Found.none
    private var maximumRawBytes = 64 << 20
    /// Whether frames that may be passed over are visited too.
    private var visitsAll = false
    /// Of the segment that was read last.
    private var lastCursor: FrameCursor?
    private var lastFooter: PackedFooter?

    /// - Parameter floor: everything up to this sequence may be missing, because it was dropped; asked for when
    ///   everything is read.
    package init(
        _ directory: FilePath, fileSystem: any FileSystem, floor: @autoclosure @escaping () -> UInt64 = 0,
        visit: @escaping Visit = { _, _ in nil }
    ) {
        self.floor = floor
        paths = JournalPaths(directory)
        self.fileSystem = fileSystem.confined(to: directory)
        self.visit = visit
    }

    /// Reads everything.
    ///
    /// - Throws: `missing`, `notAJournal`, `unsupported` (a newer journal), `system` when a file cannot be read at all.
    package func run() throws(LogError) {
        let opening = LogOpening(
            paths: paths, options: LogOptions(fileSystem: fileSystem, now: { 0 }, formatTime: { "\($0)" }))
        let journal = try readIdentity(opening)
        try readLock()
        var catalog = try SegmentCatalog.load(paths, journal: journal, fileSystem: fileSystem)
        segmentCount = catalog.entries.count + catalog.problems.count { $0.kind != .missingSegment }
        let beginning = (catalog: catalog, place: problems.count)
        problems += catalog.problems + catalog.replacementProblems
        // Of a log whose events were all dropped the segment that is left says how far it had come.
        lastSequence = catalog.entries.first.map { $0.header.firstSequence - 1 } ?? 0
        for entry in catalog.superseded {
            notes.append(
                "\(paths.relative(entry.path)): it was packed; the next opening for writing removes it")
        }
        for entry in catalog.entries {
            do {
                try survey(entry, isLast: entry.header.id == catalog.entries.last?.header.id)
            } catch {
                guard error.cause?.errno == .noSuchFileOrDirectory else { throw error }
                // It was packed or dropped meanwhile.
                let fresh = try SegmentCatalog.load(paths, journal: journal, fileSystem: fileSystem)
                try surveyAnew(entry, fresh)
                catalog = fresh
            }
        }
        noteMissingEnd(catalog)
        if let missing = beginning.catalog.missingBeginning(floor: floor(), paths) {
            problems.insert(missing, at: beginning.place)
        }
    }

    private func surveyAnew(_ entry: CatalogEntry, _ fresh: SegmentCatalog) throws(LogError) {
        if let packed = fresh.entries.first(where: { $0.header.originalID == entry.header.originalID }) {
            try survey(packed, isLast: false)
        } else if fresh.firstSequence > entry.header.firstSequence {
            notes.append("\(paths.relative(entry.path)): it was dropped while this went on")
        } else {
            problems.append(
                LogProblem(
                    file: paths.relative(entry.path), kind: .missingSegment,
                    lost: .checked(entry.header.firstSequence, entry.ending?.lastSequence ?? 0),
                    message: "it is gone"))
        }
    }

    /// Without an identity that can be read the segments still say which journal they belong to.
    private func readIdentity(_ opening: LogOpening) throws(LogError) -> JournalUUID? {
        do throws(LogError) {
            guard try JournalCreation(paths: paths, options: opening.options).inspect() == .journal else {
                throw LogError(
                    .missing, "There is no journal in \(paths.directory) (is the right volume mounted?)",
                    path: paths.directory)
            }
            let identity = try opening.readIdentity()
            maximumRawBytes = identity.maximumFrameBytes
            return identity.journal
        } catch {
            guard error.kind == .damaged else { throw error }
            problems.append(
                LogProblem(
                    file: JournalIdentity.fileName, offset: error.offset, kind: .identity,
                    message: error.offset == nil
                        ? "it is missing, and there are segments"
                        : "it is not what was written when the journal was made"))
            return nil
        }
    }

    private func readLock() throws(LogError) {
        let file: any File
        do {
            file = try fileSystem.openFile(paths.lock, .readOnly)
        } catch {
            // Without it all is read; but no other command would work.
            guard error.refusal == nil else { throw LogError(system: error) }
            return
        }
        defer { file.close() }
        let page = try LogOpening.readPage(file)
        record = page.withUnsafeBytes { CleanCloseRecord.read($0) }
        if record == .unreadable {
            problems.append(
                LogProblem(
                    file: LockFile.fileName, offset: UInt64(LockFile.markOffset), kind: .cleanCloseRecord,
                    message: "the clean-close record is damaged; the log's own evidence is used instead"))
        }
        let isWritten = try asLogError { () throws(FileSystemError) in
            try file.isLockedByOther(LockFile.openersRange, .exclusive)
        }
        if isWritten {
            visible = page.withUnsafeBytes { $0.little(LockFile.visibleOffset) }
        } else {
            notePage(page)
        }
    }

    /// The last segment that a clean close names is not there.
    private func noteMissingEnd(_ catalog: SegmentCatalog) {
        guard case .record(let record) = record, let last = catalog.entries.last,
            record.segment > last.header.originalID
        else { return }
        problems.append(
            LogProblem(
                file: "log", kind: .missingSegment, lost: .checked(lastSequence + 1, record.lastSequence),
                message: "the last clean close names segment \(record.segment), which is missing"))
    }

    // MARK: One segment

    /// A stretch that could not be read.
    private struct Gap {
        var offset: UInt64
        var sequence: UInt64
        var reason: String
    }

    private func survey(_ entry: CatalogEntry, isLast: Bool) throws(LogError) {
        let name = paths.relative(entry.path)
        for offset in entry.badHeaderCopies {
            problems.append(
                LogProblem(
                    file: name, offset: UInt64(offset), kind: .headerCopy,
                    message: "this copy of the header is damaged; the other serves"))
        }
        let fileSystem = fileSystem
        let file = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(entry.path, .readOnly)
        }
        defer { file.close() }
        try checkHeaderGaps(file, name)
        let footer = try readFooter(file, entry, name)
        let end = entry.end(footer)
        let cursor = FrameCursor(
            file, path: entry.path, header: entry.header, maximumRawBytes: maximumRawBytes)
        lastCursor = cursor
        lastFooter = footer
        var gap: Gap?
        while !isAtEnd(cursor, end) {
            switch try cursor.next(.payload) {
            case .frame(let frame):
                close(&gap, before: frame.firstSequence, name)
                take(frame, cursor.payload, name)
            case .unsupported(let what):
                problems.append(
                    LogProblem(
                        file: name, offset: cursor.offset, kind: .unsupported,
                        message: "\(what) is not known to this version and must be understood"))
                return
            case .invalid(let reason):
                if isLast, !entry.header.isPacked, gap == nil, try isEnd(cursor, entry, name, file) { return }
                if gap == nil {
                    gap = Gap(offset: cursor.offset, sequence: cursor.nextSequence, reason: reason)
                }
                let next = try nextHeader(cursor, end, isLast: isLast && !entry.header.isPacked)
                guard let next else {
                    closeAtEnd(&gap, end, name)
                    return
                }
                cursor.jump(to: next)
            }
        }
        closeAtEnd(&gap, end, name)
        checkEnding(cursor, entry, end, agrees: entry.agrees(with: footer), name)
        if let offset = end?.offset { try checkLength(file, atLeast: offset, name) }
        if !entry.header.isPacked, let offset = end?.offset, try cursor.hasBytes(from: offset) {
            notes.append(
                "\(name): behind its end, offset \(offset), lie bytes that are never read: what an unclean end left, or damage"
            )
        }
    }

    /// Reads one segment, past whatever is damaged.
    ///
    /// - Returns: what is wrong with it; of its end what the frames say; and of an erased one what is left of its secret.
    static func salvage(
        _ entry: CatalogEntry, isLast: Bool, _ record: CleanCloseRecord.Found, _ paths: JournalPaths,
        _ fileSystem: any FileSystem, _ maximumRawBytes: Int, visit: @escaping Visit
    ) throws(LogError) -> (problems: [LogProblem], end: SegmentHeader.Predecessor, salts: EventSalts?) {
        let survey = LogSurvey(paths.directory, fileSystem: fileSystem, visit: visit)
        survey.visitsAll = true
        survey.record = record
        survey.maximumRawBytes = maximumRawBytes
        survey.lastSequence = entry.header.firstSequence - 1
        try survey.survey(entry, isLast: isLast)
        if let problem = survey.problems.first(where: { $0.kind == .unsupported }) {
            throw problem.error(in: paths)
        }
        let cursor = survey.lastCursor!
        let end = SegmentHeader.Predecessor(
            originalID: entry.header.originalID, chain: cursor.chain, lastSequence: survey.lastSequence,
            end: cursor.offset)
        return (survey.problems, survey.lastFooter?.original ?? end, survey.lastFooter?.salts)
    }

    private func isAtEnd(_ cursor: FrameCursor, _ end: SegmentEnd?) -> Bool {
        if let end { return end.isReached(by: cursor) }
        if let visible { return cursor.nextSequence > visible }
        return false
    }

    private func take(_ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer, _ name: String) {
        // Frames that were written again stand in two segments while the first is damaged.
        guard frame.lastSequence > lastSequence else { return }
        if !frame.isPaddingClean {
            problems.append(
                LogProblem(
                    file: name, offset: frame.offset, kind: .padding,
                    message: "the zeros behind the frame's data are not zeros; no event is touched"))
        }
        frameCount += 1
        if frame.header.isLost {
            losses.append(frame.firstSequence...frame.lastSequence)
        } else {
            eventCount += UInt64(frame.header.eventCount)
        }
        rawBytes += UInt64(frame.header.rawLength)
        lastSequence = frame.lastSequence
        guard visitsAll || !frame.header.isSkippable, let wrong = visit(frame, payload) else { return }
        problems.append(
            LogProblem(
                file: name, offset: frame.offset, kind: .event,
                lost: frame.firstSequence...frame.lastSequence,
                message: wrong))
    }

    private func close(_ gap: inout Gap?, before sequence: UInt64, _ name: String) {
        guard let found = gap else { return }
        gap = nil
        problems.append(
            LogProblem(
                file: name, offset: found.offset, kind: .frame,
                lost: sequence > 0 ? .checked(found.sequence, sequence - 1) : nil, message: found.reason))
    }

    private func closeAtEnd(_ gap: inout Gap?, _ end: SegmentEnd?, _ name: String) {
        var last = end?.lastSequence ?? 0
        if end == nil, case .record(let record) = record { last = record.lastSequence }
        close(&gap, before: last + 1, name)
    }

}
