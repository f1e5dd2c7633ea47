import AgentJournal
import ArgumentParser
import CanonicalJSON

/// `stats`: how large it is.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Say how large the journal is.",
        discussion: """
            raw_bytes are the events before compression, log_bytes the lengths of the segment files (while the journal is \
            open, with preallocated space), disk_bytes the blocks in use by all of its files.

              agent-journal stats ./memory
              agent-journal stats ./memory --json
            """)

    @OptionGroup var journal: JournalArgument
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let statistics = try await journal.read(output.console) { try await $0.statistics() }
        try await withOutput { out in
            guard !output.json else { return try out.write(JSONLine.object(statistics.members)) }
            for (name, value) in statistics.rows {
                try out.line("\(name.padded(to: 18))\("\(value)".paddedLeft(to: 16))")
            }
        }
    }
}

extension JournalStatistics {
    /// The figures by their names in `--json`.
    fileprivate var rows: KeyValuePairs<String, UInt64> {
        [
            "events": events, "last_sequence": lastSequence, "memories": UInt64(memories),
            "conversations": UInt64(conversations), "segments": UInt64(segments), "log_bytes": logBytes,
            "raw_bytes": rawBytes, "snapshot_sequence": snapshotSequence, "snapshot_bytes": snapshotBytes,
            "disk_bytes": diskBytes,
        ]
    }

    fileprivate var members: KeyValuePairs<String, JSONValue?> {
        [
            "conversations": .number(conversations), "disk_bytes": .number(diskBytes),
            "events": .number(events),
            "last_sequence": .number(lastSequence), "log_bytes": .number(logBytes),
            "memories": .number(memories),
            "raw_bytes": .number(rawBytes), "segments": .number(segments),
            "snapshot_bytes": .number(snapshotBytes),
            "snapshot_sequence": .number(snapshotSequence),
        ]
    }
}
