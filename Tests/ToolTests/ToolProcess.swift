import Foundation
import Testing

/// What a run of the tool left behind.
struct Outcome {
    var status: Int32
    var outBytes: Data
    var errorBytes: Data

    var out: String { String(decoding: outBytes, as: UTF8.self) }
    var error: String { String(decoding: errorBytes, as: UTF8.self) }
    var lines: [String] { out.split(separator: "\n").map(String.init) }

    /// stdout with what differs from run to run put in one form.
    var masked: String { Outcome.mask(out) }

    static func mask(_ text: String) -> String {
        text.replacing(#/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/#, with: "TIME")
            .replacing(#/"digest":"[0-9a-f]{64}"/#, with: "\"digest\":\"HASH\"")
            .replacing(#/"seconds":\d+\.\d{6}/#, with: "\"seconds\":S")
    }
}

/// A directory for one test, and the tool run in it.
final class Workshop {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "tool-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// The built executable, which lies beside the tests.
    static let executable: URL = {
        var places = [URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()]
        places += Bundle.allBundles.map { $0.bundleURL.deletingLastPathComponent() }
        let built = places.map { $0.appending(path: "agent-journal") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
        guard let built else {
            fatalError("the executable agent-journal is not beside the tests, in \(places)")
        }
        return built
    }()

    /// The package's directory.
    static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    func path(_ name: String) -> String { directory.appending(path: name).path }

    func write(_ text: String, to name: String) throws { try write(Data(text.utf8), to: name) }

    func write(_ bytes: Data, to name: String) throws { try bytes.write(to: directory.appending(path: name)) }

    func read(_ name: String) throws -> Data { try Data(contentsOf: directory.appending(path: name)) }

    /// Starts the tool with files in place of its streams, so that no pipe can fill up.
    func start(
        _ arguments: [String], input: Data? = nil, pipe: Pipe? = nil, executable: URL = Workshop.executable
    ) throws -> Running {
        let id = UUID().uuidString
        let (out, error) = (directory.appending(path: "\(id).out"), directory.appending(path: "\(id).error"))
        for file in [out, error] { try Data().write(to: file) }
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.currentDirectoryURL = directory
        process.standardOutput = try FileHandle(forWritingTo: out)
        process.standardError = try FileHandle(forWritingTo: error)
        if let pipe {
            process.standardInput = pipe
        } else if let input {
            try write(input, to: "\(id).in")
            process.standardInput = try FileHandle(forReadingFrom: directory.appending(path: "\(id).in"))
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        // A process that ends is noticed when a descriptor closes that its own children inherit: start no `sleep`.
        try process.run()
        return Running(process: process, out: out, error: error)
    }

    /// Runs the tool to its end.
    @discardableResult
    func run(_ arguments: String..., input: String? = nil) throws -> Outcome {
        try start(arguments, input: input.map { Data($0.utf8) }).wait()
    }

    /// Runs the tool with bytes on stdin.
    @discardableResult
    func run(_ arguments: String..., bytes: [UInt8]) throws -> Outcome {
        try start(arguments, input: Data(bytes)).wait()
    }

    /// Runs a line of shell; `$T` is the tool.
    @discardableResult
    func shell(_ line: String) throws -> Outcome {
        try start(
            ["-c", "T='\(Workshop.executable.path)'; \(line)"], executable: URL(filePath: "/bin/sh")
        ).wait()
    }

    /// A journal `j` of three memories in two conversations, and a flush `start` after the first.
    func makeSmallJournal() throws {
        try run("add", "j", "a/1", "first", "--role", "user", "--metadata", "topic=tea", "--key", "k1")
        try run("flush", "j", "start")
        try run("add", "j", "b/2", "second", "--role", "assistant")
        try run("add", "j", "a/1", "third")
    }
}

/// The tool while it runs.
struct Running {
    let process: Process
    let out: URL
    let error: URL

    /// Waits for its end.
    func wait() throws -> Outcome {
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, outBytes: try Data(contentsOf: out),
            errorBytes: try Data(contentsOf: error))
    }

    /// Waits until it has printed something that contains a text; false after ten seconds.
    func waitForOutput(containing text: String) throws -> Bool {
        for _ in 0..<500 {
            if String(decoding: try Data(contentsOf: out), as: UTF8.self).contains(text) { return true }
            usleep(20_000)
        }
        return false
    }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }
}
