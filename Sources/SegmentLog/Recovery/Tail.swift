import JournalFileSystem

/// Where the log ends in its last segment, and what vouches for that.
struct Tail: Sendable {
    /// Behind the last valid frame.
    var end: FrameCursor.Position
    var verdict: TailVerdict
    var evidence: TailEvidence
    /// The last valid frame that promises, and where its deflate stream begins: what precedes it is durable. The start of
    /// the frames when none does: a segment gets its name only after all before it is durable.
    var promise: (position: FrameCursor.Position, restart: FrameCursor.Position)
    /// When the verdict is damage: what was expected behind the end.
    var problem: LogProblem?

    /// Everything that is vouched for ends here: at the last promise, or at `end` after a clean close.
    var vouched: FrameCursor.Position {
        verdict == .clean ? end : promise.position
    }
}

extension Tail {
    /// Reads the last segment.
    ///
    /// Headers up to the last promise, payloads from there on: what precedes a promise was durable, so a wrong payload
    /// there is damage, which reading finds and names.
    static func find(
        in entry: CatalogEntry, record: CleanCloseRecord.Found, file: any File, paths: JournalPaths,
        maximumRawBytes: Int
    ) throws(LogError) -> Tail {
        let cursor = FrameCursor(
            file, path: entry.path, header: entry.header, maximumRawBytes: maximumRawBytes)
        var promise = (position: cursor.position, restart: cursor.position)
        walk: while true {
            let before = cursor.position
            switch try cursor.next(.header) {
            case .frame(let frame):
                if frame.header.flags.contains(.followsSync), let restart = cursor.restart {
                    promise = (before, restart)
                }
            // Whether it is in the log at all the payloads of those before it tell.
            case .invalid, .unsupported: break walk
            }
        }
        cursor.seek(to: promise.restart)
        payloads: while true {
            let before = cursor.position
            switch try cursor.next(.payload) {
            case .frame: continue
            case .invalid(let reason):
                guard before.offset >= promise.position.offset else {
                    throw LogProblem(
                        file: paths.relative(entry.path), offset: before.offset, kind: .frame,
                        lost: .checked(before.nextSequence, promise.position.nextSequence - 1),
                        message: reason
                    ).error(in: paths)
                }
                break payloads
            case .unsupported(let what): throw Tail.unsupported(what, at: before.offset, entry, paths)
            }
        }
        return try judge(cursor, promise: promise, entry: entry, record: record, paths: paths)
    }

    /// Decides what it means that no valid frame stands at the cursor.
    static func judge(
        _ cursor: FrameCursor,
        promise: (position: FrameCursor.Position, restart: FrameCursor.Position)? = nil,
        entry: CatalogEntry, record: CleanCloseRecord.Found, paths: JournalPaths
    ) throws(LogError) -> Tail {
        let end = cursor.position
        let (evidence, beyond) = try gather(cursor, end: end, entry: entry, record: record)
        var tail = Tail(
            end: end, verdict: TailVerdict(evidence), evidence: evidence, promise: promise ?? (end, end))
        if tail.verdict == .damaged {
            tail.problem = problem(
                end, beyond: beyond.map { entry.header.firstSequence + UInt64($0.sequenceOffset) },
                record: record,
                file: paths.relative(entry.path))
        }
        return tail
    }

    private static func gather(
        _ cursor: FrameCursor, end: FrameCursor.Position, entry: CatalogEntry, record: CleanCloseRecord.Found
    ) throws(LogError) -> (TailEvidence, FrameHeader?) {
        let first = entry.header.firstSequence
        // A promising header right at the end counts when it continues something else than what is there; when it
        // continues it, its payload is torn, and the promise is about what is there.
        let beyond = try cursor.scan(from: end.offset) { offset, header in
            guard header.flags.contains(.followsSync) else { return false }
            return offset > end.offset || header.previous != end.chain
                || first + UInt64(header.sequenceOffset) != end.nextSequence
        }
        let hasBytes = try cursor.hasBytes(from: end.offset)
        let evidence = TailEvidence(
            hasPromiseBeyond: beyond != nil, hasBytesBeyond: hasBytes,
            record: classify(record, segment: entry.header.id, end: end))
        return (evidence, beyond?.header)
    }

    static func classify(
        _ found: CleanCloseRecord.Found, segment: UInt32, end: FrameCursor.Position
    ) -> TailEvidence.Record {
        switch found {
        case .none: return .none
        case .unreadable: return .unreadable
        case .record(let record):
            if record.segment != segment { return record.segment > segment ? .notReached : .outgrown }
            if record.end != end.offset { return record.end > end.offset ? .notReached : .outgrown }
            return record.chain == end.chain ? .matches : .notReached
        }
    }

    private static func problem(
        _ end: FrameCursor.Position, beyond: UInt64?, record: CleanCloseRecord.Found, file: String
    ) -> LogProblem {
        var last = beyond.map { $0 - 1 } ?? 0
        var message = "a later frame says that everything before it was durable"
        if beyond == nil, case .record(let record) = record {
            last = record.lastSequence
            message = "the last clean close says that the log reaches to sequence \(record.lastSequence)"
        }
        return LogProblem(
            file: file, offset: end.offset, kind: .frame, lost: .checked(end.nextSequence, last),
            message: message)
    }

    static func unsupported(
        _ what: String, at offset: UInt64, _ entry: CatalogEntry, _ paths: JournalPaths
    ) -> LogError {
        LogProblem(
            file: paths.relative(entry.path), offset: offset, kind: .unsupported,
            message: "\(what) is not known to this version and must be understood; use a newer one"
        ).error(in: paths)
    }
}
