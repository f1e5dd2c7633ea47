import JournalFileSystem
import JournalTesting

/// Runs `body` for 0, 1, 2 and so on until it returns nil or something is broken, on several threads; it is told how many
/// cases were checked so far.
func inParallel(
    threads: Int, _ body: @escaping @Sendable (_ index: Int, _ cases: Int) -> CrashReport?
) throws -> CrashReport {
    let shared = Monitor((next: 0, report: CrashReport()))
    let workers = try (0..<threads).map { _ in
        try spawnThread(name: "explore", stackBytes: 8 << 20) {
            while true {
                let next = shared.withLock { shared -> (index: Int, cases: Int)? in
                    guard shared.report.failures.isEmpty else { return nil }
                    defer { shared.next += 1 }
                    return (shared.next, shared.report.cases)
                }
                guard let next, let report = body(next.index, next.cases) else { return }
                shared.withLock { $0.report.add(report) }
            }
        }
    }
    for worker in workers { worker.join() }
    return shared.withLock { $0.report }
}
