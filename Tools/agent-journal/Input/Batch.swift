import AgentJournal

/// Where a memory came from.
struct Place: Sendable {
    /// Of the line; of a document's object, from 1.
    var number: UInt64
    /// The line on which a document's object begins; nil where each line is a record.
    var line: UInt64?
    /// In bytes of the (unpacked) input.
    var offset: UInt64

    var text: String { line.map { "record \(number) (line \($0))" } ?? "line \(number)" }
}

/// A line that cannot be taken.
struct BadLine: Error {
    var place: Place
    var code: String
    var message: String

    init(_ place: Place, code: String, _ message: String) {
        self.place = place
        self.code = code
        self.message = message
    }
}

/// The memories of some lines, to be added together.
struct Batch: Sendable {
    var memories: [(conversation: String, memory: NewMemory)] = []
    var places: [Place] = []
    var remarks = ImportRemarks()

    mutating func append(_ line: ImportedLine, at place: Place) {
        memories.append((line.conversation, line.memory))
        places.append(place)
    }
}
