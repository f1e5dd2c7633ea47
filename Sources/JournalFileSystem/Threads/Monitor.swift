import CJournalPOSIX

/// State that threads share: a mutex, a condition to wait for, and what they guard.
///
/// The state can be reached in no way but through `withLock`. To wait, say what for: the closure `waitingUntil` is
/// asked under the lock, first at once and then after each `signal` or `broadcast`, and the body runs under the
/// same hold of the lock in which the answer was true. (A `wait()` inside the body could not be had: while it slept,
/// other threads would change a state to which the body has exclusive access.)
///
/// It is made of pthreads, not of tasks: one that the child of a fork makes works there. One that it inherited may be held
/// by a thread that is not there, and is not to be touched; it may be destroyed.
package final class Monitor<State: ~Copyable>: @unchecked Sendable {
    // @unchecked: `state` is read and written only between lock and unlock below; it was sent here by `init`, so
    // nobody else refers to what it holds, and `inout sending` keeps the bodies from letting any of it out.
    private let monitor: OpaquePointer
    private let state: UnsafeMutablePointer<State>

    /// A monitor that guards `state`.
    package init(_ state: consuming sending State) {
        self.monitor = jp_monitor_create()
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: state)
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
        jp_monitor_destroy(monitor)
    }

    /// Runs `body` while no other thread is in a body of this monitor. Not reentrant.
    package func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        jp_monitor_lock(monitor)
        defer { jp_monitor_unlock(monitor) }
        return try body(&state.pointee)
    }

    /// As `withLock`, but without waiting for another thread.
    ///
    /// - Returns: what `body` returned; nil, without having run it, when another thread is in a body.
    package func withLockIfFree<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result? {
        guard jp_monitor_try_lock(monitor) else { return nil }
        defer { jp_monitor_unlock(monitor) }
        return try body(&state.pointee)
    }

    /// Waits until `isReady` is true of the state, then runs `body` before any other thread can change that.
    package func withLock<Result: ~Copyable, Failure: Error>(
        waitingUntil isReady: (borrowing State) -> Bool,
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        jp_monitor_lock(monitor)
        defer { jp_monitor_unlock(monitor) }
        while !isReady(state.pointee) { jp_monitor_wait(monitor) }
        return try body(&state.pointee)
    }

    /// As `withLock(waitingUntil:_:)`, but gives up after a time.
    ///
    /// - Returns: what `body` returned; nil, without having run it, when `isReady` was still false at the end.
    package func withLock<Result: ~Copyable, Failure: Error>(
        timeout: Duration,
        waitingUntil isReady: (borrowing State) -> Bool,
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result? {
        let nanoseconds = max(.zero, min(timeout, .seconds(1_000_000_000))) / .nanoseconds(1)
        let deadline = jp_monotonic_nanoseconds() + UInt64(nanoseconds)
        jp_monitor_lock(monitor)
        defer { jp_monitor_unlock(monitor) }
        while !isReady(state.pointee) {
            // Time is up; but the state may have changed just now, while this thread waited for the mutex.
            if !jp_monitor_wait_until(monitor, deadline), !isReady(state.pointee) { return nil }
        }
        return try body(&state.pointee)
    }

    /// Wakes one waiting thread. Cheapest inside or just after the body that changed the state.
    package func signal() {
        jp_monitor_signal(monitor)
    }

    /// Wakes all waiting threads.
    package func broadcast() {
        jp_monitor_broadcast(monitor)
    }
}
