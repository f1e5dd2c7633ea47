import Glibc
import SystemPackage

/// Somebody who does a workload: AgentJournal, a peer, or a limit.
struct Contender {
    /// How the report calls it.
    var name: String
    /// Does the work once, in a directory that is new and empty, and says what it took.
    var run: (FilePath) async throws -> Sample
}

/// Lets contenders do the same work in turn.
///
/// The latency of a disk drifts, and more so under a virtual machine; so every round lets each contender run once, and
/// what is compared are runs of the same round. The order rotates, so that nobody always has the same one before it.
struct Contest {
    var unit: String
    var rounds: Int
    var contenders: [Contender]

    /// - Returns: for each contender its samples, one a round.
    func run(in scratch: Scratch) async throws -> [Series] {
        var series = contenders.map { Series(name: $0.name, unit: unit) }
        for round in 0..<rounds {
            for turn in contenders.indices {
                let index = (turn + round) % contenders.count
                let contender = contenders[index]
                scratch.say("round \(round + 1) of \(rounds): \(contender.name)")
                let sample = try await scratch.withDirectory { try await contender.run($0) }
                series[index].samples.append(sample)
                series[index].values.append(sample.perSecond)
            }
        }
        return series
    }
}

/// Where the files of the benchmarks are made, and removed again.
struct Scratch {
    let directory: FilePath
    /// Whether progress is written to a terminal.
    let isTalking: Bool

    init(_ directory: FilePath) throws {
        self.directory = directory
        isTalking = isatty(2) == 1
        try Files.createDirectories(directory)
    }

    /// Calls `body` with a new directory, which is gone afterwards.
    func withDirectory<R>(_ body: (FilePath) async throws -> R) async throws -> R {
        let directory = try Files.createUniqueDirectory(in: directory)
        let result: R
        do {
            result = try await body(directory)
        } catch {
            try? Files.removeTree(directory)
            throw error
        }
        try Files.removeTree(directory)
        // What the removal left in the file system's journal is not for the next contender to write.
        try Files.sync(self.directory)
        return result
    }

    /// Progress, on one line of a terminal.
    func say(_ text: String) {
        guard isTalking else { return }
        _ = try? FileDescriptor.standardError.writeAll("\r\u{1B}[K\(text)".utf8)
    }

    func beQuiet() { say("") }
}
