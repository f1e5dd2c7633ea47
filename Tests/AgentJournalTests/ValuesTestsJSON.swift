import AgentJournal
import Testing

@Suite struct JSONTests {
    @Test func literalsAreWrittenInCanonicalForm() {
        let name = "Ada"
        let json: JSON = [
            "name": "\(name) \"A.\"", "born": 1815, "ratio": 0.5, "whole": 2.0, "small": 1e-7, "alive": false,
            "died": nil, "tags": ["math", ["poetry"], []], "none": [:],
        ]
        #expect(
            json.description
                == #"{"alive":false,"born":1815,"died":null,"name":"Ada \"A.\"","none":{},"ratio":0.5,"#
                + #""small":1e-07,"tags":["math",["poetry"],[]],"whole":2.0}"#)
        #expect(json.utf8 == Array(json.description.utf8))
        #expect(throws: Never.self) { try JSON(parsing: json.description) }
    }

    @Test func theLastOfTwoEqualKeysIsTaken() {
        let json: JSON = ["a": 1, "b": 2, "a": 3]
        #expect(json.description == #"{"a":3,"b":2}"#)
        let spellings: JSON = ["\u{e9}": 1, "e\u{301}": 2]
        #expect(spellings.objectValue?.count == 2, "keys are bytes")
        #expect(spellings["\u{e9}"] == 1)
        #expect(spellings["e\u{301}"] == 2)
    }

    @Test func equalityIsThatOfTheCanonicalBytes() throws {
        #expect(try JSON(parsing: #" { "b" : 1 , "\u0061" : 2 } "#) == ["a": 2, "b": 1])
        #expect(try JSON(parsing: "1") != JSON(parsing: "1.0"))
        #expect(try JSON(parsing: "1.0") != JSON(parsing: "1e0"))
        #expect(JSON("\u{e9}") != JSON("e\u{301}"))
        #expect(Set<JSON>([1, 1, 1.0, "1"]).count == 3)
    }

    @Test func refusalsHaveAPlaceAndAMessage() {
        let error = #expect(throws: JSON.ParseError.self) { try JSON(parsing: #"{"a":1,"a":2}"#) }
        #expect(error?.offset == 7)
        #expect(error?.description == #"byte 7: the key "a" appears twice in this object: keep one of them"#)
        #expect(throws: JSON.ParseError.self) { try JSON(utf8: [0x22, 0xff, 0x22]) }
        #expect(throws: JSON.ParseError.self) { try JSON(parsing: "") }
        #expect(throws: Never.self) { try JSON(utf8: "[1]".utf8) }
        #expect(throws: JSON.ParseError.self) {
            try JSON(parsing: String(repeating: "[", count: 257) + String(repeating: "]", count: 257))
        }
    }

    @Test func partsAreRead() throws {
        let json = try JSON(
            parsing: #"{"list":[1,"two",{"k":"v"},[]],"t":"line\n\ud83d\ude00","b":true,"z":null}"#)
        #expect(json.kind == .object)
        #expect(json["t"]?.stringValue == "line\n😀")
        #expect(json["b"]?.boolValue == true)
        #expect(json["z"]?.kind == .null)
        #expect(json["z"] == .some(.null))
        #expect(json["z"] != nil)
        #expect(json["absent"] == nil)
        #expect(json["list"]?.kind == .array)
        #expect(json["list"]?.arrayValue == [1, "two", ["k": "v"], []])
        #expect(json["list"]?[2]?["k"] == "v")
        #expect(json["list"]?[4] == nil)
        #expect(json["list"]?[-1] == nil)
        #expect(json["list"]?["k"] == nil)
        #expect(json[0] == nil)
        #expect(json.objectValue?.map(\.key) == ["b", "list", "t", "z"])
        #expect(json.objectValue?.first?.value == true)
        #expect(JSON(canonicalBytes: []).kind == .number, "nonsense gives no parts, and no crash")
        #expect(JSON(canonicalBytes: []).doubleValue == nil)
    }

    @Test func aKindHasOnlyItsOwnValue() {
        let values: [(JSON, JSON.Kind)] = [
            (nil, .null), (true, .boolean), (0, .number), ("", .string), ([], .array), ([:], .object),
        ]
        #expect(Set(values.map(\.1)).count == JSON.Kind.allCases.count)
        for (json, kind) in values {
            #expect(json.kind == kind)
            #expect((json.boolValue != nil) == (kind == .boolean))
            #expect((json.intValue != nil) == (kind == .number))
            #expect((json.doubleValue != nil) == (kind == .number))
            #expect((json.stringValue != nil) == (kind == .string))
            #expect((json.arrayValue != nil) == (kind == .array))
            #expect((json.objectValue != nil) == (kind == .object))
        }
    }

    /// A number as written, and what it is as an `Int` and as a `Double`.
    static let numbers: [(String, Int?, Double?)] = [
        ("0", 0, 0),
        ("-0", 0, 0),
        ("-17", -17, -17),
        ("9223372036854775807", .max, 9_223_372_036_854_775_808),
        ("9223372036854775808", nil, 9_223_372_036_854_775_808),
        ("1.0", nil, 1),
        ("1e2", nil, 100),
        ("0.1", nil, 0.1),
        ("1E400", nil, nil),
        ("5e-324", nil, .leastNonzeroMagnitude),
    ]

    @Test(arguments: numbers)
    func numbersAreKeptAsWritten(token: String, int: Int?, double: Double?) throws {
        let json = try JSON(parsing: token)
        #expect(json.description == token)
        #expect(json.intValue == int)
        #expect(json.doubleValue == double)
    }

    @Test func swiftValuesBecomeJSON() throws {
        #expect(JSON(UInt64.max).description == "18446744073709551615")
        #expect(JSON(Int8(-5)) == -5)
        #expect(JSON(exactly: .infinity) == nil)
        #expect(JSON(exactly: .nan) == nil)
        let doubles = [0.1, -0.0, 1e16, 123_456_789.125, .leastNonzeroMagnitude, .greatestFiniteMagnitude]
        for value: Double in doubles {
            let json = try #require(JSON(exactly: value))
            #expect(try JSON(parsing: json.description) == json)
            #expect(json.doubleValue == value)
        }
        #expect(JSON(["b": JSON(1), "a": JSON("x")] as [String: JSON]).description == #"{"a":"x","b":1}"#)
        #expect(JSON([("b", 1), ("a", 2), ("b", 3)] as [(String, JSON)]).description == #"{"a":2,"b":3}"#)
        #expect(JSON([1, 2].map { JSON($0) }) == [1, 2])
    }

    @Test func valuesPutTogetherMayBeDeeperThanTheParserTakes() {
        var json: JSON = "core"
        for _ in 0..<10_000 { json = [json] }
        #expect(json.depth == 10_000)
        #expect(json[0]?.kind == .array)
        #expect(json.arrayValue?.count == 1)
    }
}
