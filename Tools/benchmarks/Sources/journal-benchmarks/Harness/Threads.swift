import Glibc

/// Runs `body` on so many threads at once, each with its number, and returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Start: Sendable {
        let number: Int
        let body: @Sendable (Int) -> Void
        init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.number = number
            self.body = body
        }
    }
    let threads = (0..<count).map { number in
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                start.body(start.number)
                return nil
            }, Unmanaged.passRetained(Start(number, body)).toOpaque())
        precondition(result == 0, "a thread could not be started")
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}
