/// What was found behind the last valid frame of the last segment.
package struct TailEvidence: Hashable, Sendable {
    /// A valid header beyond it says that all before it was durable.
    package var hasPromiseBeyond: Bool
    /// Anything but zeros beyond it.
    package var hasBytesBeyond: Bool
    package var record: Record

    /// What the clean-close record says, beside what is there.
    package enum Record: Hashable, Sendable, CaseIterable {
        case none
        /// It names exactly this end.
        case matches
        /// The log once reached further, or to another chain value.
        case notReached
        /// The log has gone on since: the record is an older copy's.
        case outgrown
        /// The mark stands, the record behind it is damaged.
        case unreadable
    }

    package init(hasPromiseBeyond: Bool, hasBytesBeyond: Bool, record: Record) {
        self.hasPromiseBeyond = hasPromiseBeyond
        self.hasBytesBeyond = hasBytesBeyond
        self.record = record
    }
}

/// Where the log ends, and how: proved, not guessed.
///
/// | promise beyond | clean-close record | bytes beyond | verdict |
/// |---|---|---|---|
/// | yes | any | any | damaged |
/// | no | not reached | any | damaged |
/// | no | matches | no | clean |
/// | no | any other, or matches with bytes beyond | any | unclean |
///
/// The same table is in docs/format.md and docs/durability.md; a test walks all twenty combinations.
package enum TailVerdict: Hashable, Sendable {
    /// Everything is there; appending may go on in this segment.
    case clean
    /// The writer died. What precedes the last promise is vouched for, the valid frames from it on are written again,
    /// the rest was never acknowledged.
    case unclean
    /// What was durable once is not there.
    case damaged

    package init(_ evidence: TailEvidence) {
        if evidence.hasPromiseBeyond {
            self = .damaged
        } else {
            switch evidence.record {
            case .notReached: self = .damaged
            case .matches: self = evidence.hasBytesBeyond ? .unclean : .clean
            case .none, .outgrown, .unreadable: self = .unclean
            }
        }
    }
}
