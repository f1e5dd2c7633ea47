import AgentJournal
import Glibc
import SystemPackage

/// Runs a command and says what it took.
///
/// A child's largest resident size counts from before its exec, when it still was its parent. So that the parent is
/// small, whatever was measured before, the child is started by a new process of this same program, `measure-process`.
enum ChildProcess {
    struct Usage {
        var seconds: Double
        var maximumResidentBytes: Int
        /// What it printed.
        var output: [Substring]
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    static var ownPath: String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// - Parameter isSilent: What it prints is thrown away: the tool says what it did, which nobody asked for.
    static func measure(_ command: [String], isSilent: Bool = false) throws -> Usage {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw Failure(description: "pipe failed") }
        defer { close(ends[0]) }
        let child: pid_t
        do {
            defer { close(ends[1]) }
            child = try spawn(
                [ownPath, "measure-process"] + (isSilent ? ["--silent"] : []) + ["--"] + command,
                standardOutput: ends[1])
        }
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(ends[0], &buffer, buffer.count), count > 0 { output += buffer[..<count] }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        let fields = String(decoding: output, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard status == 0, fields.count >= 2, let seconds = Double(fields[fields.count - 2]),
            let bytes = Int(fields[fields.count - 1])
        else {
            throw Failure(description: "`\(command.joined(separator: " "))` failed")
        }
        return Usage(seconds: seconds, maximumResidentBytes: bytes, output: fields.dropLast(2))
    }

    /// What the hidden command does: runs the command, and prints seconds and bytes behind its output.
    static func runAndPrintUsage(_ command: [String], isSilent: Bool) throws {
        let null = open("/dev/null", O_WRONLY)
        let start = ContinuousClock.now
        let child = try spawn(
            command, standardOutput: isSilent ? null : 1, standardError: isSilent ? null : 2)
        var status: Int32 = 0
        var usage = rusage()
        guard wait4(child, &status, 0, &usage) == child, status == 0 else {
            throw Failure(description: "`\(command.joined(separator: " "))` ended with status \(status)")
        }
        print((ContinuousClock.now - start).inSeconds, usage.ru_maxrss * 1024)
    }

    static func spawn(
        _ command: [String], standardOutput: Int32 = 1, standardError: Int32 = 2
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, standardOutput, 1)
        posix_spawn_file_actions_adddup2(&actions, standardError, 2)
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        let result = posix_spawn(&child, command[0], &actions, nil, &arguments, environ)
        guard result == 0 else {
            throw Failure(
                description: "\(command[0]) could not be started: \(String(cString: strerror(result)))")
        }
        return child
    }
}
