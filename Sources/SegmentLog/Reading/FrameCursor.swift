package import JournalFileSystem
package import SystemPackage

/// Walks the frames of one segment forward.
///
/// It validates each frame against the one before it. What an invalid frame means (the end of the log, a torn write,
/// damage) the cursor cannot know; `Recovery` decides.
package final class FrameCursor {
    package let path: FilePath
    package let header: SegmentHeader
    private let maximumRawBytes: Int
    var window: FileWindow
    private let inflater = Inflater()
    /// The raw payload of the frame that was read last.
    private var raw = RawBuffer()
    /// Of a packed frame, the frames that it was made of, and the frame itself.
    private var groups = PackedGroups()
    private var packed: Frame?
    /// That frame as it stands in the file; nil when the one that was returned last is not part of one.
    package private(set) var block: Frame?
    /// Where in `raw` the payload of the frame is that was returned last; nil when it is all of it.
    private var part: Range<Int>?

    /// Where the next frame begins.
    package private(set) var offset = SegmentHeader.framesOffset
    /// The header CRC that the next frame's `previous` must be.
    package private(set) var chain: UInt32
    package private(set) var nextSequence: UInt64
    /// The recorded time of the frame before; nil after a jump past damage.
    package private(set) var recordedMicroseconds: Int64?
    /// Where the deflate stream of the last frame passed begins.
    package private(set) var restart: Position?
    /// True while the frame before the next one is not known: after a jump past damage.
    private var isUnlinked = false

    /// A place between frames, and what a cursor knows there.
    package struct Position: Sendable {
        package var offset: UInt64
        package var chain: UInt32
        package var nextSequence: UInt64
        package var recordedMicroseconds: Int64?
    }

    package init(_ file: any File, path: FilePath, header: SegmentHeader, maximumRawBytes: Int) {
        self.path = path
        self.header = header
        self.maximumRawBytes = maximumRawBytes
        window = FileWindow(file)
        chain = header.chain
        nextSequence = header.firstSequence
        recordedMicroseconds = header.createdMicroseconds
    }

    /// How much of a frame to check.
    package enum Depth: Sendable {
        /// The header alone.
        case header
        /// The payload too: inflated, and its CRC compared.
        case payload
    }

    /// A frame that was found.
    package struct Frame: Sendable {
        package var header: FrameHeader
        package var offset: UInt64
        package var firstSequence: UInt64
        package var recordedMicroseconds: Int64
        package var lastSequence: UInt64 { firstSequence + UInt64(header.eventCount) - 1 }
        package var end: UInt64 { offset + header.paddedLength }
        /// False when the zeros behind the data are not zeros; they are covered by no checksum.
        package var isPaddingClean = true
        /// Whether its segment is one of which events were erased: only in such a one stands what is left of them.
        package var isOfErasedSegment = false
    }

    /// What lies at the cursor.
    package enum Step: Sendable {
        case frame(Frame)
        /// No valid frame. The text says what is wrong with it, for a report.
        case invalid(String)
        /// A frame of another version's, which must be understood.
        case unsupported(String)
    }

    /// The raw payload of the frame that `next(.payload)` returned last.
    package var payload: UnsafeRawBufferPointer {
        guard let part else { return raw.bytes }
        return UnsafeRawBufferPointer(rebasing: raw.bytes[part])
    }

    /// Whether the packed frame before the cursor holds frames that were not returned yet.
    package var hasPendingGroups: Bool { groups.hasMore }

    /// Checks the frame at the cursor and moves past it if it is valid.
    ///
    /// Of a packed frame, `.payload` gives what it was made of, one with each call; `.header` gives it whole.
    package func next(_ depth: Depth) throws(LogError) -> Step {
        if groups.hasMore { return .frame(nextGroup()) }
        let at = offset
        let segment = header
        let found = try window.withBytes(at: at, length: FrameHeader.length) { bytes in
            FrameHeader(bytes, segment: segment, offset: at)
        }
        guard let found else { return .invalid("no valid frame header") }
        guard isUnlinked || found.previous == chain else {
            return .invalid("the frame does not continue the one before it")
        }
        let first = header.firstSequence + UInt64(found.sequenceOffset)
        guard isUnlinked || first == nextSequence else {
            return .invalid("the frame has sequence \(first) where \(nextSequence) was due")
        }
        if found.isUnsupported(inPacked: header.isPacked) {
            return .unsupported("frame type \(found.type) with flags \(found.flags.rawValue)")
        }
        guard !found.flags.contains(.stored) || found.flags.contains(.restart) else {
            return .invalid("the frame is stored and does not restart")
        }
        guard !header.isPacked || found.flags.contains(.restart) else {
            return .invalid("the frame does not restart, and its segment is packed")
        }
        guard Int(found.rawLength) <= maximumRawBytes,
            Int(found.storedLength) <= maximumRawBytes + maximumRawBytes / 1000 + 1024
        else { return .invalid("the frame is longer than this journal allows") }
        if let problem = try read(found, at: at, first: first, depth) { return problem }
        guard let recorded = recordedMicroseconds else {
            return .invalid("the frame needs the one before it, which is damaged")
        }
        var frame = Frame(
            header: found, offset: at, firstSequence: first, recordedMicroseconds: recorded,
            isOfErasedSegment: header.isErased)
        if depth == .payload { frame.isPaddingClean = try isPaddingClean(frame) }
        offset = frame.end
        chain = found.headerCRC
        nextSequence = frame.lastSequence + 1
        isUnlinked = false
        block = groups.hasMore ? frame : nil
        guard groups.hasMore else { return .frame(frame) }
        packed = frame
        return .frame(nextGroup())
    }

    /// The next of the frames that a packed frame was made of: its header is the packed one's, but for what differs.
    private func nextGroup() -> Frame {
        var frame = packed!
        let group = groups.take()
        part = group.bytes
        frame.header.type = FrameHeader.eventsType
        frame.header.eventCount = group.eventCount
        frame.header.rawLength = UInt32(group.bytes.count)
        frame.recordedMicroseconds = group.recordedMicroseconds
        packed!.firstSequence += UInt64(group.eventCount)
        packed!.header.sequenceOffset += group.eventCount
        // Reported once.
        packed!.isPaddingClean = true
        recordedMicroseconds = group.recordedMicroseconds
        return frame
    }

    /// Forgets the frames of a packed frame that were not returned.
    private func dropGroups() {
        groups.removeAll()
        part = nil
        block = nil
    }

    /// Reads the recorded time and, for `.payload`, the data. Returns a step only when something is wrong.
    private func read(
        _ found: FrameHeader, at: UInt64, first: UInt64, _ depth: Depth
    ) throws(LogError) -> Step? {
        let restarts = found.flags.contains(.restart)
        if restarts {
            restart = Position(
                offset: at, chain: found.previous, nextSequence: first,
                recordedMicroseconds: recordedMicroseconds)
            inflater.restart()
        }
        guard let base = restarts ? header.createdMicroseconds : recordedMicroseconds else {
            return .invalid("the frame needs the one before it, which is damaged")
        }
        let stored = Int(found.storedLength)
        let wanted = depth == .payload ? stored : min(stored, Varint.maximumLength)
        let inflater = inflater
        var recorded: Int64 = 0
        part = nil
        // Taken out, so that the window and the buffer can be used at once.
        var output = RawBuffer(capacity: 0)
        swap(&output, &raw)
        let problem = try window.withBytes(at: at + UInt64(FrameHeader.length), length: wanted) {
            bytes -> Step? in
            var position = 0
            guard bytes.count == wanted, let delta = Varint.read(bytes, &position),
                let time = base.addingDelta(delta)
            else { return .invalid("the frame is cut off") }
            recorded = time
            guard depth == .payload else {
                inflater.lose()
                return nil
            }
            let data = UnsafeRawBufferPointer(rebasing: bytes[position...])
            if found.flags.contains(.stored) {
                inflater.lose()
                guard data.count == Int(found.rawLength) else {
                    return .invalid("the stored data has another length than the raw payload")
                }
                output.removeAll()
                output.append(data)
            } else if !inflater.inflate(data, rawLength: Int(found.rawLength), into: &output) {
                return .invalid("the payload does not inflate to its raw length")
            }
            let crc = FrameHeader.payloadCRC(
                raw: Checksum.crc32(0, output.bytes), data: data, isStored: found.flags.contains(.stored),
                varint: UnsafeRawBufferPointer(rebasing: bytes[..<position]))
            return crc == found.payloadCRC ? nil : .invalid("the payload's checksum is wrong")
        }
        swap(&output, &raw)
        guard problem == nil else {
            inflater.lose()
            return problem
        }
        if let before = recordedMicroseconds, !isUnlinked, recorded < before {
            inflater.lose()
            return .invalid("the recorded time runs backwards")
        }
        guard !found.isLost || found.rawLength == 0 else {
            return .invalid("a frame of lost events has a payload")
        }
        if depth == .payload, found.type == FrameHeader.packedType,
            let wrong = groups.read(raw.bytes, eventCount: found.eventCount, recorded: recorded)
        {
            return .invalid(wrong)
        }
        recordedMicroseconds = recorded
        return nil
    }

    /// Calls with what is stored of a frame behind its header: recorded time and data.
    func withStored<R>(_ frame: Frame, _ body: (UnsafeRawBufferPointer) -> R) throws(LogError) -> R {
        try window.withBytes(
            at: frame.offset + UInt64(FrameHeader.length), length: Int(frame.header.storedLength)
        ) { (stored) throws(LogError) in body(stored) }
    }

    private func isPaddingClean(_ frame: Frame) throws(LogError) -> Bool {
        let dataEnd = frame.offset + UInt64(FrameHeader.length) + UInt64(frame.header.storedLength)
        return try window.withBytes(at: dataEnd, length: Int(frame.end - dataEnd)) { $0.isAllZero() }
    }

    /// Where the cursor is.
    package var position: Position {
        Position(
            offset: offset, chain: chain, nextSequence: nextSequence,
            recordedMicroseconds: recordedMicroseconds)
    }

    /// Goes to a place where this cursor was, or another one of the same segment. Payloads can then be read only from
    /// the next restart on, so go to a `restart` for them.
    package func seek(to position: Position) {
        offset = position.offset
        chain = position.chain
        nextSequence = position.nextSequence
        recordedMicroseconds = position.recordedMicroseconds
        isUnlinked = false
        dropGroups()
        inflater.lose()
    }

    /// Forgets what was read ahead: the writer has written since.
    package func refresh() { window.invalidate() }

    /// The same where it has written little: some frames.
    func refreshForLittle() { window.invalidate(readBytes: 8 << 10) }

    /// Moves to `newOffset`, where a valid header was found behind damage. Frames up to the next restart cannot
    /// be read then.
    package func jump(to newOffset: UInt64) {
        offset = newOffset
        recordedMicroseconds = nil
        isUnlinked = true
        dropGroups()
        inflater.lose()
    }
}
