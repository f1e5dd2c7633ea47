import ArgumentParser

/// Crashes journals on a simulated disk, again and again.
@main
struct CrashExplorerTool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crash-explorer",
        abstract: "Crashes journals on a simulated disk, and checks the promises.",
        subcommands: [Explore.self, Maintain.self, Interleave.self, Record.self],
        defaultSubcommand: Explore.self)
}
