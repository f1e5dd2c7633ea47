import Synchronization

/// A caller's append, waiting to be taken up.
final class Request: Sendable {
    let append: Append
    private let completion: Mutex<(@Sendable (Result<[Receipt], any Error>) -> Void)?>

    init(_ append: Append, _ completion: @escaping @Sendable (Result<[Receipt], any Error>) -> Void) {
        self.append = append
        self.completion = Mutex(completion)
    }

    /// Tells the caller, once.
    func complete(_ result: Result<[Receipt], any Error>) {
        let completion = completion.withLock { completion in
            defer { completion = nil }
            return completion
        }
        completion?(result)
    }
}
