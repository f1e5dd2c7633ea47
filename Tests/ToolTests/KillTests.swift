import AgentJournal
import Foundation
import Logging
import Testing

/// The example agent, killed with SIGKILL at random moments, and started again on the same journal.
///
/// The parent holds every receipt through a pipe. That tests recovery, not fsync: the page cache survives the process.
/// `AGENT_JOURNAL_KILL_ROUNDS` says how often; `AGENT_JOURNAL_KILL_SEED` repeats the moments (not the scheduling).
struct KillTests {
    private static func setting<N: LosslessStringConvertible>(_ name: String, _ otherwise: N) -> N {
        ProcessInfo.processInfo.environment["AGENT_JOURNAL_KILL_\(name)"].flatMap { N($0) } ?? otherwise
    }

    private let rounds = setting("ROUNDS", 40)
    private let seed = setting("SEED", UInt64.random(in: 1 ... .max))

    @Test func everyReceiptIsBackAfterEveryKill() async throws {
        try await withTemporaryDirectory { directory in
            var random = SplitMix(state: seed)
            var acknowledged: Set<UInt64> = []
            var journal = directory.appending("0")
            for round in 0..<rounds {
                // Now and then anew: killed while it is being made, and replaying what is there stays short.
                if round % 20 == 0 {
                    journal = directory.appending("\(round)")
                    acknowledged = []
                }
                // Half of the moments lie in the start of the process and the opening.
                let latest = Bool.random(using: &random) ? 40 : 160
                let delay = Duration.milliseconds(Int.random(in: 0...latest, using: &random))
                acknowledged.formUnion(try await receipts(of: journal, killedAfter: delay))
                try await check(journal, acknowledged, "round \(round), killed after \(delay), seed \(seed)")
            }
        }
    }

    @Test func anAgentThatEndsByItselfHasAllItsTurns() async throws {
        try await withTemporaryDirectory { directory in
            let journal = directory.appending("journal")
            #expect(try await receipts(of: journal, turns: 5) == Set(1...20))
            // Again: the last turn is repeated, and gives the receipts it gave before.
            #expect(try await receipts(of: journal, turns: 6) == Set(17...24))
            try await check(journal, Set(1...24), "no kill")
        }
    }

    /// What was acknowledged is there; what is there is the script's beginning, each memory once.
    private func check(_ path: FilePath, _ acknowledged: Set<UInt64>, _ what: String) async throws {
        var options = Journal.Options()
        options.logger.logLevel = .critical
        let memories = try await Journal.withOpen(at: path, options: options) { journal in
            try await journal.conversation("support/user-42").memories()
        }
        #expect(memories.map(\.sequence) == Array(1..<UInt64(memories.count + 1)), "\(what)")
        let steps = ["user", "call", "result", "reply"]
        for (index, memory) in memories.enumerated() {
            let key = "turn-\(index / steps.count)-\(steps[index % steps.count])"
            #expect(memory.idempotencyKey == key, "sequence \(memory.sequence), \(what)")
        }
        #expect(acknowledged.max() ?? 0 <= memories.count, "\(what)")
    }

    /// Runs the agent, kills it if that is asked for, and returns the receipts that came through the pipe.
    private func receipts(
        of journal: FilePath, turns: Int = .max, killedAfter delay: Duration? = nil
    ) async throws -> Set<UInt64> {
        let child = Process()
        child.executableURL = try ToolPaths.executable("example-agent")
        child.arguments = [journal.string, "--turns", "\(turns)"]
        let pipe = Pipe()
        child.standardOutput = pipe
        child.standardError = FileHandle.nullDevice
        try child.run()
        if let delay {
            try await Task.sleep(for: delay)
            kill(child.processIdentifier, SIGKILL)
        }
        // The pipe holds 64 KiB; an agent that fills it waits, and is killed all the same.
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        child.waitUntilExit()
        #expect(child.terminationReason == (delay == nil ? .exit : .uncaughtSignal))
        // A last line that the kill cut short is no receipt.
        let text = String(decoding: output, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        return Set(lines.compactMap { UInt64($0) })
    }

    private func withTemporaryDirectory<R>(_ body: (FilePath) async throws -> R) async throws -> R {
        let url = FileManager.default.temporaryDirectory.appending(path: "kill-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        return try await body(FilePath(url.path))
    }
}

/// Where the executables of this build are: beside the test bundle.
enum ToolPaths {
    static func executable(_ name: String) throws -> URL {
        var directory = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        // On macOS the bundle's executable lies three directories deeper.
        for _ in 0..<5 {
            let candidate = directory.appending(path: name)
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
            directory.deleteLastPathComponent()
        }
        throw CocoaError(.fileNoSuchFile, userInfo: [NSFilePathErrorKey: name])
    }
}

/// Random numbers that a seed repeats (SplitMix64, Steele, Lea and Flood 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
