import JournalFileSystem
import SystemPackage

/// Something found wrong in the journal's files.
package struct LogProblem: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case identity
        case missingSegment = "missing_segment"
        case segmentHeader = "segment_header"
        case headerCopy = "segment_header_copy"
        case foreignSegment = "foreign_segment"
        case frame
        case event
        case index
        case padding
        case cleanCloseRecord = "clean_close_record"
        case unsupported
    }
    /// Relative to the journal's directory.
    package var file: String
    package var offset: UInt64?
    package var kind: Kind
    /// The sequences that cannot be read because of it, as far as they are known.
    package var lost: ClosedRange<UInt64>?
    package var message: String

    package init(
        file: String, offset: UInt64? = nil, kind: Kind, lost: ClosedRange<UInt64>? = nil, message: String
    ) {
        self.file = file
        self.offset = offset
        self.kind = kind
        self.lost = lost
        self.message = message
    }

    /// The error that refuses to go on because of it.
    func error(in paths: JournalPaths) -> LogError {
        var text = "\(file)\(offset.map { " is damaged at offset \($0)" } ?? ""): \(message)"
        if let lost {
            text += "; sequences \(lost.lowerBound) to \(lost.upperBound) cannot be read"
        }
        text +=
            ". Nothing was changed. Run `agent-journal verify` for all that is wrong; `export --salvage` and "
        text += "`log --salvage` read what lies on either side"
        return LogError(
            kind == .unsupported ? .unsupported : .damaged, text, path: paths.directory.appending(file),
            offset: offset, sequences: lost)
    }
}

extension ClosedRange<UInt64> {
    /// Nil when `upper` is below `lower`.
    static func checked(_ lower: UInt64, _ upper: UInt64) -> ClosedRange<UInt64>? {
        lower <= upper ? lower...upper : nil
    }
}
