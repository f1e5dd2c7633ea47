import CJournalPOSIX

/// Runs `body`, which no fork cuts off: one by another thread waits until this one has ended it, or blocks in it.
///
/// The child of a fork would find a lock of Swift's runtime held for ever that this thread held at the time. For calls that
/// come from outside of Swift; threads that `spawnThread` started have it from their beginning to their end. In a process
/// that forks just now it waits for that. Costs two atomic additions.
package func uncutByForks<Result>(_ body: () throws -> Result) rethrows -> Result {
    let began = jp_uncut_begin()
    defer { jp_uncut_end(began) }
    return try body()
}

/// Runs the caller's code inside of what no fork is to cut off: it may wait for what the forking thread holds, and no fork
/// waits for it.
package func asCallersCode(_ body: () -> Void) {
    let blocks = jp_blocking_begin()
    body()
    jp_blocking_end(blocks)
}
