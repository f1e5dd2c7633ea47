import JournalFileSystem
import SegmentLog

/// A layer that is written to a table on a thread of its own, while the replay goes on in the next one upon it.
struct Spilling: ~Copyable {
    private let outcome: Monitor<Result<TableReader, LogError>?>
    private let thread: JoinableThread

    /// Freezes the state's layer and begins to write it.
    init(_ state: inout State, to files: SnapshotFiles) throws(JournalError) {
        let layer = state.layer
        let outcome = Monitor<Result<TableReader, LogError>?>(nil)
        self.outcome = outcome
        do {
            thread = try spawnThread(name: "journal-spill") {
                let written = Spilling.write(layer, to: files)
                outcome.withLock { $0 = written }
            }
        } catch {
            throw JournalError(
                .system, "The thread for a large replay cannot be started: \(error)", errno: error)
        }
        state = state.frozen()
    }

    private static func write(_ layer: Layer, to files: SnapshotFiles) -> Result<TableReader, LogError> {
        do throws(LogError) {
            return .success(
                try files.spill(layer.lastSequence, blockBytes: StateKeys.blockBytes) {
                    (writer) throws(LogError) in
                    try TableMerge.run(
                        nil, LayerSource(layer), keepsDeletions: true, combine: StateKeys.combine,
                        into: writer)
                })
        } catch {
            return .failure(error)
        }
    }

    /// Waits for the table, and puts it in the layer's place.
    consuming func finish(_ state: inout State) throws(JournalError) {
        thread.join()
        let written = outcome.withLock { $0 }
        let table = try asJournalError { () throws(LogError) in try written!.get() }
        state = State(state.layer, upon: Below(tables: state.below.tables + [table]))
    }
}
