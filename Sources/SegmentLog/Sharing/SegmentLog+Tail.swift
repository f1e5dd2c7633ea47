import JournalFileSystem

extension SegmentLog {
    /// A place behind frames that this process wrote.
    struct Place: Sendable {
        var segment: UInt32
        var position: FrameCursor.Position
    }

    /// What is needed to read on where one stopped reading, or writing.
    struct Tailing {
        var reader: LogReader?
        /// Behind what this process wrote last.
        var place: Place?
        /// The log is closed: a reader, which holds the log, is not kept any more, so that neither holds the other for ever.
        var isClosed = false
    }

    /// Calls with a reader of what comes behind `sequence`, which goes on where the last one stopped.
    ///
    /// For a state that catches up with what other processes write: what this process wrote itself, which is in the state
    /// already, is not read again.
    package func withTail<R, E: Error>(
        after sequence: UInt64, _ body: (LogReader) throws(E) -> R
    ) throws(E) -> R {
        try tail.withLock { (tail) throws(E) -> R in
            // Not kept when it fails: another one may find its way.
            let reader = tail.reader.take() ?? LogReader(self, after: sequence)
            if reader.nextSequence != sequence &+ 1 {
                if let place = tail.place, place.position.nextSequence == sequence &+ 1 {
                    reader.resume(at: place)
                } else {
                    reader.restart(after: sequence)
                }
            }
            reader.refresh()
            let result = try body(reader)
            if !tail.isClosed { tail.reader = reader }
            return result
        }
    }

    /// Lets go of the reader, for good.
    func closeTail() {
        tail.withLock { tail in
            tail.reader = nil
            tail.isClosed = true
        }
    }

    /// This process has written up to here.
    func wroteUpTo(_ active: ActiveSegment) {
        let place = Place(
            segment: active.frames.header.id,
            position: FrameCursor.Position(
                offset: active.frames.end, chain: active.frames.chain,
                nextSequence: active.frames.lastSequence + 1,
                recordedMicroseconds: active.frames.recordedMicroseconds))
        tail.withLock { $0.place = place }
    }
}
