import Synchronization

/// A caller's append, waiting to be taken up.
final class Request: Sendable {
    /// Who waits for it.
    enum Caller: Sendable {
        case task(CheckedContinuation<[Receipt], any Error>)
        case code(@Sendable (Result<[Receipt], any Error>) -> Void)
        case eventLoop(EventLoopAdder, ticket: UInt64)
    }

    let append: Append
    /// It was decided before, and could not be.
    let isSecondTry: Bool
    private let caller: Mutex<Caller?>

    /// One whose caller is named before it is enqueued.
    init(_ append: Append) {
        self.append = append
        isSecondTry = false
        caller = Mutex(nil)
    }

    init(_ append: Append, _ completion: @escaping @Sendable (Result<[Receipt], any Error>) -> Void) {
        self.append = append
        isSecondTry = false
        caller = Mutex(.code(completion))
    }

    init(_ append: Append, for adder: EventLoopAdder, ticket: UInt64, isSecondTry: Bool = false) {
        self.append = append
        self.isSecondTry = isSecondTry
        caller = Mutex(.eventLoop(adder, ticket: ticket))
    }

    /// Whether it is what was handed over to an adder under a ticket.
    func isOf(_ adder: EventLoopAdder, ticket: UInt64) -> Bool {
        caller.withLock { caller in
            guard case .eventLoop(let own, let number) = caller else { return false }
            return own === adder && number == ticket
        }
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
        Request.complete(CollectionOfOne((self, result)))
    }

    /// Tells the callers, each once; an event loop of all of them together.
    static func complete(_ ended: some Sequence<(Request, Result<[Receipt], any Error>)>) {
        var adder: EventLoopAdder?
        var ofAdder: [(request: Request, ticket: UInt64, result: Result<[Receipt], any Error>)] = []
        for (request, result) in ended {
            switch request.takeCaller() {
            case .task(let task): task.resume(with: result)
            case .code(let completion): completion(result)
            case .eventLoop(let next, let ticket):
                if let adder, adder !== next {
                    adder.tell(ofAdder)
                    ofAdder = []
                }
                adder = next
                ofAdder.append((request, ticket, result))
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
