import AgentJournal
import ArgumentParser
import CanonicalJSON
import JournalFileSystem
import SegmentLog

/// `stats`: how large it is.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Say how large the journal is.",
        discussion: """
            Sizes have units; in --json they are bytes. raw_bytes are the events before compression, log_bytes the lengths of the segment files (while the journal is \
            open, with preallocated space), disk_bytes the blocks in use by all of its files, open_in the processes that have it \
            open for writing.

              agent-journal stats ./memory
              agent-journal stats ./memory --json
            """)

    @OptionGroup var journal: JournalArgument
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (statistics, openers) = try await journal.read(output.console) {
            (try await $0.statistics(), $0.otherOpeners)
        }
        try await withOutput { out in
            guard !output.json else {
                return try out.write(JSONLine.object(statistics.members(openIn: openers)))
            }
            for (name, value) in statistics.rows {
                let size = name.hasSuffix("_bytes") ? value.sizeText : "\(value)"
                try out.line("\(name.padded(to: 18))\(size.paddedLeft(to: 16))")
            }
            for opener in openers {
                let command = opener.process.command.escapingControls(keepingNewlines: false)
                try out.line(
                    "\("open_in".padded(to: 18))process \(opener.process.pid) on \(opener.process.host) (\(command))"
                )
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

    fileprivate func members(openIn openers: [LockFile.Opener]) -> KeyValuePairs<String, JSONValue?> {
        [
            "conversations": .number(conversations), "disk_bytes": .number(diskBytes),
            "events": .number(events),
            "last_sequence": .number(lastSequence), "log_bytes": .number(logBytes),
            "memories": .number(memories),
            "open_in": .array(
                openers.map { opener in
                    .object([
                        "command": .text(opener.process.command), "host": .text(opener.process.host),
                        "pid": .number(Int(opener.process.pid)),
                        "since": .text(
                            Timestamp(clampingMicrosecondsSince1970: opener.sinceMicroseconds).description),
                    ])
                }),
            "raw_bytes": .number(rawBytes), "segments": .number(segments),
            "snapshot_bytes": .number(snapshotBytes),
            "snapshot_sequence": .number(snapshotSequence),
        ]
    }
}
