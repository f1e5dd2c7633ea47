import JournalFileSystem
import SegmentLog
import Synchronization
import SystemPackage

/// What a journal's handle holds in one process: its share of an engine, or an engine of its own that only reads.
final class JournalAttachment: Sendable {
    let engine: Engine
    let segmentLog: SegmentLog
    private let isRegistered: Bool
    private let isReleased = Atomic<Bool>(false)

    /// Opens; `directory` is absolute.
    init(
        _ directory: FilePath, _ create: Journal.Creation, _ options: Journal.Options
    ) throws(JournalError) {
        isRegistered = options.access == .readWrite
        guard isRegistered else {
            (engine, segmentLog) = try Journal.makeEngine(directory, create, options)
            return
        }
        engine = try EngineRegistry.shared.engine(directory, options.fileSystem) {
            () throws(JournalError) in
            let (engine, _) = try Journal.makeEngine(directory, create, options)
            do throws(JournalError) {
                try engine.start()
            } catch {
                try? engine.shutDown()
                throw error
            }
            return engine
        }
        guard let log = engine.log as? SegmentLog else {
            preconditionFailure("a journal directory has a segment log")
        }
        segmentLog = log
    }

    /// Lets go of the engine. Only in the process that attached; the second time nothing happens.
    func release() throws(JournalError) {
        guard !isReleased.exchange(true, ordering: .acquiringAndReleasing) else { return }
        if isRegistered { try EngineRegistry.shared.release(engine) } else { try engine.shutDown() }
    }
}

extension Journal {
    /// What this process holds.
    ///
    /// In the child of a fork the first call opens the journal anew. No lock orders those that come at the same time: each
    /// opens, they meet in one engine, and one attachment stays.
    var attachment: JournalAttachment {
        get throws(JournalError) {
            if let attachment = attachments.current() { return attachment }
            try checkOpen()
            // A journal that is gone by now is not to be made again, empty.
            let opened = try JournalAttachment(directory, .never, options)
            let attachment = attachments.adopt(opened)
            // Another thread was first, and holds the same engine; of one that only reads there is nothing to write.
            if attachment !== opened { try? opened.release() }
            guard !isClosedNow else {
                // Closed meanwhile, by a thread that did not see it yet. What could be thrown, its caller was not to know.
                try? attachment.release()
                throw Engine.closed
            }
            return attachment
        }
    }

    /// The last event of a conversation, if that is known without a read from the disk or a wait for another thread.
    ///
    /// No reference is counted to what this process holds, which takes a tenth of a read.
    func knownLastSequence(of name: String) -> UInt64? {
        attachments.unretained()?._withUnsafeGuaranteedRef { attachment -> UInt64? in
            guard let (box, bound) = attachment.engine.nowIfKnown() else { return nil }
            return box.knownLastSequence(of: name, at: bound)
        }
    }

    var engine: Engine { get throws(JournalError) { try attachment.engine } }

    var segmentLog: SegmentLog { get throws(JournalError) { try attachment.segmentLog } }
}

extension JournalError {
    /// Refuses what was made before a fork and cannot be used in the child: threads that are not there may hold its locks.
    static func check(_ generation: ForkGeneration, _ what: String) throws(JournalError) {
        guard generation == .current else {
            throw JournalError(
                .closed, "This \(what) was made before the process was forked; make another from the journal")
        }
    }
}
