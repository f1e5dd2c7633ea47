import CJournalPOSIX
import Synchronization

/// Tells a process from the one that it was forked from.
package struct ForkGeneration: Sendable, Equatable {
    private let number = jp_fork_generation()

    private init() {}

    /// That of this process. Costs an atomic load.
    package static var current: ForkGeneration { ForkGeneration() }
}

/// An object of one process: the child of a fork does not get its parent's, but makes its own.
///
/// No lock guards it, as a thread that is not in the child could have held that at the fork. What the child inherited is
/// never released there, so that no `deinit` waits for the parent's threads or locks.
package struct PerProcess<Object: AnyObject & Sendable>: ~Copyable, Sendable {
    private let slot: Atomic<Unmanaged<ProcessSlot<Object>>>

    /// Holds this process's object.
    package init(_ object: Object) {
        slot = Atomic(.passRetained(ProcessSlot(object)))
    }

    deinit {
        let slot = slot.load(ordering: .acquiring)
        if slot.takeUnretainedValue().isOfThisProcess { slot.release() }
    }

    /// This process's object; nil in a child that has not made one.
    package borrowing func current() -> Object? {
        // Sequentially consistent, so that of two threads, one of which puts an object here and then looks at a flag,
        // and the other sets the flag and then looks here, one sees what the other did. On x86 it costs no more.
        slot.load(ordering: .sequentiallyConsistent)._withUnsafeGuaranteedRef {
            $0.isOfThisProcess ? $0.object : nil
        }
    }

    /// The same without counting a reference to it: it stays while this is held.
    package borrowing func unretained() -> Unmanaged<Object>? {
        slot.load(ordering: .sequentiallyConsistent)._withUnsafeGuaranteedRef {
            $0.isOfThisProcess ? Unmanaged.passUnretained($0.object) : nil
        }
    }

    /// This process's object, or that of a process that it was forked from: for what does not change.
    package borrowing func inherited() -> Object {
        slot.load(ordering: .acquiring).takeUnretainedValue().object
    }

    /// Makes an object this process's, if it has none.
    ///
    /// - Returns: the process's object: that one, or the one that another thread was first with.
    package borrowing func adopt(_ object: Object) -> Object {
        var seen = slot.load(ordering: .acquiring)
        let new = Unmanaged.passRetained(ProcessSlot(object))
        while !seen.takeUnretainedValue().isOfThisProcess {
            let (exchanged, original) = slot.compareExchange(
                expected: seen, desired: new, ordering: .sequentiallyConsistent)
            if exchanged { return object }
            seen = original
        }
        new.release()
        return seen.takeUnretainedValue().object
    }
}

/// An object and the process that made it. It is released only by the `deinit` of who holds it, so it stays while it is used, and
/// no reference to it need be counted.
private final class ProcessSlot<Object: AnyObject & Sendable>: Sendable {
    let object: Object
    private let generation = ForkGeneration.current

    init(_ object: Object) {
        self.object = object
    }

    var isOfThisProcess: Bool { generation == .current }
}
