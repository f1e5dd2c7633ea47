import AgentJournal
import CanonicalJSON

/// How the records of an input follow one another.
enum RecordFormat: String, CaseIterable {
    /// One on each line; or several, or an array of them.
    case lines
    /// In a JSON document, over any number of lines.
    case json
}

/// What a line, or a place in a document, holds.
struct FoundRecords {
    var place: Place
    var bytes: Int
    /// None of a blank line.
    var result: Result<[JSONValue], LineProblem>
    /// Whether there were halves of surrogate pairs, which were replaced.
    var isRepaired = false
}

/// The records of an input, with their places.
struct RecordReader {
    private let parser: RecordParser
    private var lines: LineReader
    private var document: DocumentReader

    init(_ input: InputBuffer, _ format: RecordFormat, replacesSurrogates: Bool) {
        parser = RecordParser(format: format, replacesSurrogates: replacesSurrogates)
        lines = LineReader(input)
        document = DocumentReader(input)
    }

    /// The next records; nil at the end.
    ///
    /// - Throws: `BadLine`, behind which nothing can be read, `Interrupted`, `Failure`.
    mutating func next() throws -> FoundRecords? {
        let parser = parser
        var bytes = 0
        var isRepaired = false
        // Few lines end within a value.
        var unfinished: [UInt8] = []
        func read(_ span: RawSpan) -> Result<[JSONValue], LineProblem> {
            bytes = span.byteCount
            do throws(LineProblem) {
                return .success(try parser.values(in: span, &isRepaired))
            } catch {
                if error.endsEarly { unfinished = span.withUnsafeBytes { Array($0) } }
                return .failure(error)
            }
        }
        switch parser.format {
        case .lines:
            guard var result = try lines.next(read) else { return nil }
            if case .failure(let problem) = result, problem.endsEarly, let name = try documentName(unfinished)
            {
                result = .failure(LineProblem(message: name, offset: problem.offset))
            }
            let place = Place(number: lines.number, line: nil, offset: lines.offset)
            return FoundRecords(place: place, bytes: bytes, result: result, isRepaired: isRepaired)
        case .json:
            guard let result = try document.next(read) else { return nil }
            return FoundRecords(place: document.place, bytes: bytes, result: result, isRepaired: isRepaired)
        }
    }

    /// What a document over several lines is, where a line that ends within a value looks like the beginning of one.
    private func documentName(_ line: [UInt8]) throws -> String? {
        let rest = try lines.following()
        guard let next = rest.first(where: { !ValueScanner.isSpace($0) }),
            let first = line.first(where: { !ValueScanner.isSpace($0) }),
            let last = line.last(where: { !ValueScanner.isSpace($0) })
        else { return nil }
        let reading = "Read it with --format json"
        if first == UInt8(ascii: "[") {
            return
                "this is a JSON array over several lines, not JSON lines. \(reading), or make lines of it: jq -c '.[]' FILE"
        }
        // Of a line that was cut short the next one is a whole object.
        guard next != UInt8(ascii: "{") || last == UInt8(ascii: "[") else { return nil }
        guard [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ","), UInt8(ascii: ":")].contains(last)
        else {
            return nil
        }
        let array = RecordReader.arrayName(line + [UInt8(ascii: "\n")] + rest)
        return "this is a JSON object over several lines, not JSON lines. "
            + (array.map { "It holds its records in \"\($0)\"; make lines of them: jq -c '.\($0)[]' FILE" }
                ?? "\(reading), or make lines of it: jq -c . FILE")
    }

    /// The array of objects that a document holds, when it has no content of its own.
    private static func arrayName(_ document: [UInt8]) -> String? {
        var scanner = ValueScanner()
        guard let end = scanner.end(in: document.span.bytes),
            let value = try? JSONValue.parse(Array(document[..<end])),
            case .object(let members) = value,
            !members.contains(where: { $0.key.elementsEqual("content".utf8) })
        else { return nil }
        return ContentHint.arrayPath(in: value).map { ContentHint.name($0) }
    }
}
