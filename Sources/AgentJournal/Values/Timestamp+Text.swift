extension Timestamp: LosslessStringConvertible {
    /// RFC 3339 in UTC with six decimals, always 27 characters: `2025-03-01T09:30:00.000000Z`.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(27)
        appendDescription(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Parses a date and time as ``init(parsing:)`` does, or nil where that throws.
    public init?(_ description: String) {
        try? self.init(parsing: description)
    }

    /// Appends ``description`` as UTF-8.
    package func appendDescription(to output: inout [UInt8]) {
        let (seconds, microsecond) = microsecondsSince1970.flooredDivision(by: 1_000_000)
        let (day, secondOfDay) = seconds.flooredDivision(by: 86_400)
        let date = CivilDate(daysSince1970: day)
        func append(_ number: Int64, digits: Int) {
            var divisor: Int64 = 1
            for _ in 1..<digits { divisor *= 10 }
            while divisor > 0 {
                output.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
                divisor /= 10
            }
        }
        append(date.year, digits: 4)
        output.append(UInt8(ascii: "-"))
        append(date.month, digits: 2)
        output.append(UInt8(ascii: "-"))
        append(date.day, digits: 2)
        output.append(UInt8(ascii: "T"))
        append(secondOfDay / 3600, digits: 2)
        output.append(UInt8(ascii: ":"))
        append(secondOfDay / 60 % 60, digits: 2)
        output.append(UInt8(ascii: ":"))
        append(secondOfDay % 60, digits: 2)
        output.append(UInt8(ascii: "."))
        append(microsecond, digits: 6)
        output.append(UInt8(ascii: "Z"))
    }
}

extension Timestamp {
    /// Why a text is not a timestamp, and where.
    public struct ParseError: Error, Sendable, Hashable, CustomStringConvertible {
        /// The offset in bytes of the part that is wrong, from 0.
        public let offset: Int
        /// What is wrong, and what to do about it.
        public let message: String

        /// `byte 5: the month must be 01 to 12`
        public var description: String { "byte \(offset): \(message)" }
    }

    /// Parses a date and time of RFC 3339, such as `2025-03-01T09:30:00Z` or `2025-03-01 10:30:00.5+01:00`.
    ///
    /// - `T`, `t` or a space before the time; `Z`, `z` or an offset after it, which is required.
    /// - No fraction or one of 1 to 9 digits, of which those beyond the sixth are dropped.
    /// - A leap second (`:60`) is taken as the last microsecond before it, `:59.999999`, as there is no other moment
    ///   for it; so a time never moves into the next day or year.
    ///
    /// - Throws: ``ParseError`` at the first part that is wrong, or if the moment is outside of
    ///   ``earliest``...``latest`` once its offset is applied.
    public init(parsing text: String) throws(ParseError) {
        try self.init(utf8: text.utf8.span.bytes)
    }

    /// Parses a date and time of RFC 3339 from its UTF-8, as ``init(parsing:)`` does.
    package init(utf8 bytes: RawSpan) throws(ParseError) {
        var reader = TimestampReader()
        self = try reader.timestamp(bytes)
    }
}

/// Reads the parts of an RFC 3339 date and time from left to right.
private struct TimestampReader {
    private var offset = 0

    mutating func timestamp(_ bytes: RawSpan) throws(Timestamp.ParseError) -> Timestamp {
        let year = try number(bytes, digits: 4, in: 1...9999, "the year")
        try separator(bytes, "-", "a hyphen after the year")
        let month = try number(bytes, digits: 2, in: 1...12, "the month")
        try separator(bytes, "-", "a hyphen after the month")
        let lastDay = CivilDate.days(inMonth: month, ofYear: year)
        let day = try number(bytes, digits: 2, in: 1...lastDay, "the day of this month")
        try separator(bytes, "Tt ", "T or a space between date and time")
        let hour = try number(bytes, digits: 2, in: 0...23, "the hour")
        try separator(bytes, ":", "a colon after the hour")
        let minute = try number(bytes, digits: 2, in: 0...59, "the minute")
        try separator(bytes, ":", "a colon after the minute")
        var second = try number(bytes, digits: 2, in: 0...60, "the second")
        var microsecond = try fraction(bytes)
        if second == 60 { (second, microsecond) = (59, 999_999) }
        let offsetMinutes = try offsetMinutes(bytes)
        guard offset == bytes.byteCount else {
            throw error("expected nothing after the offset: remove the rest")
        }

        let date = CivilDate(year: year, month: month, day: day)
        let minutes = (date.daysSince1970 * 24 + hour) * 60 + minute - offsetMinutes
        let microseconds = (minutes * 60 + second) * 1_000_000 + microsecond
        guard let timestamp = Timestamp(microsecondsSince1970: microseconds) else {
            throw Timestamp.ParseError(
                offset: 0, message: "with its offset the time is not within the years 0001 to 9999 of UTC")
        }
        return timestamp
    }

    private mutating func offsetMinutes(_ bytes: RawSpan) throws(Timestamp.ParseError) -> Int64 {
        let sign: Int64
        switch peek(bytes) {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"):
            offset += 1
            return 0
        case UInt8(ascii: "+"): sign = 1
        case UInt8(ascii: "-"): sign = -1
        default: throw error("expected Z for UTC or an offset such as +02:00")
        }
        offset += 1
        let hours = try number(bytes, digits: 2, in: 0...23, "the hour of the offset")
        try separator(bytes, ":", "a colon in the offset")
        let minutes = try number(bytes, digits: 2, in: 0...59, "the minute of the offset")
        return sign * (hours * 60 + minutes)
    }

    /// The fraction of the second in microseconds, 0 if there is none.
    private mutating func fraction(_ bytes: RawSpan) throws(Timestamp.ParseError) -> Int64 {
        guard peek(bytes) == UInt8(ascii: ".") else { return 0 }
        offset += 1
        let start = offset
        var microseconds: Int64 = 0
        while let digit = peekDigit(bytes) {
            if offset - start < 6 { microseconds = microseconds * 10 + digit }
            offset += 1
        }
        switch offset - start {
        case 0: throw error("expected a digit after the decimal point")
        case 1..<6:
            for _ in offset - start..<6 { microseconds *= 10 }
        case 6...9: break
        default:
            offset = start + 9
            throw error("the fraction has more than 9 digits: shorten it")
        }
        return microseconds
    }

    private mutating func number(
        _ bytes: RawSpan, digits: Int, in range: ClosedRange<Int64>, _ part: String
    ) throws(Timestamp.ParseError) -> Int64 {
        let start = offset
        var value: Int64 = 0
        for _ in 0..<digits {
            guard let digit = peekDigit(bytes) else { throw error("expected \(digits) digits for \(part)") }
            value = value * 10 + digit
            offset += 1
        }
        guard range.contains(value) else {
            offset = start
            throw error("\(part) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
        return value
    }

    private mutating func separator(
        _ bytes: RawSpan, _ allowed: String, _ expected: String
    ) throws(Timestamp.ParseError) {
        guard let byte = peek(bytes), allowed.utf8.contains(byte) else { throw error("expected \(expected)") }
        offset += 1
    }

    private func peek(_ bytes: RawSpan) -> UInt8? {
        offset < bytes.byteCount ? bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self) : nil
    }

    private func peekDigit(_ bytes: RawSpan) -> Int64? {
        guard let byte = peek(bytes), byte &- UInt8(ascii: "0") < 10 else { return nil }
        return Int64(byte - UInt8(ascii: "0"))
    }

    private func error(_ message: String) -> Timestamp.ParseError {
        Timestamp.ParseError(offset: offset, message: message)
    }
}
