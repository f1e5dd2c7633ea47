import JournalFileSystem

/// Runs tasks on threads of its own. Opening and closing a journal blocks the thread, and the pool that tasks share has no more
/// threads than there are processors.
final class ThreadExecutor: TaskExecutor {
    private struct Queue {
        var jobs: [UnownedJob] = []
        var isStopping = false
    }

    private let queue = Monitor(Queue())

    init(threads: Int) {
        for number in 0..<threads {
            do {
                _ = try spawnThread(name: "test-\(number)") { [self] in run() }
            } catch {
                preconditionFailure("no thread can be started: \(error)")
            }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.withLock { $0.jobs.append(job) }
        queue.signal()
    }

    /// Ends the threads when nothing is left to do.
    func stop() {
        queue.withLock { $0.isStopping = true }
        queue.broadcast()
    }

    private func run() {
        while true {
            let job = queue.withLock(waitingUntil: { !$0.jobs.isEmpty || $0.isStopping }) { queue in
                queue.jobs.isEmpty ? nil : queue.jobs.removeFirst()
            }
            guard let job else { return }
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
