import Foundation

/// How many of a test's cases are tried.
enum Thoroughness {
    /// Whether all of them are: in a release build, because they are many. Else a sample, spread evenly.
    static let isExhaustive = ProcessInfo.processInfo.environment["AGENT_JOURNAL_EXHAUSTIVE"] != nil
}
