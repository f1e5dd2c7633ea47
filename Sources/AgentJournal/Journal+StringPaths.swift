import SystemPackage

/// Paths as strings, so that a program that uses the journal need import nothing else.
extension Journal {
    /// Opens the journal in a directory. See `open(at:create:options:)` with a `FilePath`.
    public static func open(
        at directory: String, create: Creation = .ifMissing, options: Options = Options()
    ) async throws(JournalError) -> Journal {
        try await open(at: FilePath(directory), create: create, options: options)
    }

    /// Opens a journal, calls `body` with it, and closes it, also when `body` throws.
    @discardableResult
    public static func withOpen<R: Sendable>(
        at directory: String, create: Creation = .ifMissing, options: Options = Options(),
        _ body: (Journal) async throws -> R
    ) async throws -> R {
        try await withOpen(at: FilePath(directory), create: create, options: options, body)
    }

    /// Reads every byte of a journal that need not be open. See `verify(at:)` with a `FilePath`.
    public static func verify(at directory: String) async throws(JournalError) -> VerifyReport {
        try await verify(at: FilePath(directory))
    }
}
