public import AgentJournal
public import Foundation

// So that `localizedDescription` says what went wrong and what to do about it, and not only a type and a number.

extension JournalError: LocalizedError {
    /// The message, and the place.
    public var errorDescription: String? { description }
    /// The system's own reason, if there is one.
    public var failureReason: String? { errno?.description }
}

extension JSON.ParseError: LocalizedError {
    /// Where it is no JSON, and why.
    public var errorDescription: String? { description }
}

extension Timestamp.ParseError: LocalizedError {
    /// Where it is no time, and why.
    public var errorDescription: String? { description }
}
