import JournalFileSystem
import SystemPackage

/// Runs what reads files for long, or waits for another process, on a thread of its own.
///
/// Swift's cooperative pool has as many threads as there are processors. Two tasks that waited on them for a stopped process would
/// stop every other task of a server with two.
/// - Complexity: two switches of threads, some tens of microseconds.
func onOwnThread<R: Sendable>(
    _ body: @escaping @Sendable () throws(JournalError) -> R
) async throws(JournalError) -> R {
    let result: Result<R, JournalError> = await withCheckedContinuation { continuation in
        do throws(Errno) {
            _ = try spawnThread(name: "journal-call") {
                let result: Result<R, JournalError>
                do throws(JournalError) {
                    result = .success(try body())
                } catch {
                    result = .failure(error)
                }
                continuation.resume(returning: result)
            }
        } catch {
            continuation.resume(
                returning: .failure(
                    JournalError(
                        .system,
                        "A thread for the call cannot be started: \(error). Nothing was done; try again when the process has fewer",
                        errno: error)))
        }
    }
    return try result.get()
}
