import AgentJournal
import CanonicalJSON

/// What an import has done so far.
struct ImportTally {
    private let format: RecordFormat
    private(set) var lines = 0
    private(set) var written = BatchWriter.Written()
    /// The journal's last event, when all is in.
    var lastSequence: UInt64 = 0
    private var conversations: Set<[UInt8]> = []
    private var remarks = ImportRemarks()
    /// The line that is in last.
    private var last: UInt64 = 0

    init(format: RecordFormat) { self.format = format }

    /// Counts a batch that is on stable storage.
    mutating func count(_ batch: Batch, _ written: BatchWriter.Written) {
        lines += batch.memories.count
        self.written.add(written)
        remarks.add(batch.remarks)
        last = batch.places.last?.number ?? last
        // Lines of one conversation are mostly together.
        var name: String?
        for (conversation, _) in batch.memories where !(name?.utf8.elementsEqual(conversation.utf8) ?? false)
        {
            conversations.insert(Array(conversation.utf8))
            name = conversation
        }
    }

    private var noun: String { format == .lines ? "line" : "record" }

    /// "1 line", "17 lines".
    private func counted(_ count: Int) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// The result, for reading.
    var text: String {
        var text =
            "\(counted(lines)): \(written.added) added, \(written.replayed) already there, in \(conversations.count) conversations"
        if written.replaced > 0 { text += ", \(written.replaced) replaced others" }
        if written.skipped > 0 { text += ", \(written.skipped) skipped" }
        return text
    }

    /// The result, for programs. What seldom is has no member where it is not.
    var json: [UInt8] {
        func unlessNone(_ count: Int) -> JSONValue? { count > 0 ? .number(count) : nil }
        return JSONLine.object([
            "added": .number(written.added), "conversations": .number(conversations.count),
            "last_sequence": .number(lastSequence), "lines": .number(lines),
            "replaced": unlessNone(written.replaced), "replayed": .number(written.replayed),
            "skipped": unlessNone(written.skipped),
            "without_content": unlessNone(remarks.withoutContent.count),
        ])
    }

    /// How far it came, for an error.
    var progressText: String {
        "\(counted(lines)) \(lines == 1 ? "was" : "were") imported (\(written.added) added, \(written.replayed) already there)"
    }

    /// How to go on after an error, behind ``progressText``.
    var goingOn: String {
        guard lines > 0 else { return "" }
        let place = ", all to \(noun) \(last). "
        guard remarks.withoutKey.count > 0 else {
            return place + "They have keys: when this import is repeated, they are not added again"
        }
        return place
            + "To go on, give --from-line \(last + 1) besides: repeated from the first \(noun), the import would "
            + "add those without keys again"
    }

    /// What is to be said besides, when all is in.
    func notes(_ keys: ImportKeyOptions, _ fields: ImportFieldOptions) -> [String] {
        var notes: [String] = []
        func note(_ remark: ImportRemarks.Remark, _ text: String, _ more: String = "") {
            guard let first = remark.first else { return }
            notes.append("\(remark.count) of \(counted(lines)) \(text). The first is \(first)\(more)")
        }
        note(remarks.withoutContent, "\(have(remarks.withoutContent)) no content: the empty text was added")
        if let key = keys.keyField {
            note(
                remarks.withoutKey, "\(have(remarks.withoutKey)) no \"\(key.text)\", and so no key",
                ". A repeated import adds such again; with --key-of-content they have keys too")
        }
        if let time = fields.timeField {
            note(
                remarks.withoutTime,
                "\(have(remarks.withoutTime)) no \"\(time.text)\": their time is that of this import")
        }
        note(remarks.oddTime, "\(have(remarks.oddTime)) an unlikely time", ". Is --time-unit right?")
        note(remarks.withSurrogates, "held halves of surrogate pairs, which were replaced by U+FFFD")
        note(
            written.sameContent, "came again under a key with other metadata only, and were passed over",
            ". --on-conflict replace takes the newest")
        note(written.forgotten, "would take the place of memories that were forgotten, and were passed over")
        return notes
    }

    private func have(_ remark: ImportRemarks.Remark) -> String { remark.count == 1 ? "has" : "have" }
}
