import CanonicalJSON
import Testing

@Suite struct CanonicalFormTests {
    /// Input and its canonical form.
    static let forms: [(String, String)] = [
        (" null\n", "null"),
        ("\ttrue\r\n", "true"),
        ("false", "false"),
        (#""""#, #""""#),
        ("[]", "[]"),
        ("[ ]", "[]"),
        ("{ \n }", "{}"),
        ("[ 1 , [ 2 ] , { } ]", "[1,[2],{}]"),
        (#"{ "b" : 1 , "a" : { "d" : [ ] , "c" : null } }"#, #"{"a":{"c":null,"d":[]},"b":1}"#),
        // A key before another that it begins, the empty key first.
        (#"{"ab":1,"a":2,"":3}"#, #"{"":3,"a":2,"ab":1}"#),
        // The order is that of UTF-8, in which U+FFFD comes before U+1F600; in UTF-16 it would come after.
        (#"{"😀":1,"\ufffd":2,"z":3}"#, "{\"z\":3,\"\u{fffd}\":2,\"😀\":1}"),
        // Two spellings of é that Swift's `String` takes for equal are two keys.
        (#"{"\u00e9":1,"e\u0301":2}"#, "{\"e\u{301}\":2,\"\u{e9}\":1}"),
        (#""\u0041\/\u00df""#, #""A/ß""#),
        (#""\"\\\b\f\n\r\t""#, #""\"\\\b\f\n\r\t""#),
        (#""\u0022\u005C\u0008\u000C\u000a\u000D\u0009""#, #""\"\\\b\f\n\r\t""#),
        (#""\u0000\u000B\u001F\u007f""#, "\"\\u0000\\u000b\\u001f\u{7f}\""),
        (#""\ud83d\uDE00""#, #""😀""#),
        (#""\ud800\udc00 \udbff\udfff""#, "\"\u{10000} \u{10ffff}\""),
        (#""\uD7FF\uE000\u2028""#, "\"\u{d7ff}\u{e000}\u{2028}\""),
    ]

    @Test(arguments: forms)
    func canonicalForm(input: String, expected: String) throws {
        let output = try CanonicalJSON.canonicalize(Array(input.utf8))
        #expect(String(decoding: output, as: UTF8.self) == expected)
        #expect(output == Array(expected.utf8), "equal to the byte, not only to Swift's String")
        #expect(CanonicalJSON.isCanonical(output))
        #expect(CanonicalJSON.isCanonical(Array(input.utf8)) == (Array(input.utf8) == output))
    }

    @Test(arguments: [
        "0", "-0", "1", "1.0", "1.10", "-12.5e-07", "1E400", "1e+5", "12345678901234567890123", "0.0E0",
    ])
    func numbersAreKeptAsWritten(token: String) throws {
        let bytes = Array(token.utf8)
        #expect(try JSONValue.parse(bytes) == .number(bytes))
        #expect(try CanonicalJSON.canonicalize(Array("[ \(token) ]".utf8)) == Array("[\(token)]".utf8))
    }

    /// Every character of one byte, alone and amid eight others, so that both the fast scan and its end see it.
    @Test func everyControlCharacterIsEscapedAndNothingElse() throws {
        let short: [UInt8: String] = [
            0x08: #"\b"#, 0x09: #"\t"#, 0x0a: #"\n"#, 0x0c: #"\f"#, 0x0d: #"\r"#, 0x22: #"\""#, 0x5c: #"\\"#,
        ]
        let digits = Array("0123456789abcdef")
        for byte in UInt8(0)...0x7f {
            let character = String(UnicodeScalar(byte))
            let plain = byte < 0x20 ? "\\u00\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])" : character
            let escaped = short[byte] ?? plain
            for (before, after) in [("", ""), ("1234567", ""), ("12345678", "abcdefgh"), ("123", "abcdef")] {
                let text = before + character + after
                var output: [UInt8] = []
                JSONValue.appendString(text, to: &output)
                #expect(output == Array("\"\(before)\(escaped)\(after)\"".utf8))
                #expect(try JSONValue.parse(output) == .string(Array(text.utf8)))
                let decoded = CanonicalJSON.decodeString(output.span.bytes)
                #expect(decoded == Array(text.utf8))
            }
        }
    }

    @Test func allWaysToAppendAStringAgree() {
        let text = "a \"quoted\" line\n of naïve text 😀, longer than a word"
        var expected: [UInt8] = []
        JSONValue.string(Array(text.utf8)).appendCanonical(to: &expected)
        var output: [UInt8] = []
        JSONValue.appendString(text, to: &output)
        #expect(output == expected)
        output = []
        JSONValue.appendString(utf8: Array(text.utf8), to: &output)
        #expect(output == expected)
        output = []
        Array(text.utf8).withUnsafeBytes { JSONValue.appendString(utf8: $0, to: &output) }
        #expect(output == expected)
    }
}
