import Foundation

/// How many of a test's cases are tried.
///
/// All of them take minutes, so `Tools/test` tries a sample, spread evenly, and `Tools/test --all` every one, in a release
/// build, by setting `AGENT_JOURNAL_EXHAUSTIVE`.
enum Thoroughness {
    static let isExhaustive = ProcessInfo.processInfo.environment["AGENT_JOURNAL_EXHAUSTIVE"] != nil

    /// Whether case `index` is tried when one of `interval` is.
    static func tries(_ index: Int, oneOf interval: Int) -> Bool { isExhaustive || index % interval == 0 }
}
