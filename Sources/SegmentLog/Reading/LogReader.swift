import JournalFileSystem
package import SystemPackage

/// Reads the log forward, frame by frame, through all its segments, up to what is visible.
///
/// It takes no lock and blocks no writer. A frame that was durable once and is not valid now is an error that
/// names the place; it is never passed over.
package final class LogReader {
    private let log: SegmentLog
    private var cursor: FrameCursor?
    private var file: (any File)?
    private var entry: CatalogEntry?
    /// Of a packed segment, unless it is damaged.
    private var footer: PackedFooter?
    /// Where that segment ends, once it is known.
    private var end: SegmentEnd?
    /// Frames whose last event is not above this are passed over: they are not wanted, or were returned already.
    private var after: UInt64
    /// The sequence that the next frame begins with.
    package private(set) var nextSequence: UInt64
    /// Where to go first.
    private var place: SegmentLog.Place?
    /// How often the frame at hand was read once more already.
    private var reloads = 0

    /// A reader of the events behind `after`.
    init(_ log: SegmentLog, after: UInt64) {
        self.log = log
        self.after = after
        nextSequence = after == .max ? .max : after + 1
    }

    /// The segment that is being read.
    package var path: FilePath? { entry?.path }

    /// The raw payload of the frame that `next` returned last, valid until the next call.
    package var payload: UnsafeRawBufferPointer {
        cursor?.payload ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// The next frame that holds an event behind `after`; nil when everything visible has been read.
    ///
    /// - Throws: `damaged` with the place and the sequences lost; `unsupported`; `historyGone` when what comes next was
    ///   dropped.
    package func next() throws(LogError) -> FrameCursor.Frame? { try next(upTo: log.visibleSequence) }

    /// The same up to another bound than what is visible: who holds the writer range reads all that is written.
    package func next(upTo bound: UInt64) throws(LogError) -> FrameCursor.Frame? {
        while nextSequence <= bound {
            try goToPlace()
            if cursor == nil { try begin(at: nextSequence) }
            if try moveToSuccessor() { continue }
            switch try cursor!.next(.payload) {
            case .frame(let frame):
                if let end, end.isPassed(by: frame) {
                    throw problem(
                        at: frame.offset,
                        "the frame reaches to sequence \(frame.lastSequence) and offset \(frame.end), beyond where the next "
                            + "segment says this one ends: sequence \(end.lastSequence)"
                            + (end.offset.map { ", offset \($0)" } ?? "")
                    )
                }
                reloads = 0
                guard frame.lastSequence > after else { continue }
                after = frame.lastSequence
                nextSequence = frame.lastSequence + 1
                return frame
            case .invalid(let reason):
                if try reload() { continue }
                throw problem(at: cursor!.offset, reason)
            case .unsupported(let what):
                throw Tail.unsupported(what, at: cursor!.offset, entry!, log.paths)
            }
        }
        return nil
    }

    /// Goes on behind what this process wrote itself, without reading it. Another process's frame, which needs none before it,
    /// comes next.
    func resume(at place: SegmentLog.Place) {
        self.place = place
        nextSequence = place.position.nextSequence
        after = nextSequence - 1
    }

    /// Begins anew behind another sequence.
    func restart(after sequence: UInt64) {
        place = nil
        cursor = nil
        after = sequence
        nextSequence = sequence + 1
        reloads = 0
    }

    private func goToPlace() throws(LogError) {
        guard let place else { return }
        self.place = nil
        if entry?.header.id != place.segment {
            guard let found = log.entries.last(where: { $0.header.id == place.segment }) else {
                // Packed meanwhile, or dropped.
                return try begin(at: nextSequence)
            }
            try openPresent { (entries) throws(LogError) in
                entries.first { $0.header.originalID == found.header.originalID } ?? found
            }
        }
        if entry?.header.id == place.segment {
            cursor!.seek(to: place.position)
        } else {
            try begin(at: nextSequence)
        }
    }

    /// Forgets what was read ahead: others have written since.
    func refresh() { cursor?.refreshForLittle() }

    /// Opens the segment that holds an event, and goes to where its payload can be read.
    private func begin(at wanted: UInt64) throws(LogError) {
        try openPresent { (entries) throws(LogError) in
            if let entry = entries.last(where: { $0.header.firstSequence <= wanted }) { return entry }
            throw self.historyGone(wanted, entries)
        }
        guard wanted > entry!.header.firstSequence else { return }
        if let position = footer?.position(of: wanted) { return cursor!.seek(to: position) }
        walk: while true {
            switch try cursor!.next(.header) {
            case .frame(let frame): if frame.lastSequence >= wanted { break walk }
            case .invalid: break walk  // `next` meets it again and says so.
            case .unsupported: break walk
            }
        }
        if let restart = cursor!.restart { cursor!.seek(to: restart) }
    }

    private func historyGone(_ wanted: UInt64, _ entries: [CatalogEntry]) -> LogError {
        let first = entries.first?.header.firstSequence ?? 0
        return LogError(
            .historyGone,
            "sequence \(wanted) is not in the log any more: its history was dropped and begins with sequence \(first)",
            path: log.paths.log, sequences: .checked(wanted, first &- 1))
    }

    /// Opens a segment that `choose` finds among those that are there.
    ///
    /// A path that is gone was packed or dropped meanwhile: then it is looked for once more.
    private func openPresent(
        _ choose: ([CatalogEntry]) throws(LogError) -> CatalogEntry
    ) throws(LogError) {
        var tried: FilePath?
        while true {
            let next = try choose(log.entries)
            do {
                return try open(next)
            } catch {
                guard error.cause?.errno == .noSuchFileOrDirectory, next.path != tried else { throw error }
                tried = next.path
                try log.refreshCatalog()
            }
        }
    }

    private func open(_ next: CatalogEntry) throws(LogError) {
        let fileSystem = log.options.fileSystem
        let opened = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(next.path, .readOnly)
        }
        footer = next.header.isPacked ? try PackedFooter.read(opened, next.header) : nil
        file?.close()
        file = opened
        entry = next
        end = next.end(footer)
        cursor = FrameCursor(
            opened, path: next.path, header: next.header, maximumRawBytes: log.identity.maximumFrameBytes)
    }

    /// At the end that the successor's header names: checks that it is the right one, and goes on there.
    private func moveToSuccessor() throws(LogError) -> Bool {
        guard let end, end.isReached(by: cursor!), let ending = entry!.ending else { return false }
        if nextSequence > ending.lastSequence + 1 {
            // The writer died behind what was read, and another wrote it again into a new segment. Events stay the same.
            try begin(at: nextSequence)
            return true
        }
        guard end.isRight(cursor!), entry!.agrees(with: footer) else {
            throw problem(at: cursor!.offset, "the segment does not end as its successor says")
        }
        if !log.entries.contains(where: { $0.header.predecessor == ending }) { try log.refreshCatalog() }
        try openPresent { (entries) throws(LogError) in
            if let successor = entries.first(where: { $0.header.predecessor == ending }) { return successor }
            // It was dropped, or an opening for reading knows only of what it replaces.
            guard let first = entries.first, first.header.firstSequence <= self.nextSequence else {
                throw self.historyGone(self.nextSequence, entries)
            }
            throw self.problem(at: self.cursor!.offset, "the successor of this segment is gone")
        }
        return true
    }

    /// After an invalid frame where a valid one is due: what was read ahead, or known of the segments, may be old.
    private func reload() throws(LogError) -> Bool {
        reloads += 1
        let here = cursor!.position
        try log.refreshCatalog()
        let id = entry!.header.originalID
        guard let fresh = log.entries.first(where: { $0.header.originalID == id }) else {
            // It was dropped when all of it was read; what comes next is in another.
            try begin(at: nextSequence)
            return true
        }
        // The file at hand stays, even when another has replaced it meanwhile.
        entry!.ending = fresh.ending
        end = entry!.end(footer)
        cursor!.refresh()
        // First simply once more: a header that was not there yet has touched nothing. Then from where the deflate stream
        // begins, whose context a payload read too early has spoilt.
        if reloads == 1 { return true }
        guard reloads == 2, let restart = cursor!.restart, restart.offset < here.offset else { return false }
        cursor!.seek(to: restart)
        while cursor!.offset < here.offset {
            guard case .frame = try cursor!.next(.payload) else { return false }
        }
        return true
    }

    private func problem(at offset: UInt64, _ message: String) -> LogError {
        let entry = entry!
        let last = entry.ending?.lastSequence ?? log.visibleSequence
        return LogProblem(
            file: log.paths.relative(entry.path), offset: offset, kind: .frame,
            lost: cursor!.lostSequences(from: offset, upTo: end, last: last), message: message
        ).error(in: log.paths)
    }
}
