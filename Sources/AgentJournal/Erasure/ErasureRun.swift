import JournalFileSystem
import Logging
import SegmentLog

/// One erasure. On the maintenance thread, under the maintenance range, when the newest snapshot covers what is to be erased, and
/// a sealed segment holds it.
///
/// In this order, so that a crash between any two steps leaves a journal that holds the same, and another run goes on: an event
/// that says it begins; the snapshots rewritten, the oldest first; the segments rewritten; an event that says it is done. A run
/// that finds one begun and not done looks through everything, because snapshots do not tell any more what was forgotten.
struct ErasureRun {
    let engine: Engine
    let files: SnapshotFiles
    /// Called with what was erased before that is recorded as done.
    var willRecord: ErasureReport.Handler?

    /// What would be erased. Changes nothing, and writes nothing but a file without a name.
    func plan() throws(JournalError) -> ErasureReport {
        let below = engine.box.withLock { $0.frozen().below }
        guard let layer = below.layer, layer.lastSequence > 0 else { return ErasureReport() }
        return try asJournalError { () throws(LogError) in
            let table = try files.spill(layer.lastSequence, blockBytes: StateKeys.blockBytes) {
                (writer) throws(LogError) in _ = try below.write(to: writer, layer)
            }
            let scope = try ErasureScope(table)
            var report = ErasureReport(scope)
            let looksEverywhere = layer.erasure.isUnfinished || !scope.emptied.isEmpty
            guard looksEverywhere || !scope.isEmpty else { return report }
            for name in try files.names() {
                report.files.append(
                    ErasureReport.RewrittenFile(
                        file: ErasureRun.file(of: name), bytesBefore: try files.length(name)))
            }
            for segment in try engine.log.sealedSegments()
                + [try engine.log.activeSegment()].compactMap({ $0 })
            where segment.name.firstSequence <= segment.lastSequence
                && (looksEverywhere || scope.touches(segment.name.firstSequence...segment.lastSequence))
            {
                report.files.append(
                    ErasureReport.RewrittenFile(
                        file: "log/\(segment.name)", bytesBefore: segment.lengthBytes))
            }
            return report
        }
    }

    private static func file(of name: SnapshotFiles.Name) -> String {
        "snapshots/\(name.path.lastComponent?.string ?? "")"
    }

    func run() throws(JournalError) -> ErasureReport {
        // What a repair set aside may hold anything.
        try asJournalError { () throws(LogError) in try engine.log.removeDamaged() }
        // Nothing ever happened where there is no snapshot now.
        guard let table = engine.box.withLock({ $0.below.tables.last }), !table.meta.isEmpty else {
            return ErasureReport()
        }
        let scope = try asJournalError { () throws(LogError) in try ErasureScope(table) }
        let state = engine.box.withLock { $0.layer.erasure }
        let isResuming = state.isUnfinished
        var report = ErasureReport(scope)
        guard isResuming || !scope.isEmpty else { return report }
        let key =
            state.key.isEmpty
            ? (0..<4).flatMap { _ in withUnsafeBytes(of: engine.log.random()) { Array($0) } } : state.key
        let receipt = try engine.betweenCommits { () throws(JournalError) in
            try engine.record(.erasureBegun(through: scope.through, key: key))
        }
        report.sequence = receipt.sequence
        report.recorded = receipt.recorded
        let erasure = Erasure(
            scope: scope, isResuming: isResuming, key: key, sequence: receipt.sequence,
            finishedBefore: state.through)
        try eraseSnapshots(erasure, &report)
        try eraseSegments(erasure, &report)
        do {
            try willRecord?(report)
        } catch {
            throw JournalError(
                .system,
                "It is erased, and not recorded as done, because its receipt could not be handed over: \(error). Erase again: the next "
                    + "receipt has all of it")
        }
        try engine.betweenCommits { () throws(JournalError) in
            _ = try engine.record(.erasureDone(through: scope.through))
        }
        engine.logger.info(
            "journal erased what was forgotten",
            metadata: [
                "through": "\(scope.through)", "events": "\(report.events.count)",
                "conversations": "\(report.conversations)", "files": "\(report.files.count)",
            ])
        return report
    }

    // MARK: Snapshots

    private func eraseSnapshots(_ erasure: Erasure, _ report: inout ErasureReport) throws(JournalError) {
        let newest = erasure.scope.through
        // A damaged one holds what nobody can tell; the state does not lie upon it.
        var unreadable: [SnapshotFiles.Name] = []
        for name in try asJournalError({ () throws(LogError) in try files.names() }).reversed() {
            guard name.sequence <= newest, engine.stillDamaged(name) == nil else {
                unreadable.append(name)
                continue
            }
            let before = try asJournalError { () throws(LogError) in try files.length(name) }
            let table = try asJournalError { () throws(LogError) in try erase(name, erasure) }
            let file = ErasureRun.file(of: name)
            report.files.append(
                ErasureReport.RewrittenFile(
                    file: file, replacedBy: file, bytesBefore: before, bytesAfter: table.length))
            guard name.sequence == newest else { continue }
            let isReplaced = try engine.betweenCommits { () throws(JournalError) -> Bool in
                let state = engine.box.withLock { $0 }
                guard state.below.tables.count == 1, state.below.layer == nil,
                    state.below.tables[0].sequence == newest
                else { return false }
                engine.replaceState(State(state.layer, upon: Below(tables: [table])))
                return true
            }
            // It was rebuilt meanwhile, from the log: then it goes on from what is there now.
            if !isReplaced { try engine.renewBesideCommits() }
        }
        // Last: by now the newest was read whole, written anew and read back.
        for name in unreadable { try asJournalError { () throws(LogError) in try files.remove(name) } }
    }

    private func erase(_ name: SnapshotFiles.Name, _ erasure: Erasure) throws(LogError) -> TableReader {
        let table = try files.open(name)
        guard var meta = StateMeta(table.meta) else {
            throw LogError(.damaged, "\(name.path) does not say what it covers", path: name.path)
        }
        let changes = try ErasedTable(
            table, erasure.scope, isResuming: erasure.isResuming, erasureKey: erasure.key)
        meta.erasedThrough = max(meta.erasedThrough, erasure.scope.through)
        meta.erasure.key = erasure.key
        let maintenance = engine.maintenance
        return try files.write(
            name.sequence, level: maintenance.options.level, blockBytes: StateKeys.blockBytes,
            didWrite: { () throws(FileSystemError) in
                if maintenance.isStopping {
                    throw FileSystemError(operation: "erase", path: "", errno: .canceled)
                }
            }
        ) { (writer) throws(LogError) in
            // Each key that goes leaves the hash of one.
            try writer.filter(StateKeys.filtered, upon: table, adding: 0, isAnew: true)
            try TableMerge.run(
                TableCursor(table, isCaching: false), changes, keepsDeletions: false,
                combine: StateKeys.combine, into: writer)
            meta.memories = try writer.memoryCount()
            return meta.encoded
        }
    }

    // MARK: Segments

    private func eraseSegments(_ erasure: Erasure, _ report: inout ErasureReport) throws(JournalError) {
        let maintenance = engine.maintenance
        for segment in try asJournalError({ () throws(LogError) in try engine.log.sealedSegments() }) {
            let first = segment.name.firstSequence
            guard first <= erasure.scope.through else { continue }
            // One without events may have bytes behind its end, as any that is not packed.
            let isAffected =
                first <= segment.lastSequence && erasure.scope.touches(first...segment.lastSequence)
            // What is packed holds nothing but its events, and of these only the forgotten ones, if no name goes.
            guard isAffected || erasure.looksEverywhere || !segment.isPacked else { continue }
            let erased = Monitor<[ErasureReport.ErasedEvent]>([])
            let result = try asJournalError { () throws(LogError) in
                try engine.log.erase(
                    segment.name, level: maintenance.options.level, isAffected: isAffected,
                    shouldContinue: { !maintenance.isStopping }
                ) { (event, leaf) throws(LogError) in
                    try erasure.rewrite(event, leaf) { new in erased.withLock { $0.append(new) } }
                }
            }
            if maintenance.isStopping { throw Engine.closed }
            let file = "log/\(result?.name ?? segment.name)"
            // Of a segment that was looked through first, each was met twice.
            var last: UInt64 = 0
            for var event in erased.withLock({ $0 }).sorted(by: { $0.sequence < $1.sequence })
            where event.sequence > last {
                last = event.sequence
                event.file = file
                report.events.append(event)
            }
            guard let result else { continue }
            report.files.append(
                ErasureReport.RewrittenFile(
                    file: "log/\(result.replaced)", replacedBy: file, bytesBefore: result.bytesBefore,
                    bytesAfter: result.bytesAfter))
        }
    }
}

extension ErasureReport {
    /// Nothing was there.
    init(isFromLog: Bool = false) {
        self.init(
            journal: "", through: 0, memories: 0, sequence: nil, recorded: nil, events: [], conversations: 0,
            files: [], isFromLog: isFromLog)
    }

    fileprivate init(_ scope: ErasureScope) {
        self.init()
        through = scope.through
        memories = scope.forgotten.count
        conversations = scope.emptied.count
    }
}

/// What is erased, and what is left in its place.
struct Erasure: Sendable {
    let scope: ErasureScope
    /// Another one was begun and not ended: what the snapshots knew may be gone from them.
    let isResuming: Bool
    let key: [UInt8]
    /// That of the event which began it.
    let sequence: UInt64
    /// Up to where earlier ones were ended.
    let finishedBefore: UInt64

    /// Whether any segment may hold something.
    var looksEverywhere: Bool { isResuming || !scope.emptied.isEmpty }

    /// What takes an event's place; nil when it stays.
    ///
    /// - Parameter note: Called with what is erased, also when it was before by an erasure that was not ended.
    func rewrite(
        _ event: EventRewriter.Found, _ leaf: () -> [UInt8],
        _ note: (ErasureReport.ErasedEvent) -> Void
    ) throws(LogError) -> [UInt8]? {
        guard event.sequence <= scope.through else { return nil }
        let fields: EventFields
        do {
            // Whether what is left of another may stand there is the segment's to say, which was read before.
            fields = try EventFields(event.bytes, at: event.sequence, inErasedSegment: true)
        } catch {
            throw Erasure.unreadable(event, error)
        }
        func bytes(_ range: Range<Int>?) -> [UInt8]? { range.map { Array(event.bytes[$0]) } }
        let name = bytes(fields.conversation)
        let isEmptied = try fields.conversation.map { (range) throws(LogError) in
            try scope.isEmptied(
                UnsafeRawBufferPointer(rebasing: event.bytes[range]), isResuming: isResuming)
        }
        func noted(_ tombstone: Tombstone) -> [UInt8] {
            note(Erasure.receipt(of: tombstone, event))
            return tombstone.encoded
        }
        switch fields.kind {
        case EventFields.Kind.added:
            // Whatever else is said, what is there is not erased.
            guard !scope.isLive(event.sequence) else { return nil }
            return noted(
                Tombstone(
                    was: fields.kind, conversation: isEmptied == true ? nil : name, leaf: leaf(),
                    keyHash: bytes(fields.key).map {
                        StateKeys.hash(ofKey: $0, in: name!, erasureKey: key)
                    },
                    erasure: sequence))
        case EventFields.Kind.erased:
            let old = Tombstone(
                was: fields.was!, conversation: isEmptied == true ? nil : name, target: fields.target,
                leaf: bytes(fields.leaf)!, keyHash: bytes(fields.keyHash), erasure: fields.erasure!)
            if isResuming, old.erasure > finishedBefore { note(Erasure.receipt(of: old, event)) }
            return isEmptied == true ? old.encoded : nil
        default:
            guard isEmptied == true else { return nil }
            return noted(
                Tombstone(
                    was: fields.kind, target: fields.target, leaf: leaf(), erasure: sequence))
        }
    }

    private static func receipt(
        of tombstone: Tombstone, _ event: EventRewriter.Found
    ) -> ErasureReport.ErasedEvent {
        ErasureReport.ErasedEvent(
            sequence: event.sequence,
            recorded: Timestamp(clampingMicrosecondsSince1970: event.recordedMicroseconds),
            kind: ErasedKind(tombstone.was), leaf: tombstone.leaf, file: "")
    }

    private static func unreadable(_ event: EventRewriter.Found, _ problem: EventProblem) -> LogError {
        switch problem {
        case .malformed(let what):
            LogError(
                .damaged,
                "Not erased: the event with sequence \(event.sequence) cannot be read: \(what). Run `agent-journal verify`",
                sequences: event.sequence...event.sequence)
        case .unsupported(let what):
            LogError(
                .unsupported,
                "Not erased: the event with sequence \(event.sequence) is of a newer version (\(what)); use that",
                sequences: event.sequence...event.sequence)
        }
    }
}
