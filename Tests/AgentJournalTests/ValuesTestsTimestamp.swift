import AgentJournal
import Testing

@Suite struct TimestampTests {
    /// Microseconds and their text.
    static let moments: [(Int64, String)] = [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-86_400_000_000, "1969-12-31T00:00:00.000000Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (1_709_164_800_123_456, "2024-02-29T00:00:00.123456Z"),
        (1_740_787_200_000_000, "2025-03-01T00:00:00.000000Z"),
        (-2_203_891_200_000_000, "1900-03-01T00:00:00.000000Z"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ]

    @Test(arguments: moments)
    func textAndBack(microseconds: Int64, text: String) throws {
        let timestamp = try #require(Timestamp(microsecondsSince1970: microseconds))
        #expect(timestamp.description == text)
        #expect(try Timestamp(parsing: text) == timestamp)
        #expect(Timestamp(text) == timestamp)
    }

    /// Other spellings, and what each is in the one that is written.
    static let spellings: [(String, String)] = [
        ("2025-03-01T09:30:00Z", "2025-03-01T09:30:00.000000Z"),
        ("2025-03-01t09:30:00z", "2025-03-01T09:30:00.000000Z"),
        ("2025-03-01 09:30:00Z", "2025-03-01T09:30:00.000000Z"),
        ("2025-03-01T09:30:00.5Z", "2025-03-01T09:30:00.500000Z"),
        ("2025-03-01T09:30:00.012345Z", "2025-03-01T09:30:00.012345Z"),
        ("2025-03-01T09:30:00.123456789Z", "2025-03-01T09:30:00.123456Z"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2025-03-01T00:30:00+01:00", "2025-02-28T23:30:00.000000Z"),
        ("2024-02-28T23:30:00-00:45", "2024-02-29T00:15:00.000000Z"),
        ("2024-12-31T23:30:00-23:59", "2025-01-01T23:29:00.000000Z"),
        ("2025-03-01T09:30:00-00:00", "2025-03-01T09:30:00.000000Z"),
        ("2025-03-01T09:30:00.25+05:45", "2025-03-01T03:45:00.250000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("2016-12-31T23:59:60.75Z", "2016-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00-12:00", "0001-01-01T12:00:00.000000Z"),
        ("2400-02-29T00:00:00Z", "2400-02-29T00:00:00.000000Z"),
    ]

    @Test(arguments: spellings)
    func spellingIsUnderstood(input: String, expected: String) throws {
        #expect(try Timestamp(parsing: input).description == expected)
    }

    /// Input, the offset of the error, and a part of its message.
    static let broken: [(String, Int, String)] = [
        ("", 0, "the year"),
        ("yesterday", 0, "the year"),
        ("0000-01-01T00:00:00Z", 0, "the year must be 1 to 9999"),
        ("+2025-01-01T00:00:00Z", 0, "the year"),
        ("2025/01/01T00:00:00Z", 4, "hyphen"),
        ("2025-00-01T00:00:00Z", 5, "the month must be 1 to 12"),
        ("2025-13-01T00:00:00Z", 5, "the month must be 1 to 12"),
        ("2025-02-29T00:00:00Z", 8, "must be 1 to 28"),
        ("2024-02-30T00:00:00Z", 8, "must be 1 to 29"),
        ("1900-02-29T00:00:00Z", 8, "must be 1 to 28"),
        ("2025-04-31T00:00:00Z", 8, "must be 1 to 30"),
        ("2025-01-32T00:00:00Z", 8, "must be 1 to 31"),
        ("2025-01-00T00:00:00Z", 8, "must be 1 to 31"),
        ("2025-01-01", 10, "T or a space"),
        ("2025-01-01_00:00:00Z", 10, "T or a space"),
        ("2025-01-01T24:00:00Z", 11, "the hour must be 0 to 23"),
        ("2025-01-01T00:60:00Z", 14, "the minute must be 0 to 59"),
        ("2025-01-01T00:00:61Z", 17, "the second must be 0 to 60"),
        ("2025-01-01T00:00Z", 16, "a colon after the minute"),
        ("2025-01-01T00:00:00", 19, "expected Z for UTC or an offset"),
        ("2025-01-01T00:00:00.Z", 20, "a digit after the decimal point"),
        ("2025-01-01T00:00:00,5Z", 19, "expected Z"),
        ("2025-01-01T00:00:00.1234567890Z", 29, "more than 9 digits"),
        ("2025-01-01T00:00:00+0100", 22, "a colon in the offset"),
        ("2025-01-01T00:00:00+24:00", 20, "the hour of the offset"),
        ("2025-01-01T00:00:00+01:60", 23, "the minute of the offset"),
        ("2025-01-01T00:00:00Z ", 20, "nothing after"),
        ("0001-01-01T00:00:00+00:01", 0, "within the years 0001 to 9999"),
        ("9999-12-31T23:59:59-00:01", 0, "within the years 0001 to 9999"),
        ("２025-01-01T00:00:00Z", 0, "the year"),
    ]

    @Test(arguments: broken)
    func brokenTextIsRefusedWithItsPlace(input: String, offset: Int, message: String) {
        #expect(Timestamp(input) == nil)
        let error = #expect(throws: Timestamp.ParseError.self) { try Timestamp(parsing: input) }
        #expect(error?.offset == offset, "\(error?.description ?? "accepted")")
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "accepted")")
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() throws {
        var expected = (year: 1600, month: 1, day: 1)
        let first = try Timestamp(parsing: "1600-01-01T00:00:00Z").microsecondsSince1970
        for days in 0..<Int64(146_097) {
            let timestamp = try #require(Timestamp(microsecondsSince1970: first + days * 86_400_000_000))
            let text = timestamp.description
            let parts = text.prefix(10).split(separator: "-").compactMap { Int($0) }
            guard parts == [expected.year, expected.month, expected.day], Timestamp(text) == timestamp else {
                Issue.record("\(text) is not \(expected)")
                return
            }
            let isLeap = expected.year % 4 == 0 && (expected.year % 100 != 0 || expected.year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            expected.day += 1
            if expected.day > lengths[expected.month - 1] {
                expected = (expected.year, expected.month + 1, 1)
            }
            if expected.month > 12 { expected = (expected.year + 1, 1, 1) }
        }
        #expect(expected == (2000, 1, 1))
    }

    @Test func randomMomentsComeBackAndSortAsTheirTexts() throws {
        let range = Timestamp.earliest.microsecondsSince1970...Timestamp.latest.microsecondsSince1970
        // A multiplier and increment of Knuth's: the same moments at every run.
        var state: UInt64 = 17
        var moments: [Timestamp] = []
        for _ in 0..<2000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let microseconds = range.lowerBound + Int64((state >> 1) % UInt64(range.count))
            let timestamp = try #require(Timestamp(microsecondsSince1970: microseconds))
            #expect(Timestamp(timestamp.description) == timestamp)
            moments.append(timestamp)
        }
        #expect(moments.sorted().map(\.description) == moments.map(\.description).sorted())
    }

    @Test func theRangeHasEnds() {
        #expect(Timestamp(microsecondsSince1970: Timestamp.earliest.microsecondsSince1970 - 1) == nil)
        #expect(Timestamp(microsecondsSince1970: Timestamp.latest.microsecondsSince1970 + 1) == nil)
        #expect(Timestamp(microsecondsSince1970: .min) == nil)
        #expect(Timestamp(clampingMicrosecondsSince1970: .min) == .earliest)
        #expect(Timestamp(clampingMicrosecondsSince1970: .max) == .latest)
        #expect(Timestamp(clampingMicrosecondsSince1970: 5).microsecondsSince1970 == 5)
    }

    @Test func durationsAreAddedAndMeasured() throws {
        let start = try Timestamp(parsing: "2024-02-28T23:59:59.5Z")
        #expect((start + .milliseconds(500)).description == "2024-02-29T00:00:00.000000Z")
        #expect((start - .seconds(86_400)).description == "2024-02-27T23:59:59.500000Z")
        #expect(start.advanced(by: .nanoseconds(1999)) - start == .microseconds(1))
        #expect(start - (start + .nanoseconds(-1999)) == .microseconds(1))
        #expect(start.duration(to: start + .seconds(90)) == .seconds(90))
        #expect(start.duration(to: start - .seconds(90)) == .seconds(-90))
        #expect(Timestamp.earliest.duration(to: .latest) == .microseconds(315_537_897_599_999_999))
        #expect(Timestamp.latest + .microseconds(1) == .latest)
        #expect(Timestamp.earliest - .microseconds(1) == .earliest)
        #expect(start + .seconds(Int64.max) == .latest)
        #expect(start + .seconds(Int64.min) == .earliest)
        #expect(start - .seconds(Int64.min) == .latest)
        #expect(start + .microseconds(Int64.max) == .latest)
        var moved = start
        moved += .microseconds(1)
        #expect(start < moved)
        moved -= .microseconds(2)
        #expect(moved < start)
    }

    @Test func nowIsOfThisCentury() throws {
        let now = Timestamp.now()
        #expect(try now > Timestamp(parsing: "2025-01-01T00:00:00Z"))
        #expect(try now < Timestamp(parsing: "2100-01-01T00:00:00Z"))
    }
}
