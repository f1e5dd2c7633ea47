import JournalFileSystem
import SystemPackage

/// Adds memories for a thread that must not wait, as that of an event loop: it hands them over, and takes their outcomes when
/// a descriptor tells that there are some.
///
/// The committer does the rest, so that adds which come while one sync is under way share the next one. What one commit took is
/// told at once. It does not keep the journal open, but its state in memory.
package final class EventLoopAdder: Sendable {
    package struct Outcome: Sendable {
        package var ticket: UInt64
        package var result: Result<Receipt, any Error>
    }

    /// Those that were told and not taken, from `first` on.
    private struct Told {
        var outcomes: [Outcome] = []
        var first = 0
    }

    private let engine: Engine
    private let isJournalClosed: JournalClosing
    private let bell: Bell
    private let waiting = Monitor<[UInt64: Request]>([:])
    private let told = Monitor(Told())
    private let generation = ForkGeneration.current

    /// - Throws: `closed`, and in the child of a fork what opening throws; `notWritten` when there are no descriptors left.
    package init(_ journal: Journal) throws(JournalError) {
        try journal.checkWritable()
        engine = try journal.engine
        isJournalClosed = journal.closing
        do {
            bell = try Bell()
        } catch {
            throw JournalError(
                .notWritten, "Not written: a pipe to tell of adds cannot be made: \(error)", errno: error)
        }
    }

    /// Readable while there are outcomes; to be polled, not read.
    package var descriptor: CInt { bell.descriptor }

    /// Hands over a memory. Adds are written in the order in which they are handed over.
    ///
    /// - Parameter ticket: The outcome gets it, and `withdraw` takes it; of those that wait no other is to have it.
    /// - Throws: `closed`, `invalidArgument`, `tooLarge`: nothing is written, and no outcome comes.
    /// - Complexity: linear in the memory's length; what is longer than 16 KiB is compressed. Does not wait for the disk, nor for
    ///   other processes.
    package func add(_ memory: NewMemory, to conversation: String, ticket: UInt64) throws(JournalError) {
        try JournalError.check(generation, "adder")
        guard !isJournalClosed.isTrue else { throw Engine.closed }
        let append = try Append.add(memory, to: conversation, expecting: nil, limits: engine.limits)
        let request = Request(append, for: self, ticket: ticket)
        waiting.withLock { $0[ticket] = request }
        engine.enqueue(request)
    }

    /// Takes back what was handed over.
    ///
    /// - Returns: true when it was not taken up yet: it is certainly not written, and no outcome comes.
    /// - Complexity: logarithmic in the number of adds that wait, and the move of those behind it.
    package func withdraw(_ ticket: UInt64) -> Bool {
        guard generation == .current, let request = waiting.withLock({ $0[ticket] }),
            engine.withdraw(request)
        else { return false }
        waiting.withLock { $0[ticket] = nil }
        return true
    }

    /// What became of adds, of those of one commit in order, at most so many. The rest is told when it is called again.
    ///
    /// One that could not be decided for a damaged snapshot is not written; a call that waits (`Journal.addNow`) has the state
    /// built anew first.
    package func takeOutcomes(limit: Int) -> [Outcome] {
        guard generation == .current else { return [] }
        return told.withLock { told in
            let end = told.outcomes.count
            let next = end - told.first > limit ? told.first + limit : end
            let taken = Array(told.outcomes[told.first..<next])
            told.first = next
            if next == end {
                told = Told()
                bell.silence()
            }
            return taken
        }
    }

    /// For the engine: says what became of requests.
    func tell(_ ended: [(ticket: UInt64, result: Result<[Receipt], any Error>)]) {
        waiting.withLock { waiting in for (ticket, _) in ended { waiting[ticket] = nil } }
        told.withLock { told in
            if told.outcomes.isEmpty { bell.ring() }
            told.outcomes += ended.lazy.map { Outcome(ticket: $0.ticket, result: $0.result.map { $0[0] }) }
        }
    }
}
