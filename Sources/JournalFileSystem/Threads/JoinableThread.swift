import CJournalPOSIX
package import SystemPackage

/// A pthread that somebody may wait for. One that nobody refers to any more runs on by itself.
package final class JoinableThread: Sendable {
    /// The process that started it: the child of a fork has the object but not the thread.
    private let generation = jp_fork_generation()
    private let thread: Monitor<jp_thread?>

    fileprivate init(_ thread: jp_thread) {
        self.thread = Monitor(thread)
    }

    deinit {
        // Not even the monitor is touched in a child: a thread of the parent may hold it for ever.
        guard jp_fork_generation() == generation else { return }
        thread.withLock { thread in
            if let thread { _ = jp_thread_detach(thread) }
        }
    }

    /// Returns when the thread's body has returned. May be called again, and by several threads; must not be called
    /// by the thread itself. In the child of a fork, where the thread does not run, returns at once.
    package func join() {
        guard jp_fork_generation() == generation else { return }
        thread.withLock { thread in
            guard let joined = thread else { return }
            let result = jp_thread_join(joined)
            precondition(result == 0, "a thread cannot join itself")
            thread = nil
        }
    }
}

/// Starts a thread.
///
/// Signals are blocked in it but those that report its own faults, so that the application's handlers run in the
/// application's threads.
/// - Parameters:
///   - name: What debuggers and `ps` show; cut to 15 bytes.
///   - stackBytes: The size of its stack; 0 for the system's default.
///   - inBackground: Whether it lets others have the processor first (a higher nice value on Linux, a class of service on
///     macOS). It must hold no lock for long that they wait for.
///   - body: What it runs.
/// - Throws: `.resourceTemporarilyUnavailable` when the process may have no more threads.
package func spawnThread(
    name: String, stackBytes: Int = 0, inBackground: Bool = false, _ body: @escaping @Sendable () -> Void
) throws(Errno) -> JoinableThread {
    let context = Unmanaged.passRetained(ThreadBody(body))
    var thread = jp_thread()
    let result = jp_thread_start(
        &thread, name, stackBytes, inBackground ? 1 : 0,
        { context in
            guard let context else { return }
            Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
        }, context.toOpaque())
    if result != 0 {
        context.release()
        throw Errno(rawValue: result)
    }
    return JoinableThread(thread)
}

/// A closure that can pass through a C pointer.
private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}
