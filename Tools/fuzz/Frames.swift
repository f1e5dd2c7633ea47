import JournalFileSystem
import JournalTesting
import SystemPackage

@testable import SegmentLog

/// The frames of a segment, as a cursor gives them.
struct Frames {
    struct Frame: Equatable {
        var offset: UInt64
        var end: UInt64
        var first: UInt64
        var count: UInt32
        var recorded: Int64
        var headerCRC: UInt32
        var payload: [UInt8]
    }

    var all: [Frame] = []
    /// Why there are no more.
    var ending = ""
    var payloads: [[UInt8]] { all.map(\.payload) }

    /// No raw payload is longer.
    static let maximumRawBytes = 1 << 20
    static let path: FilePath = "/segment"

    init(_ bytes: [UInt8], _ depth: FrameCursor.Depth = .payload) throws {
        guard let header = bytes.withUnsafeBytes({ SegmentHeader($0) }) else {
            ending = "no header"
            return
        }
        let (cursor, _) = try Frames.cursor(bytes, header)
        self = try Frames(cursor, depth)
    }

    init(_ cursor: FrameCursor, _ depth: FrameCursor.Depth) throws {
        while true {
            let before = cursor.position
            switch try cursor.next(depth) {
            case .frame(let frame):
                all.append(
                    Frame(
                        offset: frame.offset, end: frame.end, first: frame.firstSequence,
                        count: frame.header.eventCount, recorded: frame.recordedMicroseconds,
                        headerCRC: frame.header.headerCRC,
                        payload: depth == .payload ? Array(cursor.payload) : []))
            case .invalid(let why), .unsupported(let why):
                ending = why
                expect(cursor.offset == before.offset, "a frame that is not valid moves nothing")
                return
            }
        }
    }

    static func cursor(_ bytes: [UInt8], _ header: SegmentHeader) throws -> (FrameCursor, any File) {
        let disk = SimulatedDisk()
        try disk.replaceContents(of: path, with: bytes)
        let file = try disk.openFile(path, .readOnly)
        return (
            FrameCursor(file, path: path, header: header, maximumRawBytes: maximumRawBytes), file
        )
    }
}
