import AgentJournal
import ArgumentParser
import JournalFileSystem
import Logging
import SystemPackage

/// The journal that a command is about.
struct JournalArgument: ParsableArguments {
    @Argument(help: "The journal's directory.", completion: .directory)
    var dir: String

    /// Opens it for reading: works beside a running agent and in a directory that may not be written.
    func read<R: Sendable>(
        _ console: Console, prepare: (inout Journal.Options) -> Void = { _ in },
        _ body: (Journal) async throws -> R
    ) async throws -> R {
        var options = Journal.Options()
        options.access = .readOnly
        options.logger = .console(console)
        prepare(&options)
        return try await Journal.withOpen(at: FilePath(dir), create: .never, options: options, body)
    }

    /// Opens it for writing.
    func write<R: Sendable>(
        _ console: Console, create: Journal.Creation = .never, _ body: (Journal) async throws -> R
    ) async throws -> R {
        var options = Journal.Options()
        options.logger = .console(console)
        let path = FilePath(dir)
        // A mistyped path makes a new, empty memory: that must be seen.
        let isThere = JournalArgument.isThere(path)
        return try await Journal.withOpen(at: path, create: create, options: options) { journal in
            if !isThere {
                console.note("A new journal was made in \(journal.directory)")
                JournalArgument.noteWhereItDoesNotLast(journal.directory, console)
            }
            return try await body(journal)
        }
    }

    /// Whether there is a journal in a directory, as far as can be seen.
    static func isThere(_ directory: FilePath) -> Bool {
        (try? PosixFileSystem().status(of: directory.appending("journal.json"))) != nil
    }

    /// Says of a journal that was made just now when its place does not last: once, for nobody reads it every time.
    static func noteWhereItDoesNotLast(_ directory: FilePath, _ console: Console) {
        do {
            guard let why = try PosixFileSystem().whyNotLasting(directory) else { return }
            console.note("It is \(why). Use a directory on a disk or volume that lasts; `doctor` says more")
        } catch {
            console.note("The kind of its file system is not known: \(error)")
        }
    }
}

/// How results are given.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Results and errors as canonical JSON, one object a line.")
    var json = false

    /// Where everything but results goes.
    var console: Console { Console(isJSON: json) }
}

/// What a memory may carry.
struct MemoryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Whose it is: user, assistant, system, tool, or any other word.", valueName: "role"))
    var role: String?

    @Option(
        help: ArgumentHelp(
            "Something to note with it; may be repeated. The value is a string.", valueName: "k=v"))
    var metadata: [String] = []

    @Option(help: ArgumentHelp("More to note, as a JSON object.", valueName: "object"))
    var metadataJSON: String?

    @Option(help: ArgumentHelp("What the content is, e.g. text/markdown or image/png.", valueName: "type"))
    var mimeType: String?

    @Option(
        help: ArgumentHelp(
            "An idempotency key: the same add again gives the first receipt.", valueName: "key"))
    var key: String?

    @Flag(help: "Take a content that is empty, when stdin holds nothing.")
    var empty = false

    /// The metadata of both options, or nil if neither was given.
    func parsedMetadata() throws -> Metadata? {
        guard metadataJSON != nil || !metadata.isEmpty else { return nil }
        var result = Metadata()
        if let metadataJSON {
            do {
                guard let parsed = Metadata(try JSON(parsing: metadataJSON)) else {
                    throw Failure.usage(
                        "--metadata-json takes a JSON object, such as '{\"topic\": \"contact\"}'")
                }
                result = parsed
            } catch let error as JSON.ParseError {
                throw Failure.usage("--metadata-json is not JSON: \(error.description)")
            }
        }
        for pair in metadata {
            guard let equals = pair.firstIndex(of: "="), equals > pair.startIndex else {
                throw Failure.usage("--metadata takes key=value, not '\(pair)'")
            }
            let key = String(pair[..<equals])
            let value = JSON(String(pair[pair.index(after: equals)...]))
            if let other = result[key], other != value {
                throw Failure.usage("The metadata '\(key)' is given twice, with two values")
            }
            result[key] = value
        }
        return result
    }

    /// Whether stdin is text: without a mime type, and with text/* or application/json.
    var isText: Bool {
        guard let mimeType else { return true }
        let type = mimeType.prefix { $0 != ";" }.lowercased()
        return type.hasPrefix("text/") || type.trimmedSpaces == "application/json"
    }
}

extension String {
    fileprivate var trimmedSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension Logger {
    /// What the library tells an operator goes to stderr, from notices upwards.
    static func console(_ console: Console) -> Logger {
        Logger(label: "agent-journal") { _ in ConsoleLog(console: console) }
    }
}

/// Prints the library's log as notes.
private struct ConsoleLog: LogHandler {
    let console: Console
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.notice

    init(console: Console) { self.console = console }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let details = all.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        console.note(
            event.message.description + (details.isEmpty ? "" : " (" + details.joined(separator: ", ") + ")"))
    }
}
