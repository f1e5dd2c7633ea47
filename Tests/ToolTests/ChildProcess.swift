import AgentJournal
import Foundation
import Testing

/// `AGENT_JOURNAL_KILL_ROUNDS` says how often a writer is killed; `AGENT_JOURNAL_KILL_SEED` repeats the moments (not the
/// scheduling).
enum KillSettings {
    static let rounds = setting("ROUNDS", 40)
    static let seed = setting("SEED", UInt64.random(in: 1 ... .max))

    private static func setting<N: LosslessStringConvertible>(_ name: String, _ otherwise: N) -> N {
        ProcessInfo.processInfo.environment["AGENT_JOURNAL_KILL_\(name)"].flatMap { N($0) } ?? otherwise
    }
}

/// A program of this build, run as a child.
enum ChildProcess {
    /// Runs it, kills it if that is asked for, and returns the whole lines that came through the pipe.
    static func lines(
        of program: String, _ arguments: [String], killedAfter delay: Duration? = nil
    ) async throws -> [Substring] {
        try await lines(of: ToolPaths.executable(program), arguments, killedAfter: delay)
    }

    /// Runs any program so.
    static func lines(
        of program: URL, _ arguments: [String], killedAfter delay: Duration? = nil
    ) async throws -> [Substring] {
        let child = Process()
        child.executableURL = program
        child.arguments = arguments
        let pipe = Pipe()
        child.standardOutput = pipe
        child.standardError = FileHandle.nullDevice
        // A crash ends it at once: what prints a backtrace would outlive it, and hold the pipe.
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        child.environment = environment
        try child.run()
        if let delay {
            try await Task.sleep(for: delay)
            kill(child.processIdentifier, SIGKILL)
        }
        // The pipe holds 64 KiB; a child that fills it waits, and is killed all the same.
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        child.waitUntilExit()
        // Another signal than this one is a crash.
        #expect(child.terminationReason == (delay == nil ? .exit : .uncaughtSignal))
        #expect(
            child.terminationStatus == (delay == nil ? 0 : SIGKILL), "\(program.lastPathComponent) crashed")
        // A last line that the kill cut short is no receipt.
        return String(decoding: output, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    }
}

func withTemporaryDirectory<R>(_ body: (FilePath) async throws -> R) async throws -> R {
    let url = FileManager.default.temporaryDirectory.appending(path: "kill-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try await body(FilePath(url.path))
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
