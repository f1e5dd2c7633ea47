/// Where in the journal's time to look.
public enum Point: Sendable, Hashable {
    /// After the event with this sequence; 0 is before the first.
    case sequence(UInt64)
    /// After the last event recorded at or before this time.
    case date(Timestamp)
    /// After the latest flush with this label.
    case label(String)
}
