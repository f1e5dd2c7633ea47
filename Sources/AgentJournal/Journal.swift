import JournalFileSystem
import Logging
import SegmentLog
import Synchronization
public import SystemPackage

/// The durable memory of agents in one directory.
///
/// An append-only, synced, compressed log records every memory added and every flush; the memory state is rebuilt
/// by replaying the log. Any number of `Journal`s of one directory in a process share one engine.
///
/// Every call that appends returns only when its event is on stable storage. See <doc:DurabilityAndErrors>.
///
/// A journal that was opened before a fork can be used in the child: the first call there opens it anew, and throws what
/// opening throws. The parent's stays as it is, also when the child closes its own. Views and iterators are to be made anew.
public final class Journal: Sendable {
    /// The directory, absolute.
    public let directory: FilePath
    let options: Options
    let attachments: PerProcess<JournalAttachment>
    let closing = JournalClosing()
    /// For the memories that are read from it.
    let origin = MemoryOrigin.ofJournal()

    private init(directory: FilePath, options: Options, attachment: JournalAttachment) {
        self.directory = directory
        self.options = options
        attachments = PerProcess(attachment)
        origin.bind(to: self)
    }

    deinit {
        closing.begin()
        // What only a process has that this one was forked from is not this one's to close.
        guard let attachment = attachments.current() else { return }
        do { try attachment.release() } catch {
            attachment.engine.logger.error("journal not closed cleanly", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Opening and closing

    /// Opens the journal in a directory, making it first if it is not there, and recovers after a crash.
    ///
    /// A relative path is resolved against the present working directory.
    /// - Parameters:
    ///   - directory: Where the journal is, or is to be.
    ///   - create: Whether one is made where none is.
    ///   - options: Access, clock, limits, logger. An engine that is open already keeps its own.
    /// - Throws: `JournalError` with `noJournal`, `notAJournal`, `busy`, `damaged`, `unsupported`, `diskFull` or `system`.
    /// - Complexity: linear in what was recorded since the newest snapshot, which is replayed.
    public static func open(
        at directory: FilePath, create: Creation = .ifMissing, options: Options = Options()
    ) async throws(JournalError) -> Journal {
        try await onOwnThread { () throws(JournalError) in
            try openNow(at: directory, create: create, options: options)
        }
    }

    /// Opens a journal, calls `body` with it, and closes it, also when `body` throws.
    @discardableResult
    public static func withOpen<R: Sendable>(
        at directory: FilePath, create: Creation = .ifMissing, options: Options = Options(),
        _ body: (Journal) async throws -> R
    ) async throws -> R {
        let journal = try await open(at: directory, create: create, options: options)
        let result: R
        do {
            result = try await body(journal)
        } catch {
            // The body's error says more than a failure to close after it.
            try? await journal.close()
            throw error
        }
        try await journal.close()
        return result
    }

    /// The same as `open(at:create:options:)`, for callers that are not asynchronous.
    package static func openNow(
        at directory: FilePath, create: Creation = .ifMissing, options: Options = Options()
    ) throws(JournalError) -> Journal {
        let directory: FilePath = try Journal.absolute(directory, options.fileSystem)
        let attachment = try JournalAttachment(directory, create, options)
        return Journal(directory: directory, options: options, attachment: attachment)
    }

    static func absolute(_ path: FilePath, _ fileSystem: any FileSystem) throws(JournalError)
        -> FilePath
    {
        guard !path.isEmpty else {
            throw JournalError(.invalidArgument, "The journal's path is empty; name a directory")
        }
        guard path.isRelative else { return path.lexicallyNormalized() }
        return fileSystem.workingDirectory.appending(path.components).lexicallyNormalized()
    }

    /// Ends the use of the journal; the last user in the process closes it cleanly. Closing deletes nothing.
    ///
    /// Adds that were taken up are completed first. Later calls throw `closed`. Closing twice is no error. In the child of a
    /// fork it ends the child's use.
    /// - Throws: `system` when the clean close could not be recorded: nothing acknowledged is lost by that.
    public func close() async throws(JournalError) {
        try await onOwnThread { [self] () throws(JournalError) in try closeNow() }
    }

    package func closeNow() throws(JournalError) {
        guard closing.begin() else { return }
        guard let attachment = attachments.current() else { return }
        // Those who follow through this handle end, also when others keep the engine.
        attachment.engine.wakeFollowers()
        try attachment.release()
    }

    package var isClosedNow: Bool { closing.isTrue }

    func checkOpen() throws(JournalError) {
        if isClosedNow { throw Engine.closed }
    }

    func checkWritable() throws(JournalError) {
        try checkOpen()
        guard options.access == .readWrite else {
            throw JournalError(.closed, "Not written: the journal is open for reading only", path: directory)
        }
    }

    // MARK: Conversations

    /// The conversation of that name. Costs nothing: a conversation is there when a memory is added to it.
    public func conversation(_ name: String) -> Conversation { Conversation(journal: self, name: name) }

    /// The names of the conversations that hold memories, in order of their UTF-8 bytes.
    ///
    /// - Parameter prefix: Only those whose names begin with these bytes.
    /// - Complexity: linear in the number of conversations.
    public func conversations(prefix: String = "") async throws(JournalError) -> [String] {
        try view().conversations(prefix: prefix).map(\.name)
    }

    /// How many memories there are, in all conversations.
    ///
    /// - Complexity: linear in the conversations that changed since the last snapshot.
    public func count() async throws(JournalError) -> Int { try view().count }

    // MARK: Appending

    /// Adds memories to several conversations in one batch: all of them, or none.
    ///
    /// Items whose idempotency keys are known already are skipped and get their first receipts.
    /// - Returns: A receipt for each item, in order.
    /// - Throws: `keyConflict` when one key was used with other content, and the whole batch is refused;
    ///   `invalidArgument`, `tooLarge`, `diskFull`, `notWritten`: nothing is written; `outcomeUnknown`.
    @discardableResult
    public func add(contentsOf memories: [(conversation: String, memory: NewMemory)]) async throws
        -> [Receipt]
    {
        let append = try Append.add(memories, expecting: nil, limits: engine.limits)
        return try await submit(append)
    }

    /// Forgets a memory, of any conversation. Its bytes stay in the log until it is compacted with erasure.
    ///
    /// - Throws: `noSuchMemory` when it is not there (any more).
    @discardableResult
    public func forget(_ sequence: UInt64) async throws -> Receipt {
        try await forget([sequence])[0]
    }

    /// Forgets memories, of any conversations, in one batch. Their bytes stay in the log until it is compacted with erasure.
    ///
    /// - Throws: `noSuchMemory` when one of them is not there (any more), and none is forgotten.
    @discardableResult
    public func forget(_ sequences: [UInt64]) async throws -> [Receipt] {
        try await submit(try Append.forget(sequences, limits: engine.limits))
    }

    /// Waits until everything added before is durable, and records that as an event, perhaps with a name.
    ///
    /// Every add is durable anyway when it returns; a flush gives the moment a name to look back to.
    /// - Parameters:
    ///   - label: 1 to 512 bytes. The latest flush with a label is what the label means.
    ///   - acceptingClock: Takes the clock for right, whatever was recorded before. Recorded times never go back by themselves, and a
    ///     clock that is more than 1,000 days ahead of the last event is not believed; events then get the time of that. With this the
    ///     flush and what comes after have the clock's time again, be it earlier or far later. A point by date means the state before
    ///     the first event that was recorded after it.
    @discardableResult
    public func flush(label: String? = nil, acceptingClock: Bool = false) async throws -> Receipt {
        let append = try Append.flush(label: label)
        guard acceptingClock else { return try await submit(append)[0] }
        return try await maintain { engine throws(JournalError) in
            try engine.betweenCommits { () throws(JournalError) in
                try asJournalError { () throws(LogError) in try engine.log.acceptClock() }
                return try engine.record(append)
            }
        }
    }

    /// Enqueues an append and waits for its receipts.
    ///
    /// A task cancelled before the append is taken up throws `CancellationError`, and nothing is written; after that the
    /// append completes and its receipts are returned.
    func submit(_ append: Append) async throws -> [Receipt] {
        let engine = try engine
        do {
            return try await submitOnce(append, engine)
        } catch let error as JournalError where engine.isOfSnapshot(error) {
            // It could not be decided, so nothing was written.
            try engine.heal(error)
            return try await submitOnce(append, engine)
        }
    }

    private func submitOnce(_ append: Append, _ engine: Engine) async throws -> [Receipt] {
        try checkWritable()
        guard append.rawBytes > 0 else { return [] }
        try Task.checkCancellation()
        if let result = engine.commitAsCaller(append, mayBlock: false) { return try result.get() }
        let request = Request(append)
        return try await withTaskCancellationHandler {
            try Task.checkCancellation()
            return try await withCheckedThrowingContinuation { task in
                request.setCaller(task)
                engine.enqueue(request)
                // Cancelled in between: the handler may have run before it was in the queue.
                if Task.isCancelled { engine.cancel(request) }
            }
        } onCancel: {
            engine.cancel(request)
        }
    }

    /// Enqueues an append and blocks this thread until its receipts are there.
    func submitAndWait(_ append: @autoclosure () throws(JournalError) -> Append) throws -> [Receipt] {
        try checkWritable()
        let engine = try engine
        let append = try append()
        do {
            return try submitAndWaitOnce(append, engine)
        } catch let error as JournalError where engine.isOfSnapshot(error) {
            try engine.heal(error)
            return try submitAndWaitOnce(append, engine)
        }
    }

    private func submitAndWaitOnce(_ append: Append, _ engine: Engine) throws -> [Receipt] {
        guard append.rawBytes > 0 else { return [] }
        if let result = engine.commitAsCaller(append, mayBlock: true) { return try result.get() }
        let done = Monitor<Result<[Receipt], any Error>?>(nil)
        engine.enqueue(
            Request(append) { result in
                done.withLock { $0 = result }
                done.signal()
            })
        return try done.withLock(waitingUntil: { $0 != nil }) { $0! }.get()
    }

    // MARK: Looking

    /// The journal as it is now: everything acknowledged before this call, and nothing of what comes after.
    package func view() throws(JournalError) -> JournalView {
        try checkOpen()
        let engine = try engine
        let (box, bound) = try engine.now()
        return JournalView(box, at: bound, engine: engine, origin: origin)
    }

    /// The journal as it was at a point.
    ///
    /// - Throws: `noSuchPoint` for a label that was never used, a sequence that was not reached, or a point whose history was
    ///   let go: the message says how far back one can look.
    /// - Complexity: linear in what was recorded between the nearest snapshot before it and the point, which is replayed.
    public func view(at point: Point) async throws(JournalError) -> JournalView {
        try checkOpen()
        return try await onOwnThread { [self] () throws(JournalError) in try pastView(at: point) }
    }
}

/// Whether a journal's handle was closed, or is gone: for those who do not keep it.
final class JournalClosing: Sendable {
    private let flag = Atomic<Bool>(false)

    var isTrue: Bool { flag.load(ordering: .sequentiallyConsistent) }

    /// Returns false when it was closed before.
    @discardableResult
    func begin() -> Bool { !flag.exchange(true, ordering: .sequentiallyConsistent) }
}
