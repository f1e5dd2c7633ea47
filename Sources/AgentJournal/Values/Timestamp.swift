#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A moment in time, in whole microseconds, from the year 1 to the year 9999.
///
/// Its text is RFC 3339 in UTC with six decimals, `2025-03-01T09:30:00.000000Z`, so that texts sort as the moments
/// do. Like Unix time it counts no leap seconds.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Microseconds since 1970-01-01T00:00:00Z, less than zero before that.
    public let microsecondsSince1970: Int64

    /// 0001-01-01T00:00:00.000000Z, the earliest.
    public static let earliest = Timestamp(unchecked: -62_135_596_800_000_000)

    /// 9999-12-31T23:59:59.999999Z, the latest.
    public static let latest = Timestamp(unchecked: 253_402_300_799_999_999)

    /// Makes a timestamp, or nil outside of ``earliest``...``latest``.
    public init?(microsecondsSince1970: Int64) {
        guard Self.microsecondsRange.contains(microsecondsSince1970) else { return nil }
        self.microsecondsSince1970 = microsecondsSince1970
    }

    /// Makes a timestamp; outside of ``earliest``...``latest`` it is the nearer of the two.
    public init(clampingMicrosecondsSince1970 microseconds: Int64) {
        let range = Self.microsecondsRange
        microsecondsSince1970 = min(max(microseconds, range.lowerBound), range.upperBound)
    }

    private init(unchecked microseconds: Int64) {
        microsecondsSince1970 = microseconds
    }

    static var microsecondsRange: ClosedRange<Int64> {
        earliest.microsecondsSince1970...latest.microsecondsSince1970
    }

    /// The time of the system's clock, which may be set back: the journal keeps its own times from running
    /// backwards.
    public static func now() -> Timestamp {
        var time = timespec()
        // It fails only for an unknown clock or a bad pointer, and then leaves 1970.
        _ = clock_gettime(CLOCK_REALTIME, &time)
        let (seconds, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return time.tv_sec < 0 ? earliest : latest }
        return Timestamp(clampingMicrosecondsSince1970: seconds + Int64(time.tv_nsec) / 1000)
    }

    /// Whether `lhs` is before `rhs`.
    public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool {
        lhs.microsecondsSince1970 < rhs.microsecondsSince1970
    }
}

extension Timestamp: InstantProtocol {
    /// The moment `duration` later (earlier if it is negative), never beyond ``earliest`` or ``latest``. What is
    /// less than a microsecond of the duration is dropped.
    public func advanced(by duration: Duration) -> Timestamp {
        moved(byMicroseconds: Self.wholeMicroseconds(of: duration))
    }

    /// How long it is until `other`, less than zero if that is earlier.
    public func duration(to other: Timestamp) -> Duration {
        .microseconds(other.microsecondsSince1970 - microsecondsSince1970)
    }

    /// The moment `duration` after `timestamp`; see ``advanced(by:)``.
    public static func + (timestamp: Timestamp, duration: Duration) -> Timestamp {
        timestamp.advanced(by: duration)
    }

    /// The moment `duration` before `timestamp`; see ``advanced(by:)``.
    public static func - (timestamp: Timestamp, duration: Duration) -> Timestamp {
        timestamp.moved(byMicroseconds: -wholeMicroseconds(of: duration))
    }

    /// Moves `timestamp` by `duration`; see ``advanced(by:)``.
    public static func += (timestamp: inout Timestamp, duration: Duration) {
        timestamp = timestamp + duration
    }

    /// Moves `timestamp` back by `duration`; see ``advanced(by:)``.
    public static func -= (timestamp: inout Timestamp, duration: Duration) {
        timestamp = timestamp - duration
    }

    /// How long it is from `earlier` to `later`, less than zero if they are the other way round.
    public static func - (later: Timestamp, earlier: Timestamp) -> Duration {
        earlier.duration(to: later)
    }

    /// In 128 bits, as a duration is held: whatever its length, neither this nor its negative overflows.
    private static func wholeMicroseconds(of duration: Duration) -> Int128 {
        duration.attoseconds / 1_000_000_000_000
    }

    private func moved(byMicroseconds change: Int128) -> Timestamp {
        Timestamp(clampingMicrosecondsSince1970: Int64(clamping: Int128(microsecondsSince1970) + change))
    }
}
