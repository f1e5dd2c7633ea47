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
    /// Frames whose last event is not above this are passed over: they are not wanted, or were returned already.
    private var after: UInt64
    /// The sequence that the next frame begins with.
    package private(set) var nextSequence: UInt64
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
    /// - Throws: `damaged` with the place and the sequences lost; `unsupported`.
    package func next() throws(LogError) -> FrameCursor.Frame? {
        let visible = log.visibleSequence
        while nextSequence <= visible {
            if cursor == nil { try begin(at: nextSequence) }
            if try moveToSuccessor() { continue }
            switch try cursor!.next(.payload) {
            case .frame(let frame):
                if let ending = entry!.ending, frame.end > ending.end {
                    throw problem(
                        at: frame.offset, "the frame reaches beyond where the next segment says this one ends"
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

    /// Opens the segment that holds an event, and goes to where its payload can be read.
    private func begin(at wanted: UInt64) throws(LogError) {
        guard let start = log.entries.last(where: { $0.header.firstSequence <= wanted }) else {
            throw LogError(
                .damaged, "sequence \(wanted) is not in any segment", path: log.paths.log,
                sequences: wanted...wanted)
        }
        try open(start)
        guard wanted > start.header.firstSequence else { return }
        walk: while true {
            switch try cursor!.next(.header) {
            case .frame(let frame): if frame.lastSequence >= wanted { break walk }
            case .invalid: break walk  // `next` meets it again and says so.
            case .unsupported: break walk
            }
        }
        if let restart = cursor!.restart { cursor!.seek(to: restart) }
    }

    private func open(_ next: CatalogEntry) throws(LogError) {
        file?.close()
        let fileSystem = log.options.fileSystem
        let opened = try asLogError { () throws(FileSystemError) in
            try fileSystem.openFile(next.path, .readOnly)
        }
        file = opened
        entry = next
        cursor = FrameCursor(
            opened, path: next.path, header: next.header, maximumRawBytes: log.identity.maximumFrameBytes)
    }

    /// At the end that the successor's header names: checks that it is the right one, and goes on there.
    private func moveToSuccessor() throws(LogError) -> Bool {
        guard let ending = entry!.ending, cursor!.offset >= ending.end else { return false }
        if nextSequence > ending.lastSequence + 1 {
            // The writer died behind what was read, and another wrote it again into a new segment. Events stay the same.
            try begin(at: nextSequence)
            return true
        }
        guard cursor!.offset == ending.end, cursor!.chain == ending.chain,
            cursor!.nextSequence == ending.lastSequence + 1
        else {
            throw problem(at: cursor!.offset, "the segment does not end as its successor says")
        }
        guard let successor = log.entries.first(where: { $0.header.predecessor == ending }) else {
            throw problem(at: cursor!.offset, "the successor of this segment is gone")
        }
        try open(successor)
        return true
    }

    /// After an invalid frame where a valid one is due: what was read ahead, or known of the segments, may be old.
    private func reload() throws(LogError) -> Bool {
        reloads += 1
        let here = cursor!.position
        try log.refreshCatalog()
        if let id = entry?.header.id, let fresh = log.entries.first(where: { $0.header.id == id }) {
            entry = fresh
        }
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

    /// What cannot be read goes up to the next frame that begins a deflate stream: behind it, all can be read again.
    private func problem(at offset: UInt64, _ message: String) -> LogError {
        let entry = entry!
        var last = entry.ending?.lastSequence ?? log.visibleSequence
        let next = try? cursor!.scan(from: offset + 8) { $1.flags.contains(.restart) }
        if let next, next.offset < entry.ending?.end ?? .max {
            last = min(last, entry.header.firstSequence + UInt64(next.header.sequenceOffset) - 1)
        }
        return LogProblem(
            file: log.paths.relative(entry.path), offset: offset, kind: .frame,
            lost: .checked(cursor!.nextSequence, last), message: message
        ).error(in: log.paths)
    }
}
