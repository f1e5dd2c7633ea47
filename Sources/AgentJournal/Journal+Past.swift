import SegmentLog

extension Journal {
    /// A state of its own, replayed from the first event to the point.
    package func pastView(
        at point: Point, progress: (@Sendable (UInt64) -> Void)? = nil
    ) throws(JournalError) -> JournalView {
        let visible = engine.log.visibleSequence
        var state = State()
        let replay = Replay(log: engine.log)
        switch point {
        case .sequence(let sequence):
            guard sequence <= visible else {
                throw JournalError(
                    .noSuchPoint,
                    "There is no sequence \(sequence) yet; the last event has sequence \(visible)")
            }
            try replay.run(&state, upTo: sequence, progress: progress)
        case .date(let date):
            try replay.run(
                &state, upTo: visible, recordedUpTo: date.microsecondsSince1970, progress: progress)
        case .label(let label):
            try replay.run(&state, upTo: try flush(labelled: label, upTo: visible), progress: progress)
        }
        return JournalView(state)
    }

    /// A state of its own, replayed from the first event to the last.
    package func replayedView(progress: (@Sendable (UInt64) -> Void)? = nil) throws(JournalError)
        -> JournalView
    {
        try checkOpen()
        return try pastView(at: .sequence(engine.log.visibleSequence), progress: progress)
    }

    /// The sequence of the latest flush with this label.
    private func flush(labelled label: String, upTo visible: UInt64) throws(JournalError) -> UInt64 {
        var found: UInt64?
        var events = EventCursor(engine.log, after: 0)
        while let event = try events.nextFields(upTo: visible) {
            guard event.fields.kind == EventFields.Kind.flushed, let range = event.fields.label,
                event.bytes[range].elementsEqual(label.utf8)
            else { continue }
            found = event.sequence
        }
        guard let found else {
            throw JournalError(
                .noSuchPoint, "There is no flush with the label \"\(label)\"; `log` lists them")
        }
        return found
    }
}
