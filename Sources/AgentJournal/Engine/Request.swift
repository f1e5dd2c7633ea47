import Synchronization

/// A caller's append, waiting to be taken up.
final class Request: Sendable {
    /// Who waits for it.
    enum Caller: Sendable {
        case task(CheckedContinuation<[Receipt], any Error>)
        case code(@Sendable (Result<[Receipt], any Error>) -> Void)
    }

    let append: Append
    private let caller: Mutex<Caller?>

    /// One whose caller is named before it is enqueued.
    init(_ append: Append) {
        self.append = append
        caller = Mutex(nil)
    }

    init(_ append: Append, _ completion: @escaping @Sendable (Result<[Receipt], any Error>) -> Void) {
        self.append = append
        caller = Mutex(.code(completion))
    }

    /// A task waits for it. (The thread sanitizer takes the hand-over of an unsafe continuation, one allocation less, for a race.)
    func setCaller(_ task: CheckedContinuation<[Receipt], any Error>) {
        caller.withLock { caller in
            if case .some = caller { preconditionFailure("a request has one caller") }
            caller = .task(task)
        }
    }

    /// Tells the caller, once.
    func complete(_ result: Result<[Receipt], any Error>) {
        let caller = caller.withLock { caller in
            defer { caller = nil }
            return caller
        }
        switch caller {
        case .task(let task): task.resume(with: result)
        case .code(let completion): completion(result)
        case nil: break
        }
    }
}
