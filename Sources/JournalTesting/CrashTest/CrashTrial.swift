public import AgentJournal
import JournalFileSystem

/// An agent's run on a simulated disk, while it is recorded.
public final class CrashTrial: Sendable {
    /// The disk that the agent's memory is on.
    public let disk: SimulatedDisk
    private let notes = Monitor<[Note]>([])

    /// Something that the agent's user was told, and what had happened by then.
    struct Note: Sendable {
        var promise: String
        /// How many calls the disk had seen.
        var calls: Int
    }

    init() {
        disk = SimulatedDisk()
        disk.keepsHistory = true
    }

    /// Where the journal is on the simulated disk.
    static let directory: FilePath = "/memory"

    /// Opens the agent's journal on the simulated disk, as the agent opens its own on a real one.
    ///
    /// May be called again, to try an agent that is started several times.
    /// - Parameter options: The agent's own options. Its file system is the simulated disk, whatever they say.
    public func openJournal(options: Journal.Options = Journal.Options()) async throws(JournalError)
        -> Journal
    {
        try await Journal.open(at: CrashTrial.directory, options: options.on(disk))
    }

    /// Notes that from now on something has to be remembered: the user has seen an answer, an order was confirmed.
    ///
    /// - Parameter promise: Names it for the check: the message's text, its key, its sequence.
    public func promise(_ promise: String) {
        let calls = disk.calls.count
        notes.withLock { $0.append(Note(promise: promise, calls: calls)) }
    }

    /// What was promised, in order.
    var promises: [Note] { notes.withLock { $0 } }
}

extension Journal.Options {
    func on(_ disk: SimulatedDisk) -> Journal.Options {
        var options = self
        options.fileSystem = disk
        return options
    }
}
