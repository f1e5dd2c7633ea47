/// The objects of a JSON document, one at a time: those that follow one another, and the elements of arrays, over any number of
/// lines. In memory bounded by the largest of them.
struct DocumentReader {
    /// Where the object read last begins.
    private(set) var place = Place(number: 0, line: 1, offset: 0)
    private let input: InputBuffer
    private var line: UInt64 = 1
    private var state = State.outside
    /// The line on which the array begins that is being read.
    private var arrayLine: UInt64 = 0

    private enum State {
        case outside
        /// Behind the bracket.
        case begun
        case behindElement
        case behindComma
    }

    init(_ input: InputBuffer) { self.input = input }

    /// Calls with the next object or whatever stands in its place; nil at the end.
    mutating func next<R>(_ body: (RawSpan) throws -> R) throws -> R? {
        while let byte = try firstByte() {
            switch (state, byte) {
            case (.outside, UInt8(ascii: "[")):
                state = .begun
                arrayLine = line
            case (.begun, UInt8(ascii: "]")), (.behindElement, UInt8(ascii: "]")): state = .outside
            case (.behindElement, UInt8(ascii: ",")): state = .behindComma
            case (.behindElement, _):
                throw bad("a comma or ] is missing before it, in the array that begins on line \(arrayLine)")
            case (.behindComma, UInt8(ascii: "]")):
                throw bad(
                    "a comma stands before the ] of the array that begins on line \(arrayLine): remove it")
            default:
                if state != .outside { state = .behindElement }
                return try take(body)
            }
            input.drop(1)
        }
        guard state == .outside else {
            throw bad("the input ends within the array that begins on line \(arrayLine): it was cut short")
        }
        return nil
    }

    private mutating func take<R>(_ body: (RawSpan) throws -> R) throws -> R {
        place = Place(number: place.number + 1, line: line, offset: input.offset)
        var scanner = ValueScanner()
        while true {
            if let count = input.withBytes(first: input.count, { scanner.end(in: $0) }) {
                return try use(count, body)
            }
            // What does not end is for the parser to name.
            if input.hasEnded { return try use(input.count, body) }
            guard try input.grow() else {
                throw BadLine(
                    place, code: "too_large", "it is longer than \(InputBuffer.maximumBytes >> 20) MiB")
            }
        }
    }

    private mutating func use<R>(_ count: Int, _ body: (RawSpan) throws -> R) throws -> R {
        defer { drop(count) }
        return try input.withBytes(first: count, body)
    }

    /// The next byte that is no white space, which is then the first of the window; nil at the end.
    private mutating func firstByte() throws -> UInt8? {
        while true {
            let spaces = input.withUnsafeBytes { bytes in
                bytes.firstIndex { !ValueScanner.isSpace($0) } ?? bytes.count
            }
            drop(spaces)
            if input.count > 0 { return input.withUnsafeBytes { $0[0] } }
            if input.hasEnded { return nil }
            _ = try input.grow()
        }
    }

    private mutating func drop(_ count: Int) {
        line += input.withUnsafeBytes { bytes in
            UInt64(bytes[..<count].count { $0 == UInt8(ascii: "\n") })
        }
        input.drop(count)
    }

    private func bad(_ message: String) -> BadLine {
        BadLine(
            Place(number: place.number + 1, line: line, offset: input.offset), code: "invalid_line", message)
    }
}
