import SegmentLog

/// Reads the events of a log one by one.
struct EventCursor {
    private let reader: LogReader
    private var frame: FrameCursor.Frame?
    private var events = EventIterator(UnsafeRawBufferPointer(start: nil, count: 0))
    private(set) var lastSequence: UInt64
    private let after: UInt64
    private var next: UInt64 = 0

    /// An event, its bytes valid until the next call.
    struct Found {
        var fields: EventFields
        var bytes: UnsafeRawBufferPointer
        var sequence: UInt64
        var recordedMicroseconds: Int64
    }

    init(_ log: any EventLog, after: UInt64) {
        reader = log.reader(after: after)
        lastSequence = after
        self.after = after
    }

    /// The next event up to `bound`; nil when there is none.
    mutating func nextFields(upTo bound: UInt64 = .max) throws(JournalError) -> Found? {
        while lastSequence < bound {
            if let frame {
                if let found = try nextInFrame(frame) { return found }
                self.frame = nil
            }
            let reader = reader
            guard let read = try asJournalError({ () throws(LogError) in try reader.next() }) else {
                return nil
            }
            guard !read.header.isSkippable else {
                lastSequence = read.lastSequence
                guard read.header.isLost else { continue }
                let first = max(read.firstSequence, after + 1)
                return Found(
                    fields: EventFields(lost: first...read.lastSequence),
                    bytes: UnsafeRawBufferPointer(start: nil, count: 0), sequence: first,
                    recordedMicroseconds: read.recordedMicroseconds)
            }
            frame = read
            events = EventIterator(reader.payload)
            next = read.firstSequence
        }
        return nil
    }

    private mutating func nextInFrame(_ frame: FrameCursor.Frame) throws(JournalError) -> Found? {
        do throws(EventProblem) {
            while let bytes = try events.next() {
                let sequence = next
                next += 1
                // With its last event it is known whether a frame holds as many as it says.
                guard sequence < frame.lastSequence || events.isAtEnd else {
                    throw .malformed("the frame holds more events than it says")
                }
                guard sequence > after else { continue }
                lastSequence = sequence
                return Found(
                    fields: try EventFields(
                        bytes, at: sequence, inErasedSegment: frame.isOfErasedSegment),
                    bytes: bytes, sequence: sequence, recordedMicroseconds: frame.recordedMicroseconds)
            }
            guard next == frame.lastSequence + 1 else {
                throw .malformed("the frame holds fewer events than it says")
            }
        } catch {
            throw JournalError(error, in: frame, of: reader.path)
        }
        return nil
    }

    /// The next event, decoded whole.
    mutating func nextEvent(upTo bound: UInt64 = .max) throws(JournalError) -> Event? {
        guard let found = try nextFields(upTo: bound) else { return nil }
        return Event(
            found.fields, found.bytes, sequence: found.sequence,
            recordedMicroseconds: found.recordedMicroseconds)
    }
}
