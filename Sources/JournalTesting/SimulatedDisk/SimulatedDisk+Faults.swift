import JournalFileSystem
public import SystemPackage

extension SimulatedDisk {
    /// Makes the next call of that operation fail.
    ///
    /// - Parameters:
    ///   - operation: Which; nil for whatever comes next.
    ///   - path: Only calls on that path count; nil for any.
    ///   - fault: How it fails.
    public func failNext(_ operation: Operation?, at path: FilePath? = nil, with fault: Fault) {
        fail(operation, at: path, afterCalls: 0, with: fault)
    }

    /// Makes calls fail, by any process, after some that do not.
    ///
    /// - Parameters:
    ///   - operation: Which; nil for all.
    ///   - path: Only calls on that path count; nil for any.
    ///   - calls: How many of them are let through first.
    ///   - times: How many then fail.
    ///   - fault: How they fail.
    public func fail(
        _ operation: Operation?, at path: FilePath? = nil, afterCalls calls: Int, times: Int = 1,
        with fault: Fault
    ) {
        machine.withLock { $0.calls.plan(operation, path: path, after: calls, times: times, fault) }
    }

    /// Forgets the faults that have not happened yet.
    public func cancelFaults() {
        machine.withLock { $0.calls.cancelFaults() }
    }

    /// Whether every fault that was planned has happened.
    var hasNoFaultsPlanned: Bool {
        machine.withLock { $0.calls.hasNoFaultsPlanned }
    }

    /// The calls made so far, by all processes, in order; failed ones too.
    public var calls: [Call] {
        machine.withLock { $0.calls.calls }
    }

    /// How often each operation was called.
    public var callCounts: [Operation: Int] {
        machine.withLock { $0.calls.counts }
    }

    /// Empties `calls`, `callCounts` and the history.
    public func resetCalls() {
        machine.withLock { $0.calls.reset() }
    }

    /// Whether the disk is remembered as each call leaves it, for `crash(afterCall:keeping:)`. Setting it empties
    /// `calls`. Costs memory: what each call changed.
    public var keepsHistory: Bool {
        get { machine.withLock { $0.calls.keepsHistory } }
        set {
            machine.withLock { machine in
                machine.calls.reset()
                machine.calls.keepsHistory = newValue
            }
        }
    }
}
