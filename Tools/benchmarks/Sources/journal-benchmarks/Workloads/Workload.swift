import AgentJournal
import Logging
import SystemPackage

/// One thing that is measured, against whoever else can do it.
protocol Workload: Sendable {
    /// What it is called on the command line.
    var name: String { get }
    /// One line for the help.
    var summary: String { get }
    func run(_ context: Context) async throws -> Outcome
}

/// What workloads are given.
struct Context {
    var scratch: Scratch
    var data: DataSets
    /// Less of everything: to see that it works, not to publish.
    var isQuick: Bool
    var rounds: Int
    /// The tool `agent-journal`, where it is there.
    var tool: FilePath?
    /// The interpreter that has the peers of Python, where it is there.
    var python: FilePath?
    /// `peers.py`.
    var peersScript: FilePath
    /// Also the data sets that take minutes and gigabytes.
    var isLarge: Bool
    var sets: LargeSets

    func pythonPeer(_ name: String) -> PythonPeer? {
        python.map { PythonPeer(name: name, python: $0, script: peersScript) }
    }

    func size(_ full: Int, quick: Int) -> Int { isQuick ? quick : full }
}

let workloads: [any Workload] = [
    OneAdder(), ManyAdders(), Batches(), Contents(), SeveralProcesses(), Replay(), LongReplay(), Restart(),
    Recent(),
    TailLatency(), Keeping(), Compact(), Size(), SmallJournal(), Import(), Start(),
]

extension Journal {
    /// Opens a journal that says nothing.
    static func openQuietly(
        _ directory: FilePath, _ change: (inout Options) -> Void = { _ in }
    ) async throws -> Journal {
        var options = Options()
        options.logger = Logger(label: "benchmarks", factory: { _ in SwiftLogNoOpLogHandler() })
        change(&options)
        return try await open(at: directory, options: options)
    }

    /// Adds messages one after the other, each awaited.
    func addEach(_ messages: some Sequence<Message>) async throws {
        for message in messages {
            try await conversation(message.conversation).add(contentsOf: [message.memory])
        }
    }

    /// Adds messages in batches of so many, each awaited.
    func addBatches(of count: Int, _ messages: [Message]) async throws {
        for start in stride(from: 0, to: messages.count, by: count) {
            let batch = messages[start..<min(start + count, messages.count)]
            try await add(contentsOf: batch.map { ($0.conversation, $0.memory) })
        }
    }
}
