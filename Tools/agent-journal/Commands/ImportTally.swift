import AgentJournal

/// What an import has done so far.
struct ImportTally {
    private(set) var lines = 0
    private(set) var added = 0
    private(set) var replayed = 0
    /// The journal's last event, when all is in.
    var lastSequence: UInt64 = 0
    private var conversations: Set<[UInt8]> = []

    /// Counts a batch that is on stable storage.
    mutating func count(_ batch: Batch, _ receipts: [Receipt]) {
        lines += batch.memories.count
        let old = receipts.count { $0.isReplayed }
        replayed += old
        added += receipts.count - old
        // Lines of one conversation are mostly together.
        var last: String?
        for (name, _) in batch.memories where !(last?.utf8.elementsEqual(name.utf8) ?? false) {
            conversations.insert(Array(name.utf8))
            last = name
        }
    }

    /// The result, for reading.
    var text: String {
        "\(lines) lines: \(added) added, \(replayed) already there, in \(conversations.count) conversations"
    }

    /// The result, for programs.
    var json: [UInt8] {
        JSONLine.object([
            "added": .number(added), "conversations": .number(conversations.count),
            "last_sequence": .number(lastSequence), "lines": .number(lines), "replayed": .number(replayed),
        ])
    }

    /// How far it came, for an error.
    var progressText: String {
        "\(lines) \(lines == 1 ? "line was" : "lines were") imported (\(added) added, \(replayed) already there)"
    }
}
