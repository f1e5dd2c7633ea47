import AgentJournal
import Logging

/// Whether several processes may write to one journal at a time.
enum SeveralWriters {
    static let areThere = true
}

extension Journal {
    /// The options of all journals here: small segments, so that they end, and nothing printed but failures.
    static func quiet(_ access: Access = .readWrite) -> Options {
        var options = Options()
        options.access = access
        options.segmentBytes = 64 << 10
        options.logger.logLevel = .critical
        return options
    }

    /// Adds one text to a conversation; it is its own key.
    @discardableResult
    func addText(_ text: String, to conversation: String) throws -> UInt64 {
        try addNow([(conversation, NewMemory(.text(text), idempotencyKey: text))])[0].sequence
    }

    func texts(in conversation: String) throws -> [String] {
        try view().memories(in: conversation).map { $0.idempotencyKey ?? "" }
    }
}
