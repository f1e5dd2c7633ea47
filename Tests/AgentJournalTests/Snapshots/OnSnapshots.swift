import AgentJournal
import JournalTesting
import SystemPackage

/// Tests of journals with small segments, whose snapshots are taken when the test asks for them.
protocol OnSnapshots {}

extension OnSnapshots {
    /// - Parameter events: After how many events a snapshot is taken without being asked for.
    func options(_ disk: SimulatedDisk, events: UInt64 = .max) -> Journal.Options {
        var options = AgentJournalTests.options(disk, segmentBytes: 8192)
        options.snapshotEvents = events
        return options
    }

    func open(_ disk: SimulatedDisk, events: UInt64 = .max) async throws -> Journal {
        try await Journal.open(at: directory, options: options(disk, events: events))
    }

    /// The snapshots' files, the oldest first.
    func snapshots(_ disk: SimulatedDisk) -> [FilePath] {
        disk.paths.filter { $0.string.hasSuffix(".snapshot") }.sorted { $0.string < $1.string }
    }
}
