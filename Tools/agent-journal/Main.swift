#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
import AgentJournal
import ArgumentParser
import JournalFileSystem
import SystemPackage

/// The process: arguments in, exit status out.
@main
enum Main {
    static func main() async {
        // A reader that goes away is told by the write that fails.
        signal(SIGPIPE, SIG_IGN)
        exit(await status(of: LaunchArguments.pointers.dropFirst().map { String(cString: $0) }))
    }

    private static func status(of arguments: [String]) async -> Int32 {
        let isJSON = arguments.prefix { $0 != "--" }.contains("--json")
        let console = Console(isJSON: isJSON)
        do {
            try checkEncoding()
            var command = try parse(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return Status.fine
        } catch {
            return report(error, console)
        }
    }

    private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        try Suggestions.check(arguments)
        return try Tool.parseAsRoot(arguments)
    }

    /// Says what went wrong, and with which status the process ends.
    private static func report(_ error: any Error, _ console: Console) -> Int32 {
        switch error {
        case is BrokenPipe: return Status.fine
        case let code as ExitCode: return code.rawValue
        case let failure as Failure:
            console.report(failure)
            return failure.status
        case let error as JournalError: return report(Failure(error), console)
        default: return reportParser(error, console)
        }
    }

    /// What the argument parser throws: help and the like, which were asked for, and errors of usage.
    private static func reportParser(_ error: any Error, _ console: Console) -> Int32 {
        let code = Tool.exitCode(for: error)
        if code.isSuccess {
            let text = Tool.fullMessage(for: error)
            _ = try? FileDescriptor.standardOutput.writeAll(Array((text + "\n").utf8))
            return Status.fine
        }
        guard code == .validationFailure else {
            return report(Failure("internal", "\(error)"), console)
        }
        if console.isJSON {
            return report(Failure.usage(Tool.message(for: error)), console)
        }
        console.print(Tool.fullMessage(for: error))
        return Status.usage
    }

    /// Swift would silently put a replacement character for bytes that are not UTF-8, and so name another conversation.
    private static func checkEncoding() throws {
        for (index, argument) in LaunchArguments.pointers.enumerated().dropFirst() {
            if String(validatingCString: argument) == nil {
                throw Failure.usage(
                    "Argument \(index) is not UTF-8; give contents that are not text on stdin, with --mime-type"
                )
            }
        }
    }
}
