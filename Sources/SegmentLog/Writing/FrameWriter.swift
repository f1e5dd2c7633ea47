/// Turns events into frames at the end of a segment, in memory.
///
/// It holds what one frame needs of the one before it: the chain, the deflate stream, the recorded time.
struct FrameWriter: ~Copyable {
    let header: SegmentHeader
    private let level: Int32
    /// Where the next frame goes.
    private(set) var end = SegmentHeader.framesOffset
    private(set) var chain: UInt32
    private(set) var lastSequence: UInt64
    private(set) var recordedMicroseconds: Int64
    private var deflater: Deflater
    /// One that another took the place of, while several processes write.
    private var spareDeflater: Deflater?
    private var mustRestart = true
    /// Whether another process changed the log since this one's last frame.
    private var followsAnother = false
    /// Frames that are encoded and not yet written.
    private(set) var pending = RawBuffer(capacity: 64 << 10)
    private var raw = RawBuffer(capacity: 64 << 10)

    /// From so many callers in one commit on, or so many short memories, there is more to do than the disk gives time for.
    private static let loadedCount = 4
    private static let heavilyLoadedCount = 32
    /// Memories that are no longer than that on average are short. From longer ones the shortest search takes more than time.
    private static let shortBytes = 256
    /// Less than that is little: a frame of it is kept as it is behind another process's, and else compressed even where it grows.
    private static let leastBytes = 512
    /// The same behind another process's frame under load, where the disk is quick.
    private static let leastLoadedBytes = 16 << 10
    /// A frame of so much is an import's, for whose size people care more.
    private static let importBytes = 64 << 10
    /// Frames are closed at this much raw payload.
    static let frameBytes = 256 << 10
    /// What a frame takes at most beside its compressed payload: header, recorded time, padding, flush marker.
    static let overheadBytes = 96

    init(_ header: SegmentHeader, level: Int32) {
        self.header = header
        self.level = level
        chain = header.chain
        lastSequence = header.firstSequence - 1
        recordedMicroseconds = header.createdMicroseconds
        deflater = Deflater(level: level)
    }

    /// Goes on behind the frames that are there already.
    ///
    /// - Parameter isShared: Another process writes too.
    mutating func resume(
        end: UInt64, chain: UInt32, lastSequence: UInt64, recordedMicroseconds: Int64, isShared: Bool
    ) {
        self.end = end
        self.chain = chain
        self.lastSequence = lastSequence
        self.recordedMicroseconds = recordedMicroseconds
        mustRestart = true
        followsAnother = isShared
    }

    /// An upper bound of the bytes that `append` will take for these events.
    static func bound(rawBytes: Int, pieces: Int) -> UInt64 {
        UInt64(rawBytes + rawBytes / 1000 + (pieces + rawBytes / frameBytes + 1) * overheadBytes)
    }

    /// Encodes the pieces, joined into frames, behind what is pending. Only the first frame may promise that all
    /// before it is durable.
    mutating func append(
        _ pieces: [EncodedEvents], recordedMicroseconds time: Int64, followsSync: Bool,
        isDiskQuick: Bool = false
    ) {
        var promise = followsSync
        var count = 0
        raw.removeAll()
        for piece in pieces {
            if count > 0, piece.compressed != nil || raw.count + piece.raw.count > FrameWriter.frameBytes {
                appendJoined(
                    pieces.count, isDiskQuick, count: count, time: time, followsSync: &promise)
                count = 0
                raw.removeAll()
            }
            if piece.compressed != nil {
                appendCompressed(piece, time: time, followsSync: &promise)
            } else {
                piece.raw.withUnsafeBytes { raw.append($0) }
                count += piece.count
            }
        }
        if count > 0 {
            appendJoined(pieces.count, isDiskQuick, count: count, time: time, followsSync: &promise)
        }
        raw.shrink(above: 4 * FrameWriter.frameBytes)
    }

    /// How a frame of so many pieces, events and bytes is searched. Compaction makes up for the tenth, or the fifth, that it is
    /// larger.
    static func search(_ pieces: Int, _ count: Int, _ rawBytes: Int) -> Deflater.Search {
        let isShort = rawBytes <= min(FrameWriter.shortBytes * count, FrameWriter.importBytes)
        if isShort, count >= FrameWriter.heavilyLoadedCount { return .shortest }
        return pieces >= FrameWriter.loadedCount || isShort && count >= FrameWriter.loadedCount
            ? .short : .full
    }

    /// Whether a frame of so many bytes, of a commit of so many pieces, is kept as it is behind another process's.
    ///
    /// Without a context little shrinks by little, and where processes write in turn each frame is without one: the codes of such a
    /// frame take longer to make, and in each of the others to read, than all the rest. Under load, on a quick disk, the adds wait
    /// for the processors, of whose time a third goes into compressing once and reading in every process. Packing makes up for it.
    static func isPlain(_ pieces: Int, _ rawBytes: Int, isDiskQuick: Bool) -> Bool {
        rawBytes < (pieces >= loadedCount && isDiskQuick ? leastLoadedBytes : leastBytes)
    }

    /// Encodes a frame that is written again. Of what this version does not know and may skip, nothing is lost.
    mutating func appendAgain(
        _ payload: UnsafeRawBufferPointer, as original: FrameHeader, time: Int64, followsSync: Bool
    ) {
        raw.removeAll()
        raw.append(payload)
        var promise = followsSync
        appendFrame(
            count: Int(original.eventCount), time: time, followsSync: &promise, type: original.type,
            flags: original.flags.subtracting(.mustUnderstand))
    }

    /// Encodes a frame that needs none before it, with the payload that `fill` gives.
    mutating func appendAlone(
        count: Int, time: Int64, type: UInt8, flags: FrameHeader.Flags = [], _ fill: (inout RawBuffer) -> Void
    ) {
        raw.removeAll()
        fill(&raw)
        mustRestart = true
        var promise = false
        appendFrame(count: count, time: time, followsSync: &promise, type: type, flags: flags)
        raw.removeAll()
        raw.shrink(above: 4 * FrameWriter.frameBytes)
    }

    /// Copies a frame that needs none before it from another file of the same segment. Time and data are in what is stored;
    /// its header alone is another.
    mutating func appendCopy(_ original: FrameCursor.Frame, _ stored: UnsafeRawBufferPointer) {
        precondition(original.header.flags.contains(.restart), "a frame is copied that needs another")
        let start = pending.count
        pending.appendZeros(FrameHeader.length)
        pending.append(stored)
        mustRestart = true
        let flags = original.header.flags.subtracting(.followsSync)
        complete(
            start: start, payloadCRC: original.header.payloadCRC, rawLength: Int(original.header.rawLength),
            count: Int(original.header.eventCount), time: original.recordedMicroseconds, flags: flags,
            type: original.header.type)
    }

    /// A deflater, begun anew, to compress a frame with that `append` is given later.
    mutating func takeDeflater() -> Deflater {
        guard let spare = spareDeflater.take() else { return Deflater(level: level) }
        spare.restart()
        return spare
    }

    /// The pending frames are written.
    mutating func clearPending() {
        pending.removeAll()
        pending.shrink(above: 1 << 20)
    }

    /// Encodes what is in `raw`, of a commit of so many pieces.
    private mutating func appendJoined(
        _ pieces: Int, _ isDiskQuick: Bool, count: Int, time: Int64, followsSync: inout Bool
    ) {
        // Who goes on alone compresses its next frame, from where on there is a context again.
        appendFrame(
            count: count, time: time, followsSync: &followsSync,
            search: FrameWriter.search(pieces, count, raw.count),
            isPlain: followsAnother && FrameWriter.isPlain(pieces, raw.count, isDiskQuick: isDiskQuick))
    }

    private mutating func appendFrame(
        count: Int, time: Int64, followsSync: inout Bool, type: UInt8 = FrameHeader.eventsType,
        flags optionalFlags: FrameHeader.Flags = [], search: Deflater.Search = .full, isPlain: Bool = false
    ) {
        followsAnother = false
        let start = pending.count
        var flags: FrameHeader.Flags = [.restart, .stored]
        if raw.count > 0, !isPlain, let compressed = appendCompressed(time: time, search) {
            flags = compressed
        } else {
            begin(time: time, restart: true)
            pending.append(raw.bytes)
            mustRestart = true
        }
        finish(
            start: start, crc: Checksum.crc32(0, raw.bytes), rawLength: raw.count, count: count, time: time,
            flags: flags.union(optionalFlags), followsSync: &followsSync, type: type)
    }

    /// Compresses what is in `raw`; nil, with nothing appended, where it does not shrink.
    private mutating func appendCompressed(time: Int64, _ search: Deflater.Search) -> FrameHeader.Flags? {
        let restart = mustRestart || deflater.inputBytes >= Deflater.restartInterval
        if restart { deflater.restart() }
        mustRestart = false
        let start = pending.count
        begin(time: time, restart: restart)
        let dataStart = pending.count
        deflater.search(search)
        deflater.compress(raw.bytes, into: &pending)
        // Not so of little, with which the context would end each time.
        guard pending.count - dataStart < raw.count || raw.count < FrameWriter.leastBytes else {
            pending.resize(to: start)
            return nil
        }
        return restart ? .restart : []
    }

    private mutating func appendCompressed(_ piece: EncodedEvents, time: Int64, followsSync: inout Bool) {
        let compressed = piece.compressed!
        let start = pending.count
        begin(time: time, restart: true)
        var flags: FrameHeader.Flags = .restart
        if compressed.data.count >= piece.raw.count {
            piece.raw.withUnsafeBytes { pending.append($0) }
            flags.insert(.stored)
            mustRestart = true
        } else {
            compressed.data.withUnsafeBytes { pending.append($0) }
            if followsAnother { spareDeflater = deflater }
            deflater = compressed.deflater
            mustRestart = false
        }
        finish(
            start: start, crc: compressed.crc, rawLength: piece.raw.count, count: piece.count, time: time,
            flags: flags, followsSync: &followsSync)
        followsAnother = false
    }

    /// Leaves room for the header, and writes the recorded time.
    private mutating func begin(time: Int64, restart: Bool) {
        pending.appendZeros(FrameHeader.length)
        let base = restart ? header.createdMicroseconds : recordedMicroseconds
        precondition(time >= base, "recorded times never run backwards")
        let length = Varint.write(UInt64(time - base), into: pending.reserve(Varint.maximumLength))
        pending.grow(by: length)
    }

    private mutating func finish(
        start: Int, crc: UInt32, rawLength: Int, count: Int, time: Int64, flags: FrameHeader.Flags,
        followsSync: inout Bool, type: UInt8 = FrameHeader.eventsType
    ) {
        // The varint is at most ten bytes and ends at its first byte below 128.
        let body = UnsafeRawBufferPointer(rebasing: pending.bytes[(start + FrameHeader.length)...])
        let varintLength = body.firstIndex { $0 < 0x80 }! + 1
        let payloadCRC = FrameHeader.payloadCRC(
            raw: crc, data: UnsafeRawBufferPointer(rebasing: body[varintLength...]),
            isStored: flags.contains(.stored),
            varint: UnsafeRawBufferPointer(rebasing: body[..<varintLength]))
        complete(
            start: start, payloadCRC: payloadCRC, rawLength: rawLength, count: count, time: time,
            flags: followsSync ? flags.union(.followsSync) : flags, type: type)
        followsSync = false
    }

    /// Writes the header of the frame that starts at `start`, behind which its time and data are pending.
    private mutating func complete(
        start: Int, payloadCRC: UInt32, rawLength: Int, count: Int, time: Int64, flags: FrameHeader.Flags,
        type: UInt8
    ) {
        let storedLength = pending.count - start - FrameHeader.length
        pending.appendZeros(Int(aligned8(UInt64(pending.count - start))) - (pending.count - start))
        let firstSequence = lastSequence + 1
        var frame = FrameHeader(
            payloadCRC: payloadCRC, previous: chain, storedLength: UInt32(storedLength),
            rawLength: UInt32(rawLength), sequenceOffset: UInt32(firstSequence - header.firstSequence),
            eventCount: UInt32(count), flags: flags)
        frame.type = type
        let place = UnsafeMutableRawBufferPointer(
            rebasing: pending.mutableBytes[start..<(start + FrameHeader.length)])
        chain = frame.encode(into: place, segment: header, offset: end)
        end += frame.paddedLength
        lastSequence += UInt64(count)
        recordedMicroseconds = time
    }
}
