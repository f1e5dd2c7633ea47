import CJournalPOSIX
package import SystemPackage

/// What an event loop waits for beside its sockets: a descriptor that is readable from `ring` to `silence`.
///
/// A pipe, which every system has. (Linux' eventfd would be one descriptor, not two.)
package final class Bell: Sendable {
    /// To be polled, not read.
    package let descriptor: CInt
    private let end: CInt
    private let generation = ForkGeneration.current

    /// - Throws: `EMFILE` and its like.
    package init() throws(Errno) {
        var ends: (CInt, CInt) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            jp_pipe($0.assumingMemoryBound(to: CInt.self).baseAddress!)
        }
        guard result == 0 else { throw Errno(rawValue: result) }
        (descriptor, end) = ends
    }

    deinit {
        // In the child of a fork they are closed, and their numbers may be other files'.
        guard generation == .current else { return }
        jp_close(descriptor)
        jp_close(end)
    }

    /// From any thread; twice is as once. Never waits.
    package func ring() { jp_ring(end) }

    package func silence() { jp_silence(descriptor) }
}
