import Synchronization

/// A caller's append, waiting to be taken up.
final class Request: Sendable {
    /// Who waits for it.
    ///
    /// A task's continuation is in a closure: the compiler does not know the layout of a `CheckedContinuation`, and Swift 6.3
    /// may allocate too little for a `Caller?` of such layout where two threads come here first (docs/architecture.md, "Threads").
    enum Caller: Sendable {
        case code(@Sendable (Result<[Receipt], any Error>) -> Void)
        case eventLoop(EventLoopAdder, ticket: UInt64)
    }

    let append: Append
    /// Its place in the order of all requests, which the queue gives it.
    let number = Atomic<UInt64>(0)
    /// Told once. Whoever makes the request sets it before it is enqueued, and of those who look for the request in the queue, under
    /// its lock, the one who takes it out takes this: so it needs no lock of its own.
    private nonisolated(unsafe) var caller: Caller?

    /// One whose caller is named before it is enqueued.
    init(_ append: Append) {
        self.append = append
    }

    init(_ append: Append, _ completion: @escaping @Sendable (Result<[Receipt], any Error>) -> Void) {
        self.append = append
        caller = .code(completion)
    }

    init(_ append: Append, for adder: EventLoopAdder, ticket: UInt64) {
        self.append = append
        caller = .eventLoop(adder, ticket: ticket)
    }

    /// A task waits for it. (The thread sanitizer takes the hand-over of an unsafe continuation, one allocation less, for a race.)
    func setCaller(_ task: CheckedContinuation<[Receipt], any Error>) {
        if case .some = caller { preconditionFailure("a request has one caller") }
        caller = .code { task.resume(with: $0) }
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
        defer { caller = nil }
        return caller
    }
}
