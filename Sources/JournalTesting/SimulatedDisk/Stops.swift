import JournalFileSystem

/// Which processes of a simulated machine stop, and after how many accesses: calls, and loads and stores of the shared page.
///
/// What one does between two accesses no other process can see; so all that can come of a process being overtaken comes of
/// stopping it between two of them.
struct Stops: Sendable {
    private var accesses: [Int32: Int] = [:]
    /// By process, the number of the access after which it stops.
    private var places: [Int32: Int] = [:]
    private var stopped: Set<Int32> = []
    private var finished: Set<Int32> = []
    /// How many threads of a process sleep until another process does something.
    private var sleepers: [Int32: Int] = [:]
    /// Those that were refused the last lock they asked for: they ask again until another lets it go.
    private var refused: Set<Int32> = []

    /// - Returns: whether somebody may wait for what it changed.
    mutating func noteAccess(_ pid: Int32) -> Bool {
        accesses[pid, default: 0] += 1
        guard accesses[pid] == places[pid] else { return false }
        stopped.insert(pid)
        return true
    }

    func isStopped(_ pid: Int32) -> Bool { stopped.contains(pid) }

    /// How many accesses a process made since `place` was last called.
    func accessCount(_ pid: Int32) -> Int { accesses[pid] ?? 0 }

    mutating func place(_ pid: Int32, after accesses: Int?) {
        self.accesses[pid] = 0
        places[pid] = accesses
    }

    mutating func goOn(_ pid: Int32) {
        places[pid] = nil
        stopped.remove(pid)
    }

    mutating func noteSleeping(_ pid: Int32, by count: Int) { sleepers[pid, default: 0] += count }

    mutating func noteLock(_ pid: Int32, isTaken: Bool) {
        if isTaken { refused.remove(pid) } else { refused.insert(pid) }
    }

    mutating func noteFinished(_ pid: Int32) { finished.insert(pid) }

    func isFinished(_ pid: Int32) -> Bool { finished.contains(pid) }

    /// Whether nothing more comes of the process before another one does something.
    func isAtRest(_ pid: Int32) -> Bool {
        isStopped(pid) || isFinished(pid) || (sleepers[pid] ?? 0) > 0 || refused.contains(pid)
    }
}

extension SimulatedDisk {
    /// Looks at the machine, or changes it, as this process: not while the process is stopped.
    func access<Result: Sendable, Failure: Error>(
        _ body: (inout Machine) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try machine.withLock(waitingUntil: { [identity] in !$0.stops.isStopped(identity.pid) }) {
            [identity, machine = self.machine] state throws(Failure) in
            if state.stops.noteAccess(identity.pid) { machine.broadcast() }
            return try body(&state)
        }
    }

    /// Stops all threads of this process when it has made so many more accesses; nil for never.
    func stop(afterAccesses count: Int?) {
        machine.withLock { [pid] in $0.stops.place(pid, after: count) }
    }

    /// How many accesses this process made since `stop` was called.
    var accessCount: Int { machine.withLock { [pid] in $0.stops.accessCount(pid) } }

    /// Lets the process go on that was stopped, or would be.
    func goOn() {
        machine.withLock { [pid] in $0.stops.goOn(pid) }
        machine.broadcast()
    }

    /// Says that this process has done what it was to do.
    func noteFinished() {
        machine.withLock { [pid] in $0.stops.noteFinished(pid) }
        machine.broadcast()
    }

    /// Returns when this process is stopped, has finished, or waits for another one.
    func waitUntilAtRest() {
        machine.withLock(waitingUntil: { [pid] in $0.stops.isAtRest(pid) }) { _ in }
    }

    /// Runs `body`, which may wait for what another process does.
    func sleeping<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        machine.withLock { [pid] in $0.stops.noteSleeping(pid, by: 1) }
        machine.broadcast()
        defer { machine.withLock { [pid] in $0.stops.noteSleeping(pid, by: -1) } }
        return try body()
    }
}
