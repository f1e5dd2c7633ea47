/// Joins frames into the independent blocks of a packed segment.
///
/// A block is about 64 KiB of raw events: what is read for one event of them, and enough for deflate to come near the
/// ratio of the whole file. Frames are divided between events, which are known by their length in the payload; a frame
/// that is not such a series, or not a plain one, and an event larger than a block stand alone.
struct BlockPacker: ~Copyable {
    static let blockBytes = 64 << 10

    private(set) var frames: FrameWriter
    private(set) var blocks: [PackedFooter.Block] = []
    private let limit: Int
    private var groups = PackedGroups()
    private var events = RawBuffer(capacity: blockBytes)
    private var eventCount = 0
    /// An upper bound of the table's bytes.
    private var tableBytes = 0

    init(_ header: SegmentHeader, level: Int32, maximumRawBytes: Int) {
        frames = FrameWriter(header, level: level)
        limit = min(BlockPacker.blockBytes, maximumRawBytes)
    }

    /// Adds a frame. What is encoded by then is pending in `frames`.
    mutating func add(_ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer) {
        let time = frame.recordedMicroseconds
        guard frame.isPlain, BlockPacker.isSeries(payload, of: frame.header.eventCount) else {
            return addAlone(
                payload, count: Int(frame.header.eventCount), time: time, type: frame.header.type,
                flags: frame.header.flags.subtracting(.mustUnderstand))
        }
        var at = 0
        while at < payload.count {
            let start = at
            BlockPacker.pass(payload, &at)
            addWhole(UnsafeRawBufferPointer(rebasing: payload[start..<at]), time: time)
        }
    }

    /// Copies a frame of a packed segment, with what is stored of it.
    mutating func addAsItIs(_ frame: FrameCursor.Frame, _ stored: UnsafeRawBufferPointer) {
        finishBlock()
        note(time: frame.recordedMicroseconds)
        frames.appendCopy(frame, stored)
    }

    /// Adds an event, without tag and length.
    mutating func add(event: [UInt8], time: Int64) {
        var piece: [UInt8] = [0x0A]
        withUnsafeTemporaryAllocation(byteCount: Varint.maximumLength, alignment: 1) { place in
            let count = Varint.write(UInt64(event.count), into: place)
            piece.append(contentsOf: place[..<count])
        }
        piece.append(contentsOf: event)
        piece.withUnsafeBytes { addWhole($0, time: time) }
    }

    /// Adds events that are lost: their sequences, and nothing else.
    mutating func addLost(count: Int, time: Int64) {
        addAlone(
            UnsafeRawBufferPointer(start: nil, count: 0), count: count, time: time, type: FrameHeader.lostType
        )
    }

    private mutating func addWhole(_ event: UnsafeRawBufferPointer, time: Int64) {
        if event.count + 2 * PackedGroups.largestGroupBytes > limit {
            addAlone(event, count: 1, time: time, type: FrameHeader.eventsType)
        } else {
            add(event, time: time)
        }
    }

    private mutating func add(_ event: UnsafeRawBufferPointer, time: Int64) {
        let more = event.count + PackedGroups.largestGroupBytes
        if events.count + tableBytes + more > limit { finishBlock() }
        // The number of groups is written before them.
        if groups.groups.isEmpty { tableBytes = PackedGroups.largestGroupBytes }
        if groups.groups.last?.recordedMicroseconds != time {
            let delta = UInt64(time - (groups.groups.last?.recordedMicroseconds ?? time))
            tableBytes += Varint.length(of: delta) + 6
        }
        groups.add(eventCount: 1, lengthBytes: event.count, recordedMicroseconds: time)
        events.append(event)
        eventCount += 1
    }

    /// Encodes the events that are gathered, if there are any.
    mutating func finishBlock() {
        guard let first = groups.groups.first else { return }
        note(time: first.recordedMicroseconds)
        frames.appendAlone(
            count: eventCount, time: first.recordedMicroseconds, type: FrameHeader.packedType
        ) { raw in
            groups.encode(into: &raw)
            raw.append(events.bytes)
        }
        groups.removeAll()
        events.removeAll()
        eventCount = 0
        tableBytes = 0
    }

    private mutating func addAlone(
        _ payload: UnsafeRawBufferPointer, count: Int, time: Int64, type: UInt8,
        flags: FrameHeader.Flags = []
    ) {
        finishBlock()
        note(time: time)
        frames.appendAlone(count: count, time: time, type: type, flags: flags) { $0.append(payload) }
    }

    /// Remembers where the next frame is.
    private mutating func note(time: Int64) {
        blocks.append(
            PackedFooter.Block(
                offset: frames.end, firstSequence: frames.lastSequence + 1, recordedMicroseconds: time,
                previous: frames.chain))
    }

    /// What is pending is written.
    mutating func clearPending() { frames.clearPending() }

    /// Whether a payload is so many events, each behind a tag and its length.
    static func isSeries(_ payload: UnsafeRawBufferPointer, of count: UInt32) -> Bool {
        var at = 0
        var found: UInt32 = 0
        while at < payload.count {
            guard payload[at] == 0x0A else { return false }
            at += 1
            guard let length = Varint.read(payload, &at), length <= UInt64(payload.count - at),
                found < count
            else { return false }
            at += Int(length)
            found += 1
        }
        return found == count
    }

    /// Moves past one event of such a series.
    private static func pass(_ payload: UnsafeRawBufferPointer, _ at: inout Int) {
        at += 1
        at += Int(Varint.read(payload, &at)!)
    }
}
