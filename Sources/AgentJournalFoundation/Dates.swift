public import AgentJournal
public import Foundation

extension Timestamp {
    /// The moment of a date, to the nearest microsecond; a date outside of ``earliest``...``latest`` gives the nearer of the two.
    ///
    /// - Precondition: The date's time interval is a number.
    public init(_ date: Date) {
        // Dates count from 2001, and are rounded the least where they are taken so.
        let microseconds = (date.timeIntervalSinceReferenceDate * 1_000_000).rounded()
        let epoch = Int64(Date.timeIntervalBetween1970AndReferenceDate) * 1_000_000
        // What is clamped here lies far outside of the range too.
        let clamped = Int64(min(max(microseconds, -1e18), 1e18))
        self.init(clampingMicrosecondsSince1970: clamped + epoch)
    }

    /// This moment as a date: to the microsecond from 1865 to 2137. Outside of these years a date's fractions are too coarse.
    public var date: Date { Date(self) }
}

extension Date {
    /// The moment of a timestamp: to the microsecond from 1865 to 2137.
    public init(_ timestamp: Timestamp) {
        // Whole seconds and the rest apart: together they would be rounded twice.
        let (seconds, rest) = timestamp.microsecondsSince1970.quotientAndRemainder(dividingBy: 1_000_000)
        self.init(
            timeIntervalSinceReferenceDate: Double(seconds) - Date.timeIntervalBetween1970AndReferenceDate
                + Double(rest) / 1_000_000)
    }
}

extension Point {
    /// After the last event recorded at or before this date.
    public static func date(_ date: Date) -> Point { .date(Timestamp(date)) }
}

extension TimeInterval {
    /// The seconds of a duration, such as that between two timestamps.
    public init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = Double(seconds) + Double(attoseconds) / 1e18
    }
}
