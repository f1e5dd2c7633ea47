import SegmentLog

extension Journal {
    /// A state of its own, as it was at the point: the nearest snapshot before it, and the events from there on.
    package func pastView(
        at point: Point, progress: (@Sendable (UInt64) -> Void)? = nil
    ) throws(JournalError) -> JournalView {
        try checkOpen()
        let engine = try engine
        let visible = engine.log.visibleSequence
        switch point {
        case .sequence(let sequence):
            guard sequence <= visible else { throw Journal.notReached(sequence, visible) }
            return try replayed(upTo: sequence, progress)
        case .date(let date):
            let recorded = date.microsecondsSince1970
            var state = try engine.nearestState { $0.recordedMicroseconds <= recorded }
            try engine.replay.run(&state, upTo: visible, recordedUpTo: recorded, progress: progress)
            return JournalView(state, engine: engine, origin: origin)
        case .label(let label): return try replayed(upTo: try flush(labelled: label), progress)
        }
    }

    static func notReached(_ sequence: UInt64, _ last: UInt64) -> JournalError {
        JournalError(
            .noSuchPoint, "There is no sequence \(sequence) yet; the last event has sequence \(last)")
    }

    private func replayed(
        upTo sequence: UInt64, _ progress: (@Sendable (UInt64) -> Void)?
    ) throws(JournalError) -> JournalView {
        let engine = try engine
        var state = try engine.nearestState { $0.lastSequence <= sequence }
        try engine.replay.run(&state, upTo: sequence, progress: progress)
        return JournalView(state, engine: engine, origin: origin)
    }

    /// A state of its own, replayed from the first event on, without a snapshot.
    ///
    /// - Throws: `noSuchPoint` when history was let go.
    package func replayedView(
        upTo sequence: UInt64 = .max, progress: (@Sendable (UInt64) -> Void)? = nil
    ) throws(JournalError) -> JournalView {
        try checkOpen()
        let engine = try engine
        guard try engine.presentFirstSequence() <= 1 else { throw engine.historyGone(back: nil) }
        var state = State()
        try engine.replay.run(&state, upTo: min(sequence, engine.log.visibleSequence), progress: progress)
        return JournalView(state, engine: engine, origin: origin)
    }

    /// Whether the log reaches back to the first event.
    package var reachesBack: Bool { get throws(JournalError) { try engine.presentFirstSequence() <= 1 } }

    /// The sequence of the latest flush with this label.
    func flush(labelled label: String) throws(JournalError) -> UInt64 {
        let name = Array(label.utf8)
        let (latest, bound) = try engine.read { (box, bound) throws(JournalError) in
            (try box.label(name), bound)
        }
        var found = latest
        if let latest, latest > bound {
            // The state keeps the latest alone. Where that is not visible yet, the log has the one before it.
            found = try StateBox(try engine.state(at: bound)).label(name)
        }
        guard let found else {
            throw JournalError(
                .noSuchPoint, "There is no flush with the label \"\(label)\"; `log` lists them")
        }
        return found
    }
}
