import Synchronization
import SystemPackage

/// Says on a terminal how far long work has come, and nothing in a pipe.
///
/// Nothing is shown in the first half second, so that short work stays quiet.
final class Progress: Sendable {
    private let isShown: Bool
    private let state: Mutex<State>
    private static let firstAfter = Duration.milliseconds(500)
    private static let every = Duration.milliseconds(100)

    private struct State {
        var next: ContinuousClock.Instant
        var hasShown = false
    }

    init(_ console: Console) {
        isShown = Terminal.standardError.isTerminal && !console.isJSON
        state = Mutex(State(next: .now + Progress.firstAfter))
    }

    /// Shows the text, unless it is too soon after the last one.
    func show(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        state.withLock { state in
            let now = ContinuousClock.now
            guard now >= state.next else { return }
            state.next = now + Progress.every
            state.hasShown = true
            write("\r" + text() + "\u{1B}[K")
        }
    }

    /// Wipes the line away.
    func end() {
        guard isShown else { return }
        state.withLock { state in
            if state.hasShown { write("\r\u{1B}[K") }
            state.hasShown = false
            state.next = .now + Progress.firstAfter
        }
    }

    private func write(_ text: String) {
        _ = try? FileDescriptor.standardError.writeAll(Array(text.utf8))
    }
}
