import AgentJournal
import SystemPackage

/// A line that cannot be taken.
struct BadLine: Error {
    var number: UInt64
    /// In bytes of the (unpacked) input.
    var offset: UInt64
    var code: String
    var message: String
}

/// The memories of some lines, to be added together.
struct Batch: Sendable {
    /// Where a memory came from.
    struct Place: Sendable {
        var line: UInt64
        var offset: UInt64
    }

    var memories: [(conversation: String, memory: NewMemory)] = []
    var places: [Place] = []
}

/// Gathers lines into batches, bounded in number and in bytes.
struct BatchReader {
    private var lines: LineReader
    private let parser: ImportLine
    private let limit: Int
    private let interruption: Interruption

    /// A batch may be one frame of the log, and two of them are in memory at a time.
    private static let batchBytes = 8 << 20

    init(_ lines: LineReader, _ parser: ImportLine, limit: Int, _ interruption: Interruption) {
        self.lines = lines
        self.parser = parser
        self.limit = limit
        self.interruption = interruption
    }

    /// The next batch; nil at the end of the input.
    ///
    /// - Throws: `BadLine`, `Interrupted`, `Failure`; the batch that was begun is then dropped.
    mutating func next() throws -> Batch? {
        if interruption.hasCome { throw Interrupted() }
        var batch = Batch()
        var bytes = 0
        while batch.memories.count < limit, bytes < BatchReader.batchBytes {
            let parser = parser
            let line: Line?
            do {
                line = try lines.next { (bytes: RawSpan) in
                    BatchReader.isBlank(bytes) ? .blank : .memory(try parser.parse(bytes), bytes.byteCount)
                }
            } catch let problem as LineProblem {
                throw BadLine(
                    number: lines.number, offset: lines.offset + UInt64(problem.offset), code: "invalid_line",
                    message: problem.message)
            }
            guard let line else { break }
            guard case .memory(let memory, let length) = line else { continue }
            batch.memories.append(memory)
            batch.places.append(Batch.Place(line: lines.number, offset: lines.offset))
            bytes += length
        }
        return batch.memories.isEmpty ? nil : batch
    }

    private enum Line {
        case blank
        case memory((conversation: String, memory: NewMemory), Int)
    }

    private static func isBlank(_ line: RawSpan) -> Bool {
        for offset in 0..<line.byteCount {
            let byte = line.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
            if byte != 0x20, byte != 0x09, byte != 0x0D { return false }
        }
        return true
    }
}
