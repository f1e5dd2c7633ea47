import SegmentLog
import SystemPackage

/// Feeds the events of a log to a state.
struct Replay {
    let log: any EventLog
    /// Where parts of the state go that would take more memory than this, in bytes; nil keeps all of it in memory.
    var spill: (files: SnapshotFiles, bytes: Int)?

    /// Applies the events behind the state's last one, up to `bound` or `date`.
    ///
    /// - Throws: `damaged` with the place when a frame or an event is not what was written; `unsupported`.
    /// - Complexity: linear in the bytes read; the payloads are decoded in place.
    func run(
        _ state: inout State, upTo bound: UInt64 = .max, recordedUpTo date: Int64 = .max,
        progress: ((UInt64) -> Void)? = nil
    ) throws(JournalError) {
        guard state.lastSequence < min(bound, log.visibleSequence) else { return }
        let bound = min(bound, log.visibleSequence)
        var source = ReplaySource(log.reader(after: state.lastSequence), upTo: bound, mayReadAhead: true)
        try run(&state, &source, upTo: bound, recordedUpTo: date, progress: progress)
    }

    /// The same with a reader that is behind the state's last event, also beyond what is visible.
    func run(_ state: inout State, _ reader: LogReader, upTo bound: UInt64) throws(JournalError) {
        var source = ReplaySource(reader, upTo: bound, mayReadAhead: false)
        try run(&state, &source, upTo: bound)
    }

    private func run(
        _ state: inout State, _ source: inout ReplaySource, upTo bound: UInt64,
        recordedUpTo date: Int64 = .max, progress: ((UInt64) -> Void)? = nil
    ) throws(JournalError) {
        // Which a layer that a snapshot is taken of would be in the way of; then there is not much to replay.
        let spill = state.below.layer == nil ? spill : nil
        var spilling: Spilling?
        while state.lastSequence < bound,
            let frame = try next(&source)
        {
            guard frame.recordedMicroseconds <= date else { break }
            guard !frame.header.isSkippable else {
                state.skip(to: frame.lastSequence, recordedMicroseconds: frame.recordedMicroseconds)
                continue
            }
            do throws(EventProblem) {
                try Replay.apply(frame, source.payload, to: &state, upTo: bound)
            } catch {
                throw JournalError(error, in: frame, of: source.path)
            }
            // One layer is filled while the one before it is written.
            if let spill, state.layer.memoryBytes > spill.bytes / 2 {
                try spilling.take()?.finish(&state)
                spilling = try Spilling(&state, to: spill.files)
            }
            progress?(state.lastSequence)
        }
        try spilling.take()?.finish(&state)
    }

    private func next(_ source: inout ReplaySource) throws(JournalError) -> FrameCursor.Frame? {
        do throws(LogError) {
            return try source.nextFrame()
        } catch {
            throw JournalError(error)
        }
    }

    private static func apply(
        _ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer, to state: inout State,
        upTo bound: UInt64
    ) throws(EventProblem) {
        var events = EventIterator(payload)
        var sequence = frame.firstSequence
        while let event = try events.next() {
            if sequence > state.lastSequence, sequence <= bound {
                try state.apply(
                    event, sequence: sequence, recordedMicroseconds: frame.recordedMicroseconds,
                    inErasedSegment: frame.isOfErasedSegment)
            }
            sequence += 1
        }
        guard sequence == frame.lastSequence + 1 else {
            throw .malformed(
                "the frame holds \(sequence - frame.firstSequence) events and says \(frame.header.eventCount)"
            )
        }
    }
}

extension JournalError {
    /// A frame whose checksum is right and whose events cannot be taken.
    init(_ problem: EventProblem, in frame: FrameCursor.Frame, of path: FilePath?) {
        switch problem {
        case .malformed(let what):
            self.init(
                .damaged,
                "\(path?.lastComponent?.string ?? "the log"), frame at offset \(frame.offset): \(what)",
                path: path,
                offset: frame.offset, sequences: frame.firstSequence...frame.lastSequence)
        case .unsupported(let what):
            self.init(
                .unsupported,
                "\(path?.lastComponent?.string ?? "the log"), frame at offset \(frame.offset): \(what) is not known to this "
                    + "version and must be understood; use a newer one", path: path, offset: frame.offset,
                sequences: frame.firstSequence...frame.lastSequence)
        }
    }
}
