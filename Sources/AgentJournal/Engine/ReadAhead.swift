import JournalFileSystem
import SegmentLog
import SystemPackage

/// The frames that a replay applies. When there turn out to be many, they are read and inflated in a thread of their own from then
/// on, some way ahead: that takes about as long as applying their events.
struct ReplaySource: ~Copyable {
    private let reader: LogReader
    private let bound: UInt64
    private var mayReadAhead: Bool
    private var readBytes = 0
    private var ahead: ReadAhead?
    private var piece: ReadAhead.Piece?
    private var next = 0

    /// A replay of less is over before a thread is worth its start.
    private static let bytesBeforeReadingAhead = 1 << 20

    /// - Parameter mayReadAhead: Nobody else uses the reader afterwards, which may then be anywhere.
    init(_ reader: LogReader, upTo bound: UInt64, mayReadAhead: Bool) {
        self.reader = reader
        self.bound = bound
        self.mayReadAhead = mayReadAhead
    }

    deinit { ahead?.stop() }

    /// The next frame; nil when all up to the bound were returned.
    mutating func nextFrame() throws(LogError) -> FrameCursor.Frame? {
        if mayReadAhead, ahead == nil, readBytes >= ReplaySource.bytesBeforeReadingAhead {
            // Without another thread it goes on as before.
            ahead = try? ReadAhead(reader, upTo: bound)
            mayReadAhead = ahead != nil
        }
        guard let ahead else {
            guard let frame = try reader.next(upTo: bound) else { return nil }
            readBytes += reader.payload.count
            return frame
        }
        next += 1
        if piece == nil || next == piece!.frames.count {
            piece = try ahead.next()
            next = 0
        }
        return piece?.frames[next].frame
    }

    /// The payload of the frame that was returned last, valid until the next one is asked for.
    var payload: UnsafeRawBufferPointer {
        guard let piece else { return reader.payload }
        return UnsafeRawBufferPointer(rebasing: piece.bytes.bytes[piece.frames[next].payload])
    }

    /// The segment that it is in.
    var path: FilePath? { piece.map { $0.frames[next].path } ?? reader.path }
}

/// A thread that reads frames and keeps some until they are asked for.
private final class ReadAhead: Sendable {
    /// Some frames and their payloads.
    ///
    /// `@unchecked Sendable`: nobody changes one that was handed over.
    final class Piece: @unchecked Sendable {
        fileprivate(set) var frames: [(frame: FrameCursor.Frame, payload: Range<Int>, path: FilePath?)] = []
        fileprivate(set) var bytes = RawBuffer(capacity: Piece.bytes + Piece.bytes / 4)

        /// A piece is handed over when it is so large.
        fileprivate static let bytes = 256 << 10
    }

    private struct Queue {
        var pieces: [Piece] = []
        var bytes: Int { pieces.reduce(0) { $0 + $1.bytes.count } }
        /// What came behind the last piece: nothing, or an error.
        var end: Result<Void, LogError>?
        var isStopped = false
    }

    /// So much is kept at most, but for one piece: a frame may be larger.
    private static let bytesAtMost = 1 << 20
    private let queue: Monitor<Queue>
    private let thread: JoinableThread

    /// The reader is this thread's from here on, until `stop` has returned.
    init(_ reader: LogReader, upTo bound: UInt64) throws(Errno) {
        let queue = Monitor(Queue())
        nonisolated(unsafe) let reader = reader
        thread = try spawnThread(name: "journal-replay") {
            let end = ReadAhead.read(reader, bound, queue)
            queue.withLock { $0.end = end }
            queue.broadcast()
        }
        self.queue = queue
    }

    private static func read(
        _ reader: LogReader, _ bound: UInt64, _ queue: Monitor<Queue>
    ) -> Result<Void, LogError> {
        var piece = Piece()
        var failure: LogError?
        do throws(LogError) {
            while let frame = try reader.next(upTo: bound) {
                let start = piece.bytes.count
                piece.bytes.append(reader.payload)
                piece.frames.append((frame, start..<piece.bytes.count, reader.path))
                guard piece.bytes.count >= Piece.bytes else { continue }
                guard put(piece, queue) else { return .success(()) }
                piece = Piece()
            }
        } catch {
            failure = error
        }
        if !piece.frames.isEmpty { _ = put(piece, queue) }
        return failure.map { .failure($0) } ?? .success(())
    }

    /// - Returns: false when nobody wants any more.
    private static func put(_ piece: Piece, _ queue: Monitor<Queue>) -> Bool {
        let isWanted = queue.withLock(waitingUntil: {
            $0.isStopped || $0.pieces.isEmpty || $0.bytes + piece.bytes.count <= bytesAtMost
        }) { queue in
            if !queue.isStopped { queue.pieces.append(piece) }
            return !queue.isStopped
        }
        queue.broadcast()
        return isWanted
    }

    /// The next piece, when it is there; nil at the end.
    ///
    /// - Throws: what the reader threw, behind all that it returned before.
    func next() throws(LogError) -> Piece? {
        let (piece, end) = queue.withLock(waitingUntil: { !$0.pieces.isEmpty || $0.end != nil }) { queue in
            (queue.pieces.isEmpty ? nil : queue.pieces.removeFirst(), queue.end)
        }
        queue.broadcast()
        if let piece { return piece }
        try end?.get()
        return nil
    }

    /// Ends the thread.
    func stop() {
        queue.withLock { $0.isStopped = true }
        queue.broadcast()
        thread.join()
    }
}
