import SystemPackage

/// A store that only Python reaches: timed inside its process, the interpreter's start and the imports not counted.
struct PythonPeer: Sendable {
    /// As `peers.py` calls it.
    var name: String
    /// The interpreter that has it, and `peers.py`.
    var python: FilePath
    var script: FilePath

    /// Adds messages, each durable before the next, in a new store.
    func add(_ messages: some Sequence<Message>, in directory: FilePath) async throws -> Sample {
        let lines = directory.appending("lines")
        let file = try FileDescriptor.open(
            lines, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
        try file.closeAfter {
            for message in messages { _ = try file.writeAll("\(Line(message).text)\n".utf8) }
        }
        let usage = try ChildProcess.measure([
            python.string, script.string, name, directory.appending("store").string, lines.string,
        ])
        let numbers = usage.output.compactMap { Double($0) }
        guard numbers.count == 3, numbers[0] > 0 else {
            throw ChildProcess.Failure(description: "\(name): \(usage.output) are no results")
        }
        return Sample(count: Int(numbers[0]), seconds: numbers[1], cpuSeconds: numbers[2])
    }
}
