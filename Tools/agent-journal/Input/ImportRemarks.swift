import AgentJournal
import CanonicalJSON

/// What is to be said of lines that were taken all the same: how many, and the first.
struct ImportRemarks: Sendable {
    struct Remark: Sendable {
        var count = 0
        var first: String?

        mutating func add(_ place: Place, _ more: @autoclosure () -> String = "") {
            count += 1
            if first == nil { first = place.text + more() }
        }

        mutating func add(_ other: Remark) {
            count += other.count
            if first == nil { first = other.first }
        }
    }

    var withoutContent = Remark()
    var withoutKey = Remark()
    var withoutTime = Remark()
    /// Times that were numbers, and lie where no dialogue of a model was.
    var oddTime = Remark()
    var withSurrogates = Remark()

    mutating func add(_ other: ImportRemarks) {
        withoutContent.add(other.withoutContent)
        withoutKey.add(other.withoutKey)
        withoutTime.add(other.withoutTime)
        oddTime.add(other.oddTime)
        withSurrogates.add(other.withSurrogates)
    }

    mutating func add(_ line: ImportedLine, _ record: JSONValue, _ place: Place) {
        if !line.hasContent { withoutContent.add(place, ImportRemarks.shown(record)) }
        if line.memory.idempotencyKey == nil { withoutKey.add(place) }
        if line.lacksTime { withoutTime.add(place) }
        if line.hasNumericTime, let time = line.memory.timestamp, !ImportRemarks.likelyTimes.contains(time) {
            oddTime.add(place, ", which then is \(time)")
        }
    }

    /// Dialogues with models are of this time: a number in another unit gives one far away.
    private static let likelyTimes = Timestamp("1990-01-01T00:00:00Z")!...Timestamp("2100-01-01T00:00:00Z")!

    private static func shown(_ record: JSONValue) -> String {
        var bytes: [UInt8] = []
        record.appendCanonical(to: &bytes)
        // Cut before it is escaped: a record may be megabytes long.
        let text = String(decoding: bytes.prefix(1000), as: UTF8.self).escapingControls(
            keepingNewlines: false)
        let hint = ContentHint.text(for: record)
        return ": \(text.shortened(to: 160))" + (hint.isEmpty ? "" : ". " + hint)
    }
}
