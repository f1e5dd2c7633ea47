/// What all events of a segment come to, however they are divided into frames: their bytes, how many there are of each
/// recorded time, and which frames are not plain events.
struct EventDigest: Hashable {
    private(set) var eventCount: UInt64 = 0
    private(set) var rawBytes: UInt64 = 0
    private var events: UInt32 = 0
    private var runs: UInt32 = 0
    private var run: Run?

    /// Adjacent events of one recorded time.
    private struct Run: Hashable {
        var type: UInt8
        var flags: UInt16
        var recordedMicroseconds: Int64
        var eventCount: UInt64
    }

    mutating func add(_ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer) {
        let count = UInt64(frame.header.eventCount)
        eventCount += count
        rawBytes += UInt64(payload.count)
        events = Checksum.crc32(events, payload)
        let next = Run(
            type: frame.header.type,
            flags: frame.header.flags.subtracting(.mustUnderstand).rawValue,
            recordedMicroseconds: frame.recordedMicroseconds, eventCount: count)
        if frame.isPlain, var same = run, same.type == next.type, same.flags == next.flags,
            same.recordedMicroseconds == next.recordedMicroseconds
        {
            same.eventCount += count
            run = same
        } else {
            finish()
            run = next
        }
    }

    /// Counts the last run in; then two digests may be compared.
    mutating func finish() {
        guard let run else { return }
        runs = withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { place in
            place.setLittle(run.recordedMicroseconds, 0)
            place.setLittle(run.eventCount, 8)
            place.setLittle(UInt32(run.type), 16)
            place.setLittle(UInt32(run.flags), 20)
            return Checksum.crc32(runs, UnsafeRawBufferPointer(place))
        }
        self.run = nil
    }
}

extension FrameCursor.Frame {
    /// Events and nothing that this version does not know: such a frame may be taken apart.
    var isPlain: Bool {
        header.type == FrameHeader.eventsType && header.flags.subtracting(.mustUnderstand).isEmpty
    }
}
