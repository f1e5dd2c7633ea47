import JournalFileSystem
import JournalTesting

/// Runs `body` for 0, 1, 2 and so on until it returns nil or something is broken, on several threads.
func inParallel(
    threads: Int, _ body: @escaping @Sendable (Int) -> CrashReport?
) throws -> CrashReport {
    let shared = Monitor((next: 0, report: CrashReport()))
    let workers = try (0..<threads).map { _ in
        try spawnThread(name: "explore", stackBytes: 8 << 20) {
            while true {
                let index = shared.withLock { shared -> Int? in
                    guard shared.report.failures.isEmpty else { return nil }
                    defer { shared.next += 1 }
                    return shared.next
                }
                guard let index, let report = body(index) else { return }
                shared.withLock { $0.report.add(report) }
            }
        }
    }
    for worker in workers { worker.join() }
    return shared.withLock { $0.report }
}
