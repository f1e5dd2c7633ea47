import AgentJournal
import ArgumentParser
import Glibc
import SystemPackage

@main
struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal-benchmarks",
        abstract:
            "Measures AgentJournal beside its peers: same data, same file system, same durability, in turn.",
        discussion: "Workloads:\n"
            + workloads.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n"),
        subcommands: [
            Run.self, ImportWithLibrary.self, MeasureProcess.self, RestartWithLibrary.self,
            RestartWithSQLite.self,
            ReplayWithLibrary.self, AddBesideOthers.self, AddNowAndThen.self,
        ], defaultSubcommand: Run.self)
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs workloads and prints Markdown tables.",
        discussion: "Workloads:\n" + workloads.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n"))

    @Argument(help: "Workloads by name, or `all`.")
    var names = ["all"]

    @Flag(help: "Less of everything: to see that it works, not to publish.")
    var quick = false

    @Flag(help: "Also with 10,000,000 memories: takes a quarter of an hour and 8 GB of disk.")
    var large = false

    @Option(help: "Keeps the large data sets in this directory, and takes them from there the next time.")
    var sets: String?

    @Option(help: "How many rounds.")
    var rounds: Int?

    @Option(
        help:
            "Where files are made and removed again; on a disk. Default: .build/benchmarks of the repository."
    )
    var directory: String?

    @Option(help: "The directory of the data sets. Default: shared/data beside the repository.")
    var data: String?

    @Option(help: "The tool agent-journal, for `start` and `import`.")
    var tool: String?

    @Option(help: "A Python that has SalamanderDB and ChromaDB; without it they are left out.")
    var python: String?

    @Option(help: "Also writes the raw results as JSON to this file.")
    var json: String?

    mutating func run() async throws {
        let chosen = try names.flatMap { name in
            guard name != "all" else { return workloads }
            guard let workload = workloads.first(where: { $0.name == name }) else {
                throw ValidationError(
                    "There is no workload \"\(name)\"; there are \(workloads.map(\.name).joined(separator: ", ")) and all"
                )
            }
            return [workload]
        }
        let scratch = try Scratch(
            try directory.map { FilePath($0) } ?? repository().appending(".build/benchmarks"))
        let context = Context(
            scratch: scratch,
            data: DataSets(
                directory: try data.map { FilePath($0) } ?? repository().appending("../shared/data")),
            isQuick: quick, rounds: rounds ?? (quick ? 5 : 21), tool: tool.map { FilePath($0) },
            python: python.map { FilePath($0) },
            peersScript: try repository().appending("Tools/benchmarks/python/peers.py"), isLarge: large,
            sets: LargeSets(sets.map { FilePath($0) }, scratch))
        let environment = try Environment(scratch)
        var outcomes: [Outcome] = []
        do {
            for workload in chosen { outcomes.append(try await workload.run(context)) }
        } catch {
            context.sets.remove()
            throw error
        }
        context.sets.remove()
        scratch.beQuiet()
        print(Report.markdown(environment, outcomes))
        if quick { print("These are the figures of a quick run: not for comparing.") }
        if let json {
            let text = Report.json(environment, outcomes).description + "\n"
            guard let file = fopen(json, "w"), fputs(text, file) >= 0, fclose(file) == 0 else {
                throw UsageError("\(json) cannot be written")
            }
        }
    }

    /// The repository that this program was built in.
    private func repository() throws -> FilePath {
        var path = FilePath(ChildProcess.ownPath)
        while !path.components.isEmpty {
            path.removeLastComponent()
            if Files.exists(path.appending("Sources/AgentJournal")) { return path }
        }
        throw UsageError("The repository was not found; give --directory and --data")
    }
}

/// Imports as the tool does, for as long as the tool is not given.
struct ImportWithLibrary: AsyncParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument var journal: String
    @Argument var file: String

    mutating func run() async throws {
        try await Import.withLibrary(FilePath(journal), FilePath(file))
    }
}

/// Runs a command and prints its wall time in seconds and its largest resident size in bytes.
struct MeasureProcess: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "measure-process", shouldDisplay: false)

    @Flag var silent = false
    @Argument(parsing: .postTerminator) var command: [String]

    mutating func run() throws {
        try ChildProcess.runAndPrintUsage(command, isSilent: silent)
    }
}
