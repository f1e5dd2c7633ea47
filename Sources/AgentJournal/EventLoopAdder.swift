import JournalFileSystem
import Synchronization
import SystemPackage

/// Adds memories for a thread that must not wait, as that of an event loop: it hands them over, and takes their outcomes when
/// a descriptor tells that there are some.
///
/// The committer does the rest, so that adds which come while one sync is under way share the next one. What one commit took is
/// told at once. It keeps the engine, but not the journal open.
package final class EventLoopAdder: Sendable {
    package struct Outcome: Sendable {
        package var ticket: UInt64
        package var result: Result<Receipt, any Error>
    }

    private let engine: Engine
    private let isJournalClosed: JournalClosing
    private let bell: Bell
    private let outcomes = Monitor<[Outcome]>([])
    private let generation = ForkGeneration.current

    /// - Throws: `closed`, and in the child of a fork what opening throws; `system` when there are no descriptors left.
    package init(_ journal: Journal) throws(JournalError) {
        try journal.checkWritable()
        engine = try journal.engine
        isJournalClosed = journal.closing
        do {
            bell = try Bell()
        } catch {
            throw JournalError(
                .system, "Not written: a pipe to tell of adds cannot be made: \(error)", errno: error)
        }
    }

    /// Readable while there are outcomes; to be polled, not read.
    package var descriptor: CInt { bell.descriptor }

    /// Hands over a memory. Adds are written in the order in which they are handed over, but for those that have to wait until what
    /// a damaged snapshot held is read from the log.
    ///
    /// - Parameter ticket: The outcome gets it, and `withdraw` takes it; of those that wait no other is to have it.
    /// - Throws: `closed`, `invalidArgument`, `tooLarge`: nothing is written, and no outcome comes.
    /// - Complexity: linear in the memory's length. Does not wait for the disk, nor for other processes.
    package func add(_ memory: NewMemory, to conversation: String, ticket: UInt64) throws(JournalError) {
        try JournalError.check(generation, "adder")
        guard !isJournalClosed.isTrue else { throw Engine.closed }
        let append = try Append.add(memory, to: conversation, expecting: nil, limits: engine.limits)
        engine.enqueue(Request(append, for: self, ticket: ticket))
    }

    /// Takes back what was handed over.
    ///
    /// - Returns: true when it was not taken up yet: it is certainly not written, and no outcome comes.
    /// - Complexity: linear in the number of adds that wait.
    package func withdraw(_ ticket: UInt64) -> Bool {
        guard generation == .current else { return false }
        return engine.withdraw { $0.isOf(self, ticket: ticket) } != nil
    }

    /// What became of adds, of those of one commit in order, at most so many. The rest is told when it is called again.
    package func takeOutcomes(limit: Int) -> [Outcome] {
        guard generation == .current else { return [] }
        return outcomes.withLock { outcomes in
            guard outcomes.count > limit else {
                bell.silence()
                defer { outcomes.removeAll(keepingCapacity: true) }
                return outcomes
            }
            defer { outcomes.removeFirst(limit) }
            return Array(outcomes[..<limit])
        }
    }

    // MARK: For the engine

    /// Says what became of requests.
    func tell(_ ended: [(request: Request, ticket: UInt64, result: Result<[Receipt], any Error>)]) {
        var new: [Outcome] = []
        new.reserveCapacity(ended.count)
        for (request, ticket, result) in ended {
            if case .failure(let error as JournalError) = result, engine.isOfSnapshot(error),
                tryAgain(request, ticket, error)
            {
                continue
            }
            new.append(Outcome(ticket: ticket, result: result.map { $0[0] }))
        }
        guard !new.isEmpty else { return }
        outcomes.withLock { outcomes in
            let wasEmpty = outcomes.isEmpty
            outcomes += new
            if wasEmpty { bell.ring() }
        }
    }

    /// Adds once more what could not be decided, so was not written, for a snapshot that is damaged, when the state is built anew.
    ///
    /// - Returns: false when that is not to be.
    private func tryAgain(_ request: Request, _ ticket: UInt64, _ error: JournalError) -> Bool {
        guard !request.isSecondTry else { return false }
        let again = Request(request.append, for: self, ticket: ticket, isSecondTry: true)
        let isTaken = try? engine.maintenance.submit { [engine] in
            do throws(JournalError) {
                try engine.heal(error)
                engine.enqueue(again)
            } catch {
                again.complete(.failure(error))
            }
        }
        return isTaken == true
    }
}
