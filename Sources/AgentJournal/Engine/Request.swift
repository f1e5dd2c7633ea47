import Synchronization

/// A caller's append, waiting to be taken up.
final class Request: Sendable {
    /// Who waits for it.
    ///
    /// Only of what has the same layout everywhere: a `CheckedContinuation`, which has not, would make the layout of `Caller?`
    /// known at run time alone. Swift 6.3 keeps one pointer to such a type's metadata both for the class that stores it, which
    /// may put it there before the metadata is complete, and for code that allocates by it: two threads that come here first
    /// overwrite memory.
    enum Caller: Sendable {
        case code(@Sendable (Result<[Receipt], any Error>) -> Void)
        case eventLoop(EventLoopAdder, ticket: UInt64)
    }

    let append: Append
    /// Its place in the order of all requests, which the queue gives it.
    let number = Atomic<UInt64>(0)
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

    init(_ append: Append, for adder: EventLoopAdder, ticket: UInt64) {
        self.append = append
        caller = Mutex(.eventLoop(adder, ticket: ticket))
    }

    /// A task waits for it. (The thread sanitizer takes the hand-over of an unsafe continuation, one allocation less, for a race.)
    func setCaller(_ task: CheckedContinuation<[Receipt], any Error>) {
        caller.withLock { caller in
            if case .some = caller { preconditionFailure("a request has one caller") }
            caller = .code { task.resume(with: $0) }
        }
    }

    /// Tells the caller, once.
    func complete(_ result: Result<[Receipt], any Error>) {
        Request.complete(CollectionOfOne((self, result)))
    }

    /// Tells the callers, each once; an event loop of all of them together.
    static func complete(_ ended: some Sequence<(Request, Result<[Receipt], any Error>)>) {
        var adder: EventLoopAdder?
        var ofAdder: [(ticket: UInt64, result: Result<[Receipt], any Error>)] = []
        for (request, result) in ended {
            switch request.takeCaller() {
            case .code(let completion): completion(result)
            case .eventLoop(let next, let ticket):
                if let adder, adder !== next {
                    adder.tell(ofAdder)
                    ofAdder = []
                }
                adder = next
                ofAdder.append((ticket, result))
            case nil: break
            }
        }
        adder?.tell(ofAdder)
    }

    private func takeCaller() -> Caller? {
        caller.withLock { caller in
            defer { caller = nil }
            return caller
        }
    }
}
