import Dispatch
import Synchronization
import SystemPackage

/// The limit of many tasks whose adds share syncs: each copies its memory into a queue and is suspended; a thread deflates what
/// waits, writes, syncs and resumes them. Nothing is checked, remembered, or shared with another process.
struct WaitingTasks {
    var shares: Adding.Shares
    var search: DeflatingLoop.Search

    private struct Waiting: Sendable {
        var bytes: [UInt8]
        var task: CheckedContinuation<Void, any Error>
    }

    private final class Queue: Sendable {
        let waiting = Mutex<[Waiting]>([])
        let isNeeded = DispatchSemaphore(value: 0)

        func add(_ bytes: [UInt8]) async throws {
            try await withCheckedThrowingContinuation { (task: CheckedContinuation<Void, any Error>) in
                let wasEmpty = waiting.withLock { waiting in
                    defer { waiting.append(Waiting(bytes: bytes, task: task)) }
                    return waiting.isEmpty
                }
                if wasEmpty { isNeeded.signal() }
            }
        }

        func commit(_ path: FilePath, _ search: DeflatingLoop.Search, count: Int) {
            let writer = Result { try DeflatingWriter(path, search) }
            var committed = 0
            while committed < count {
                isNeeded.wait()
                let taken = waiting.withLock { waiting in
                    defer { waiting.removeAll(keepingCapacity: true) }
                    return waiting
                }
                let result = Result { try writer.get().commit(taken.flatMap(\.bytes)) }
                for one in taken { one.task.resume(with: result) }
                committed += taken.count
            }
        }
    }

    func run(_ path: FilePath) async throws -> Sample {
        let queue = Queue()
        let count = shares.count * shares[0].count
        let search = search
        // A thread of its own, not one of those that run the tasks.
        DispatchQueue(label: "committer").async { queue.commit(path, search, count: count) }
        return try await Sample.measure(count) {
            try await withThrowingTaskGroup { group in
                for share in shares {
                    group.addTask {
                        for message in share { try await queue.add(WaitingTasks.bytes(of: message)) }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// About what an event holds.
    private static func bytes(of message: Message) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            message.conversation.utf8.count + message.content.utf8.count + message.metadata.utf8.count + 16)
        bytes += message.conversation.utf8
        bytes += message.role.utf8
        bytes += message.content.utf8
        bytes += message.metadata.utf8
        return bytes
    }
}
