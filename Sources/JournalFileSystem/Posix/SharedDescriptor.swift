import CJournalPOSIX
import Synchronization
import SystemPackage

/// A descriptor that one thread may close while others use it.
///
/// Closing a descriptor in use would hand its number to the next file opened, and the other thread's write would go
/// there. So the last user closes it; new users are turned away from when closing was asked for.
///
/// In the child of a fork it is closed already, and its number may be another file's: there it is neither used nor closed.
struct SharedDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor
    private let generation = jp_fork_generation()
    /// How many calls use the descriptor; `closing` is added when it is to be closed.
    private let users = Atomic<UInt64>(0)
    private static let closing: UInt64 = 1 << 63

    /// Takes over a descriptor that `jp_open` opened.
    init(_ descriptor: FileDescriptor) {
        self.descriptor = descriptor
    }

    deinit {
        close()
    }

    /// Runs `body` with the descriptor, which stays open meanwhile.
    ///
    /// - Throws: `.badFileDescriptor` after `close()`, and in the child of a fork.
    borrowing func use<Result>(
        _ operation: String, _ path: FilePath,
        _ body: (FileDescriptor) throws(FileSystemError) -> Result
    ) throws(FileSystemError) -> Result {
        guard enter() else {
            throw FileSystemError(operation: operation, path: path, errno: .badFileDescriptor)
        }
        defer { leave() }
        return try body(descriptor)
    }

    borrowing func close() {
        guard generation == jp_fork_generation() else { return }
        // Or-ing tells who was first; of `users` being zero with `closing` set there is only one moment.
        let before = users.bitwiseOr(Self.closing, ordering: .acquiringAndReleasing).oldValue
        if before == 0 { closeDescriptor() }
    }

    private borrowing func enter() -> Bool {
        guard generation == jp_fork_generation() else { return false }
        var seen = users.load(ordering: .relaxed)
        while seen & Self.closing == 0 {
            let (exchanged, original) = users.weakCompareExchange(
                expected: seen, desired: seen + 1, ordering: .acquiring)
            if exchanged { return true }
            seen = original
        }
        return false
    }

    private borrowing func leave() {
        let after = users.subtract(1, ordering: .acquiringAndReleasing).newValue
        if after == Self.closing { closeDescriptor() }
    }

    private borrowing func closeDescriptor() {
        jp_close(descriptor.rawValue)
    }
}
