#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
import AgentJournal
import ArgumentParser

extension Point {
    /// What a point is, for the help of options.
    static let words =
        "a sequence (17), a time (2025-03-01T09:30:00Z, 2025-03-01, now, -1h) or a flush's label; seq:, date: and label: force which."

    /// The forms of a point, for an error.
    static let forms =
        "A point is a sequence (17), a time (2025-03-01T09:30:00Z; 2025-03-01 or 2025-03-01T09:30, which are of UTC; now; -90s, -30m, -1h, -7d "
        + "or now-1h before now) or the label of a flush; label:now forces a label"

    /// Reads a point: digits are a sequence, a date or a distance from now is a time, anything else a label; a prefix forces which.
    static func parse(_ argument: String) throws -> Point {
        try parse(argument, now: .now)
    }

    static func parse(_ argument: String, now: Timestamp) throws -> Point {
        func sequence(_ text: Substring) throws -> Point {
            guard let number = UInt64(text), text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }) else {
                throw ValidationError("'\(text)' is not a sequence: give a number such as 17")
            }
            return .sequence(number)
        }
        if let rest = argument.afterPrefix("seq:") { return try sequence(rest) }
        if let rest = argument.afterPrefix("label:") { return .label(String(rest)) }
        if let rest = argument.afterPrefix("date:") {
            guard let time = Timestamp(point: String(rest), now: now) else {
                throw ValidationError("'\(rest)' is not a time. \(forms)")
            }
            return .date(time)
        }
        guard !argument.isEmpty else { throw ValidationError("a point is empty. \(forms)") }
        guard !argument.hasPrefix("--") else {
            throw ValidationError("a point is missing before \(argument). \(forms)")
        }
        if argument.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            return try sequence(argument[...])
        }
        if let time = Timestamp(point: argument, now: now) { return .date(time) }
        // A distance of another form is no label that somebody chose.
        guard !argument.hasPrefix("-") else {
            throw ValidationError("'\(argument)' is not a point. \(forms)")
        }
        return .label(argument)
    }
}

extension Timestamp {
    /// The present.
    static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(
            clampingMicrosecondsSince1970: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    /// A time as a point has it: a date, with or without a time and a zone, `now`, or a distance before now.
    fileprivate init?(point text: String, now: Timestamp) {
        if text == "now" {
            self = now
            return
        }
        for distance in [text.afterPrefix("now-"), text.afterPrefix("-")] {
            guard let distance, let microseconds = Timestamp.microseconds(of: distance) else { continue }
            self.init(microsecondsSince1970: now.microsecondsSince1970 - microseconds)
            return
        }
        // Without a time it is the first moment of the day, without a zone it is of UTC.
        for rest in ["", "Z", ":00Z", "T00:00:00Z"] {
            if let time = Timestamp(text + rest) {
                self = time
                return
            }
        }
        return nil
    }

    private static func microseconds(of distance: Substring) -> Int64? {
        let seconds: Int64? =
            switch distance.last {
            case "s": 1
            case "m": 60
            case "h": 3600
            case "d": 86_400
            case "w": 7 * 86_400
            default: nil
            }
        guard let seconds, let count = Int64(distance.dropLast()), count >= 0 else { return nil }
        let (microseconds, isTooLarge) = count.multipliedReportingOverflow(by: seconds * 1_000_000)
        return isTooLarge || microseconds > latest.microsecondsSince1970 ? nil : microseconds
    }
}

extension JournalError {
    /// With the forms of a point, where there is no flush with a label: what was meant may have been something else.
    func explained(at points: Point?...) -> JournalError {
        guard code == .noSuchPoint, points.contains(where: { if case .label? = $0 { true } else { false } })
        else {
            return self
        }
        var error = self
        error.message += ". \(Point.forms)"
        return error
    }
}

extension String {
    fileprivate func afterPrefix(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
