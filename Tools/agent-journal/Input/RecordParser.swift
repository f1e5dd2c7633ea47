import AgentJournal
import CanonicalJSON

/// Finds the records in the bytes of a line, or of a document's object.
struct RecordParser {
    let format: RecordFormat
    /// Whether halves of surrogate pairs are replaced.
    let replacesSurrogates: Bool

    /// What a line holds is added as one batch.
    private static let maximumArrayBytes = 8 << 20

    /// - Parameter isRepaired: Is set where halves of surrogate pairs were replaced.
    func values(in bytes: RawSpan, _ isRepaired: inout Bool) throws(LineProblem) -> [JSONValue] {
        if RecordParser.isBlank(bytes) { return [] }
        do {
            return try records(in: bytes)
        } catch {
            guard let repaired = Surrogates.replaced(in: bytes),
                let records = try? records(in: repaired.span.bytes)
            else { throw error }
            guard replacesSurrogates else {
                throw LineProblem(
                    message: error.message
                        + "; or let --replace-surrogates put U+FFFD in the place of halves",
                    offset: error.offset)
            }
            isRepaired = true
            return records
        }
    }

    private func records(in bytes: RawSpan) throws(LineProblem) -> [JSONValue] {
        let value: JSONValue
        do {
            value = try ImportLine.value(of: bytes)
        } catch {
            // Objects that follow one another without a newline between.
            guard format == .lines, let ranges = ValueScanner.values(in: bytes), ranges.count > 1,
                ranges.allSatisfy({
                    bytes.unsafeLoad(fromByteOffset: $0.lowerBound, as: UInt8.self) == UInt8(ascii: "{")
                })
            else { throw error }
            var records: [JSONValue] = []
            for range in ranges {
                do {
                    records.append(try ImportLine.value(of: bytes.extracting(range)))
                } catch {
                    throw LineProblem(message: error.message, offset: range.lowerBound + error.offset)
                }
            }
            return records
        }
        guard format == .lines, case .array(let elements) = value else { return [value] }
        guard let first = elements.first else { throw LineProblem(message: "it is an empty array") }
        if elements.count > 1, bytes.byteCount > RecordParser.maximumArrayBytes {
            throw LineProblem(
                message:
                    "it is an array of \(bytes.byteCount >> 20) MiB: --format json reads one record at a time"
            )
        }
        guard elements.allSatisfy({ $0.kindName == "an object" }) else {
            let other = elements.first { $0.kindName != "an object" } ?? first
            throw LineProblem(message: "it is an array that holds \(other.kindName), not only JSON objects")
        }
        return elements
    }

    private static func isBlank(_ line: RawSpan) -> Bool {
        for offset in 0..<line.byteCount
        where !ValueScanner.isSpace(line.unsafeLoad(fromByteOffset: offset, as: UInt8.self)) {
            return false
        }
        return true
    }
}
