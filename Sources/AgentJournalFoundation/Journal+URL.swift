public import AgentJournal
public import Foundation

extension Journal {
    /// Opens the journal in the directory that a file URL names. See `open(at:create:options:)` with a `FilePath`.
    ///
    /// - Throws: also `invalidArgument` for a URL that names no file.
    public static func open(
        at directory: URL, create: Creation = .ifMissing, options: Options = Options()
    ) async throws(JournalError) -> Journal {
        try await open(at: try path(of: directory), create: create, options: options)
    }

    /// Opens a journal, calls `body` with it, and closes it, also when `body` throws.
    @discardableResult
    public static func withOpen<R: Sendable>(
        at directory: URL, create: Creation = .ifMissing, options: Options = Options(),
        _ body: (Journal) async throws -> R
    ) async throws -> R {
        try await withOpen(at: try path(of: directory), create: create, options: options, body)
    }

    private static func path(of url: URL) throws(JournalError) -> FilePath {
        guard url.isFileURL else {
            throw JournalError(
                .invalidArgument,
                "The URL \(url.absoluteString) names no file: a journal is a directory of this machine")
        }
        return FilePath(url.path(percentEncoded: false))
    }
}
