/// By which time an event is recorded, when the clock says one and the event before it was recorded at another.
package enum RecordedClock {
    /// A clock that is so far ahead of the last event is not believed: 1,000 days, in microseconds. A dead battery, or a
    /// wrong date that was set by hand, is often decades away. Recorded times never go back by themselves, so one wrong event would give all
    /// later ones its time.
    package static let longestJumpMicroseconds: Int64 = 1000 * 86_400 * 1_000_000

    /// The time that is recorded: a clock that went back does not take it back, and one that jumped far ahead does not take it there.
    static func time(_ now: Int64, after last: Int64) -> Int64 {
        isDoubted(now, after: last) ? last : max(now, last)
    }

    static func isDoubted(_ now: Int64, after last: Int64) -> Bool {
        let (distance, overflow) = now.subtractingReportingOverflow(last)
        return now > last && (overflow || distance > longestJumpMicroseconds)
    }
}
