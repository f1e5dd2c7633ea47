import AgentJournal
import JournalFileSystem

/// Follows the journal and records what it is given.
final class Follower: Sendable {
    private struct Progress {
        var last: UInt64
        var hasEnded = false
        var task: Task<Void, Never>?
    }

    private let number: UInt64
    private let after: UInt64
    private let journal: Journal
    private let recorder: Recorder
    private let progress: Monitor<Progress>

    init(number: UInt64, after: UInt64, journal: Journal, recorder: Recorder) {
        self.number = number
        self.after = after
        self.journal = journal
        self.recorder = recorder
        progress = Monitor(Progress(last: after))
    }

    func start() throws {
        try recorder.write("F \(now()) \(number) \(after)")
        let task = Task {
            do {
                for try await event in journal.follow(after: after) {
                    try recorder.write("D \(now()) \(number) \(event.line)")
                    progress.withLock { $0.last = event.sequence }
                    progress.broadcast()
                }
                try recorder.write("E \(now()) \(number) end")
            } catch {
                note(error)
            }
            progress.withLock { $0.hasEnded = true }
            progress.broadcast()
        }
        progress.withLock { $0.task = task }
    }

    private func note(_ error: any Error) {
        explain(error)
        do { try recorder.write("E \(now()) \(number) \(code(of: error))") } catch {
            fatalError("the history cannot be written: \(error)")
        }
    }

    /// Whether it comes to a sequence, or ends, within a time.
    func waits(for sequence: UInt64, timeoutMilliseconds: Int) -> Bool {
        progress.withLock(
            timeout: .milliseconds(timeoutMilliseconds),
            waitingUntil: { $0.last >= sequence || $0.hasEnded }
        ) { _ in true } ?? false
    }

    func cancel() { progress.withLock { $0.task }?.cancel() }

    func join() { progress.withLock(waitingUntil: { $0.hasEnded }) { _ in } }
}
