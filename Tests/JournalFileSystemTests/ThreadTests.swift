import JournalFileSystem
import Testing

@Suite("Monitors and threads")
struct ThreadTests {
    @Test("a monitor lets one thread at a time change the state")
    func exclusion() throws {
        let monitor = Monitor(0)
        let threads = try (0..<4).map { _ in
            try spawnThread(name: "counter") {
                for _ in 0..<10_000 { monitor.withLock { $0 += 1 } }
            }
        }
        for thread in threads { thread.join() }
        #expect(monitor.withLock { $0 } == 40_000)
    }

    @Test("a monitor whose state another body has is not waited for, if that is asked for")
    func ifFree() {
        let monitor = Monitor(1)
        #expect(monitor.withLock { _ in monitor.withLockIfFree { $0 } } == nil)
        #expect(monitor.withLockIfFree { $0 += 1 } != nil)
        #expect(monitor.withLockIfFree { $0 } == 2)
    }

    @Test("who waits runs when what it waits for is true, with nothing in between")
    func waiting() throws {
        struct Queue {
            var items: [Int] = []
            var isClosed = false
        }
        let queue = Monitor(Queue())
        let sum = Monitor(0)
        let consumers = try (0..<3).map { _ in
            try spawnThread(name: "consumer") {
                while true {
                    let item = queue.withLock(waitingUntil: { !$0.items.isEmpty || $0.isClosed }) {
                        $0.items.popLast()
                    }
                    guard let item else { return }
                    sum.withLock { $0 += item }
                }
            }
        }
        for number in 1...1000 {
            queue.withLock { $0.items.append(number) }
            queue.signal()
        }
        queue.withLock { $0.isClosed = true }
        queue.broadcast()
        for consumer in consumers { consumer.join() }
        #expect(sum.withLock { $0 } == 500_500)
    }

    @Test("waiting can have an end")
    func timeout() {
        let monitor = Monitor(1)
        #expect(monitor.withLock(timeout: .milliseconds(1), waitingUntil: { $0 == 2 }) { $0 } == nil)
        #expect(monitor.withLock(timeout: .milliseconds(-1), waitingUntil: { $0 == 2 }) { $0 } == nil)
        #expect(monitor.withLock(timeout: .milliseconds(0), waitingUntil: { $0 == 1 }) { $0 } == 1)
    }

    @Test("an error of the body comes out, and the lock is free again")
    func errors() {
        struct Failure: Error, Equatable {}
        let monitor = Monitor(1)
        #expect(throws: Failure()) {
            try monitor.withLock { (state: inout Int) throws(Failure) in
                state = 2
                throw Failure()
            }
        }
        #expect(monitor.withLock { $0 } == 2)
    }

    @Test("a monitor guards what cannot be copied or sent")
    func noncopyable() {
        final class Unsendable { var value = 0 }
        struct Owner: ~Copyable { let object = Unsendable() }
        let monitor = Monitor(Owner())
        monitor.withLock { $0.object.value = 7 }
        #expect(monitor.withLock { $0.object.value } == 7)
    }

    @Test("a thread may be waited for more than once, or not at all")
    func joining() throws {
        let ran = Monitor(0)
        let thread = try spawnThread(name: "a name much longer than fifteen bytes", stackBytes: 1) {
            ran.withLock { $0 += 1 }
        }
        thread.join()
        thread.join()
        #expect(ran.withLock { $0 } == 1)

        do {
            _ = try spawnThread(name: "left alone", stackBytes: 1 << 20) {
                ran.withLock { $0 += 1 }
                ran.broadcast()
            }
        }
        ran.withLock(waitingUntil: { $0 == 2 }) { _ in }
    }
}
