import AgentJournal
import CanonicalJSON

/// Gathers records into batches, bounded in number and in bytes. What a line holds is in one batch.
struct BatchReader {
    private var records: RecordReader
    private let parser: ImportLine
    private let limit: Int
    /// The first line, or record of a document, that is taken.
    private let first: UInt64
    private var contentKeys: ContentKeys?
    private let interruption: Interruption

    /// A batch may be one frame of the log, and two of them are in memory at a time.
    private static let batchBytes = 8 << 20

    init(
        _ records: RecordReader, _ parser: ImportLine, limit: Int, from first: UInt64, makesKeys: Bool,
        _ interruption: Interruption
    ) {
        self.records = records
        self.parser = parser
        self.limit = limit
        self.first = first
        contentKeys = makesKeys ? ContentKeys() : nil
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
            guard let found = try records.next() else { break }
            let isWanted = found.place.number >= first
            guard isWanted else {
                // What is passed over counts for the keys of contents, and need not be right.
                if contentKeys != nil { _ = try? lines(of: found) }
                continue
            }
            if found.isRepaired { batch.remarks.withSurrogates.add(found.place) }
            for (line, record) in try lines(of: found) {
                batch.remarks.add(line, record, found.place)
                batch.append(line, at: found.place)
            }
            bytes += found.bytes
        }
        return batch.memories.isEmpty ? nil : batch
    }

    /// The memories, each with what it was made of.
    private mutating func lines(of found: FoundRecords) throws(BadLine) -> [(ImportedLine, JSONValue)] {
        do throws(LineProblem) {
            let records = try found.result.get()
            var lines: [(ImportedLine, JSONValue)] = []
            lines.reserveCapacity(records.count)
            for (index, record) in records.enumerated() {
                do throws(LineProblem) {
                    var line = try parser.memory(of: record)
                    if line.memory.idempotencyKey == nil {
                        line.memory.idempotencyKey = contentKeys?.key(
                            of: record, conversation: line.conversation)
                    }
                    lines.append((line, record))
                } catch {
                    guard records.count > 1 else { throw error }
                    throw LineProblem(message: "element \(index + 1): \(error.message)", offset: error.offset)
                }
            }
            return lines
        } catch {
            var place = found.place
            place.offset += UInt64(error.offset)
            throw BadLine(place, code: "invalid_line", error.message)
        }
    }
}
