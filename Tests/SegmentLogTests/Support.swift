import JournalFileSystem
import JournalTesting
import Synchronization
import SystemPackage
import Testing

@testable import SegmentLog

/// Where the tests keep their journal.
let directory: FilePath = "/srv/journal"
let paths = JournalPaths(directory)

/// A generator of random numbers that gives the same ones each time (SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Bytes that deflate cannot shrink.
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

/// State that a sendable closure changes.
final class Counter<Value: Sendable>: Sendable {
    let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
}

extension LogOptions {
    /// Options whose clock and random numbers are the same each time. The clock begins anew with each options.
    static func test(
        _ fileSystem: any FileSystem, access: Access = .readWrite, segmentBytes: UInt64 = 64 << 20,
        seed: UInt64 = 1
    ) -> LogOptions {
        let clock = Counter<Int64>(1_700_000_000_000_000)
        let generator = Counter(SplitMix(seed))
        var options = LogOptions(
            fileSystem: fileSystem,
            now: {
                clock.value.withLock {
                    $0 += 1000
                    return $0
                }
            },
            formatTime: { "time \($0)" })
        options.random = { generator.value.withLock { $0.next() } }
        options.access = access
        options.segmentBytes = segmentBytes
        return options
    }
}

extension SimulatedDisk {
    /// Opens the log for appending.
    func open(
        segmentBytes: UInt64 = 64 << 20, seed: UInt64 = 1, lockTimeout: Duration = .seconds(30),
        quickSync: Duration = .seconds(1000)
    ) throws(LogError) -> SegmentLog {
        var options = LogOptions.test(self, segmentBytes: segmentBytes, seed: seed)
        options.lockTimeout = lockTimeout
        options.quickSync = quickSync
        return try SegmentLog.open(directory, options)
    }

    /// Opens the log for reading only.
    func openForReading() throws(LogError) -> SegmentLog {
        try SegmentLog.open(directory, .test(self, access: .readOnly))
    }

    /// The segments' paths, by name and so by first sequence.
    var segments: [FilePath] { paths.filter { $0.lastComponent!.string.hasSuffix(".segment") } }
}

/// The body of the event with a sequence. Small ones mostly; some that deflate well, some that do not at all.
func event(_ sequence: UInt64) -> [UInt8] {
    var generator = SplitMix(sequence)
    let text = Array("memory \(sequence), about topic \(generator.next() % 97) and nothing else".utf8)
    if sequence % 13 == 0 { return text + generator.bytes(600) }
    if sequence % 17 == 0 { return (0..<40).flatMap { _ in text } }
    return text
}

/// Events as the log takes them: each behind a tag and its length.
func encode(_ bodies: [[UInt8]]) -> EncodedEvents {
    var raw: [UInt8] = []
    for body in bodies {
        raw.append(0x0A)
        var length = [UInt8](repeating: 0, count: Varint.maximumLength)
        let count = length.withUnsafeMutableBytes { Varint.write(UInt64(body.count), into: $0) }
        raw += length.prefix(count) + body
    }
    return EncodedEvents(raw: raw, count: bodies.count)
}

/// The bodies of a frame's payload.
func decode(_ payload: UnsafeRawBufferPointer) -> [[UInt8]]? {
    var bodies: [[UInt8]] = []
    var offset = 0
    while offset < payload.count {
        guard payload[offset] == 0x0A else { return nil }
        offset += 1
        guard let length = Varint.read(payload, &offset), length <= UInt64(payload.count - offset) else {
            return nil
        }
        bodies.append(Array(payload[offset..<offset + Int(length)]))
        offset += Int(length)
    }
    return bodies
}

/// What a test found wrong, where an expectation would be too slow or has no words.
struct Wrong: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

extension SegmentLog {
    /// Appends in one commit, not yet durable.
    @discardableResult
    func write(_ bodies: [[UInt8]]) throws(LogError) -> LogHead { try write([encode(bodies)]) }

    @discardableResult
    func write(_ pieces: [EncodedEvents]) throws(LogError) -> LogHead {
        try append(rawBytes: pieces.reduce(0) { $0 + $1.raw.count }, pieces: pieces.count) { _ in pieces }
    }

    /// Appends the next `count` of the events that `event` gives, in one commit, and makes them durable.
    @discardableResult
    func add(_ count: Int = 1) throws(LogError) -> UInt64 {
        try writeNext(count)
        try sync()
        return lastSequence
    }

    /// The same without the sync.
    @discardableResult
    func writeNext(_ count: Int = 1) throws(LogError) -> LogHead {
        func events(after last: UInt64) -> EncodedEvents {
            encode((last + 1..<last + 1 + UInt64(count)).map(event))
        }
        // Where others have written, as large as the largest may be.
        let isAlone = writer.withLock { $0.generation } == shared?.generation
        return try append(rawBytes: isAlone ? events(after: lastSequence).raw.count : count * 4096, pieces: 1)
        {
            [events(after: $0.lastSequence)]
        }
    }

    /// A frame as it was read.
    struct ReadFrame {
        var frame: FrameCursor.Frame
        var bodies: [[UInt8]]
    }

    /// All frames of events behind `after`.
    func frames(after: UInt64 = 0) throws -> [ReadFrame] {
        let reader = reader(after: after)
        var frames: [ReadFrame] = []
        while let frame = try reader.next() {
            if frame.header.isSkippable { continue }
            guard let bodies = decode(reader.payload), bodies.count == frame.header.eventCount else {
                throw Wrong("the payload at offset \(frame.offset) is not what was written")
            }
            frames.append(ReadFrame(frame: frame, bodies: bodies))
        }
        return frames
    }

    /// The bodies of all events behind `after`, checking that sequences go on without a gap and times never back.
    func events(after: UInt64 = 0) throws -> [[UInt8]] {
        var bodies: [[UInt8]] = []
        var next: UInt64?
        var time = Int64.min
        for read in try frames(after: after) {
            if let next, read.frame.firstSequence != next {
                throw Wrong("sequence \(read.frame.firstSequence) where \(next) was due")
            }
            if next == nil, read.frame.firstSequence > after + 1 {
                throw Wrong("the first events are left out")
            }
            if read.frame.recordedMicroseconds < time { throw Wrong("a recorded time runs backwards") }
            time = read.frame.recordedMicroseconds
            next = read.frame.lastSequence + 1
            bodies += read.bodies.dropFirst(
                read.frame.firstSequence <= after ? Int(after + 1 - read.frame.firstSequence) : 0)
        }
        return bodies
    }

    /// Checks that the log holds exactly the first events, as many as it says, and says how many that is.
    @discardableResult
    func checkPrefix() throws -> UInt64 {
        let count = visibleSequence
        let found = try events()
        guard found.count == Int(count) else {
            throw Wrong("\(found.count) events where \(count) are visible")
        }
        for (index, body) in found.enumerated() where body != event(UInt64(index) + 1) {
            throw Wrong("event \(index + 1) is not what was written")
        }
        return count
    }
}

/// What opening a log and reading all of it gives.
enum Outcome {
    case events(UInt64)
    case refused(LogError)

    var error: LogError? {
        if case .refused(let error) = self { error } else { nil }
    }
}

extension SimulatedDisk {
    /// Opens the log, reads it, and lets go of it without closing it cleanly.
    func outcome(_ access: LogOptions.Access = .readOnly) throws -> Outcome {
        do {
            let log = try SegmentLog.open(directory, .test(self, access: access))
            return .events(try log.checkPrefix())
        } catch let error as LogError {
            return .refused(error)
        }
    }
}

/// The error that `body` throws.
func logError(_ body: () throws -> Void) -> LogError? {
    do {
        try body()
        return nil
    } catch {
        return error as? LogError
    }
}

extension SimulatedDisk {
    /// The snapshots of the journal at `paths`, whoever's it is.
    var snapshots: SnapshotFiles {
        SnapshotFiles(
            JournalPaths(directory), self, journal: JournalUUID(high: 1, low: 2), cache: BlockCache(limit: 0),
            random: { 7 })
    }

    /// Writes a snapshot of entries of 100,000 bytes that do not shrink: some are more than a piece that is written at once.
    ///
    /// - Parameter didWrite: Called after each piece.
    @discardableResult
    func writeSnapshot(
        _ sequence: UInt64, entries: Int = 1, didWrite: @escaping () -> Void = {}
    ) throws -> TableReader {
        try snapshots.write(sequence, level: 1, blockBytes: { _ in 64 << 10 }, didWrite: didWrite) {
            (writer) throws(LogError) in
            for number in 0..<UInt8(entries) {
                var generator = SplitMix(UInt64(number))
                var key = RawBuffer(capacity: 2)
                var value = RawBuffer(capacity: 100_000)
                [UInt8(ascii: "k"), number].withUnsafeBytes { key.append($0) }
                generator.bytes(100_000).withUnsafeBytes { value.append($0) }
                do throws(FileSystemError) { try writer.add(key.bytes, .put, value.bytes) } catch {
                    throw LogError(system: error)
                }
            }
            return [1]
        }
    }
}
