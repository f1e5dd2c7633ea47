import AgentJournal
import ArgumentParser

extension Point {
    /// What a point is, for the help of options.
    static let words = "a sequence, an RFC 3339 date or a flush's label (seq:, date: and label: force which)."

    /// Reads a point: digits are a sequence, an RFC 3339 date is a date, anything else a label; a prefix forces which.
    static func parse(_ argument: String) throws -> Point {
        func sequence(_ text: Substring) throws -> Point {
            guard let number = UInt64(text), text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }) else {
                throw ValidationError("'\(text)' is not a sequence: give a number such as 17")
            }
            return .sequence(number)
        }
        if let rest = argument.afterPrefix("seq:") { return try sequence(rest) }
        if let rest = argument.afterPrefix("label:") { return .label(String(rest)) }
        if let rest = argument.afterPrefix("date:") {
            do {
                return .date(try Timestamp(parsing: String(rest)))
            } catch {
                throw ValidationError(
                    "'\(rest)' is not an RFC 3339 date (\(error.description)): write one like 2025-03-01T09:30:00Z"
                )
            }
        }
        guard !argument.isEmpty else {
            throw ValidationError("a point is empty: give a sequence, a date or a label")
        }
        if argument.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            return try sequence(argument[...])
        }
        return Timestamp(argument).map { .date($0) } ?? .label(argument)
    }
}

extension String {
    fileprivate func afterPrefix(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
