import JournalFileSystem
import JournalTesting
import SystemPackage

@testable import SegmentLog

/// Frames behind a segment header that is always the same.
struct FrameTarget: Target {
    static let name = "frame"
    private let header: SegmentHeader

    init() {
        header = SegmentHeader(
            id: 1, journal: JournalUUID(high: 1, low: 2), firstSequence: 1,
            createdMicroseconds: 1_700_000_000_000_000, salt: 0x1234_5678, secret: [1, 2, 3, 4],
            predecessor: nil)
    }

    /// The first byte says what is repaired.
    func run(_ input: [UInt8]) throws {
        let (repair, rest) = Repair.split(input)
        var bytes = header.twice + rest
        repair.subtracting(.ends).segment(&bytes)
        let frames = try Frames(bytes)
        check(frames)
        checkHeaders(of: bytes, frames)
        let byHeader = try Frames(bytes, .header)
        expect(byHeader.all.count >= frames.all.count, "a frame with a right payload has a right header")
        for (whole, header) in zip(frames.all, byHeader.all) {
            var same = whole
            same.payload = []
            expectSame(header, same, "a header says the same with and without its payload")
        }
        try checkSeeking(bytes, frames)
        try checkScan(bytes)
        try checkWritingAgain(frames, bytes)
    }

    private func check(_ frames: Frames) {
        var next = header.firstSequence
        var offset = SegmentHeader.framesOffset
        var time = header.createdMicroseconds
        for frame in frames.all {
            expect(frame.first == next && frame.offset == offset, "frames go on without a gap")
            expect(frame.end > frame.offset && frame.end % 8 == 0, "a frame ends behind its beginning")
            expect(frame.recorded >= time, "time never runs back")
            expect(frame.payload.count <= Frames.maximumRawBytes, "no payload beyond the bound")
            next = frame.first + UInt64(frame.count)
            offset = frame.end
            time = frame.recorded
        }
    }

    /// A header that is decoded and encoded is the same bytes.
    private func checkHeaders(of bytes: [UInt8], _ frames: Frames) {
        for frame in frames.all {
            let place = Array(bytes[Int(frame.offset)..<(Int(frame.offset) + FrameHeader.length)])
            guard
                var decoded = place.withUnsafeBytes({
                    FrameHeader($0, segment: header, offset: frame.offset)
                })
            else { stop("the header of a valid frame is valid") }
            var encoded = [UInt8](repeating: 0xAA, count: FrameHeader.length)
            encoded.withUnsafeMutableBytes {
                _ = decoded.encode(into: $0, segment: header, offset: frame.offset)
            }
            expectSame(encoded, place, "a frame header encodes to what it was decoded from")
        }
    }

    /// From the place where the last frame's stream begins the same frames are read.
    private func checkSeeking(_ bytes: [UInt8], _ frames: Frames) throws {
        let (cursor, _) = try Frames.cursor(bytes, header)
        let all = try Frames(cursor, .payload)
        expectSame(all.all, frames.all, "reading again gives the same")
        guard let restart = cursor.restart, restart.offset <= frames.all.last?.offset ?? 0 else { return }
        cursor.seek(to: restart)
        expectSame(
            try Frames(cursor, .payload).all, frames.all.filter { $0.offset >= restart.offset },
            "from a restart on the same is read")
    }

    /// What a scan finds is aligned, and a valid first frame is found first.
    private func checkScan(_ bytes: [UInt8]) throws {
        let (cursor, _) = try Frames.cursor(bytes, header)
        var found: [UInt64] = []
        _ = try cursor.scan(from: SegmentHeader.framesOffset) { offset, _ in
            found.append(offset)
            return false
        }
        expect(found.allSatisfy { $0 % 8 == 0 && $0 < UInt64(bytes.count) }, "a scan stays in the file")
        expect(found == found.sorted() && Set(found).count == found.count, "a scan goes forward")
        let isZero = try !cursor.hasBytes(from: SegmentHeader.framesOffset)
        expect(isZero == bytes[Int(SegmentHeader.framesOffset)...].allSatisfy { $0 == 0 }, "zeros are zeros")
        for offset in found.suffix(2) {
            cursor.jump(to: offset)
            _ = try Frames(cursor, .payload)
        }
    }

    /// Frames that are written again hold the same.
    private func checkWritingAgain(_ frames: Frames, _ bytes: [UInt8]) throws {
        var writer = FrameWriter(header, level: 1)
        let (cursor, _) = try Frames.cursor(bytes, header)
        for frame in frames.all {
            guard case .frame(let found) = try cursor.next(.payload) else { stop("a frame is there twice") }
            writer.appendAgain(
                cursor.payload, as: found.header, time: frame.recorded, followsSync: false)
        }
        let again = try Frames(header.twice + Array(writer.pending.bytes))
        expectSame(again.all.map(\.payload), frames.all.map(\.payload), "payloads written again")
        expectSame(again.all.map(\.recorded), frames.all.map(\.recorded), "times written again")
        expectSame(again.all.map(\.count), frames.all.map(\.count), "counts written again")
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = [:]
        let payloads = try EventTarget().seeds().sorted { $0.key < $1.key }.map(\.value)
        for (name, sizes) in [("one", [3]), ("few", [1, 2, 1]), ("many", [1, 1, 1, 1, 1, 1])] {
            for isStored in [false, true] {
                var writer = FrameWriter(header, level: 6)
                var rest = payloads[...]
                for (number, size) in sizes.enumerated() {
                    let raw = rest.prefix(size).flatMap { $0 }
                    rest = rest.dropFirst(size)
                    writer.append(
                        [EncodedEvents(raw: raw, count: size)],
                        recordedMicroseconds: 1_700_000_000_000_000 + Int64(number) * 1000,
                        followsSync: number % 2 == 1)
                }
                let frames = Array(writer.pending.bytes)
                for repair in [Repair(), .all] {
                    seeds["\(name)-\(isStored ? "stored" : "deflated")-\(repair.rawValue)"] =
                        [repair.rawValue] + (isStored ? try stored(frames) : frames)
                }
            }
        }
        return seeds
    }

    /// The same frames with their payloads as they are, so that a mutation changes events and not deflate.
    private func stored(_ frames: [UInt8]) throws -> [UInt8] {
        try Frames.stored(header.twice + frames, header).dropFirst(Int(SegmentHeader.framesOffset)).map { $0 }
    }
}

extension Frames {
    /// A segment with the same frames, their payloads not compressed.
    static func stored(_ segment: [UInt8], _ header: SegmentHeader) throws -> [UInt8] {
        var output = Array(segment[..<Int(SegmentHeader.framesOffset)])
        var chain = header.chain
        let (cursor, _) = try Frames.cursor(segment, header)
        while case .frame(let frame) = try cursor.next(.payload) {
            let time = frame.recordedMicroseconds - header.createdMicroseconds
            var varint = [UInt8](repeating: 0, count: Varint.maximumLength)
            let length = varint.withUnsafeMutableBytes { Varint.write(UInt64(time), into: $0) }
            let stamp = Array(varint[..<length])
            let payload = Array(cursor.payload)
            var found = frame.header
            found.previous = chain
            found.flags.formUnion([.restart, .stored])
            found.storedLength = UInt32(stamp.count + payload.count)
            found.payloadCRC = Checksum.crc32(
                Checksum.crc32(Checksum.crc32(0, payload), payload), stamp)
            var place = [UInt8](repeating: 0, count: FrameHeader.length)
            let offset = UInt64(output.count)
            chain = place.withUnsafeMutableBytes { found.encode(into: $0, segment: header, offset: offset) }
            output += place + stamp + payload
            output += [UInt8](repeating: 0, count: Int(aligned8(UInt64(output.count))) - output.count)
        }
        return output
    }
}
