import CanonicalJSON
import Testing

@Suite struct ParserTests {
    @Test func valuesKeepWhatWasWritten() throws {
        let text = #" {"b":[1.0,"x"],"a":{"\u0061":null},"t":true,"f":false} "#
        let expected = JSONValue.object([
            member("b", .array([.number(Array("1.0".utf8)), .string(Array("x".utf8))])),
            member("a", .object([member("a", .null)])),
            member("t", .bool(true)),
            member("f", .bool(false)),
        ])
        #expect(try JSONValue.parse(Array(text.utf8)) == expected)
    }

    /// A slice of a larger buffer is parsed where it lies, and nothing beyond it is seen.
    @Test func spansOfABufferAreParsedInPlace() throws {
        let lines = Array("[1]\n[2,3]\n".utf8)
        let first = try JSONValue.parse(lines.span.bytes.extracting(0..<4))
        let second = try JSONValue.parse(lines.span.bytes.extracting(4..<9))
        #expect(first == .array([number("1")]))
        #expect(second == .array([number("2"), number("3")]))
    }

    /// Input, the offset of the error, and a part of its message.
    static let broken: [(String, Int, String)] = [
        ("", 0, "empty"),
        (" \n ", 3, "empty"),
        ("nul", 0, "did you mean null"),
        ("nulL", 0, "did you mean null"),
        ("[tru]", 1, "did you mean true"),
        ("True", 0, "lower case"),
        ("NaN", 0, "write null"),
        ("-Infinity", 1, "a digit after the minus sign"),
        ("'a'", 0, "double quotation marks"),
        ("1 2", 2, "expected nothing after the value, but found '2'"),
        ("{}\u{0}", 2, "found byte 0x00"),
        ("[1,]", 3, "remove the comma"),
        (#"{"a":1,}"#, 7, "a key in quotation marks"),
        ("[,1]", 1, "expected a value, but found ','"),
        ("[1 2]", 3, "a comma or ]"),
        ("[1}", 2, "a comma or ]"),
        ("[1", 2, "input ends"),
        ("[", 1, "input ends"),
        ("{", 1, "a key in quotation marks, but the input ends"),
        ("{a:1}", 1, "a key in quotation marks, but found 'a'"),
        (#"{"a" 1}"#, 5, "a colon"),
        (#"{"a":}"#, 5, "expected a value"),
        (#"{"a":1 "b":2}"#, 7, "a comma or }"),
        ("]", 0, "expected a value"),
        ("/* */1", 0, "comment"),
        ("01", 0, "needless zero"),
        ("-012", 1, "needless zero"),
        ("1.", 2, "a digit after the decimal point"),
        (".5", 0, "begin a number with a digit"),
        ("+1", 0, "begin a number with a digit"),
        ("-", 1, "a digit after the minus sign"),
        ("1e", 2, "a digit in the exponent"),
        ("1e+", 3, "a digit in the exponent"),
        ("1.5.2", 3, "expected nothing after the value"),
        ("0x10", 1, "expected nothing after the value"),
        (#""abc"#, 4, "begins at byte 0 does not end"),
        (#"["abc\"]"#, 8, "begins at byte 1 does not end"),
        ("\"a\nb\"", 2, "control character byte 0x0a"),
        ("\"12345678\u{1f}\"", 9, "control character byte 0x1f"),
        (#""\x41""#, 1, "unknown escape"),
        (#""ab\"#, 4, "input ends"),
        (#""\u12G4""#, 5, "four hexadecimal digits"),
        (#""\u12"#, 5, "four hexadecimal digits"),
        (#""a\ud800""#, 2, "half a surrogate pair"),
        (#""\udc00""#, 1, "half a surrogate pair"),
        (#""\ud800x""#, 1, "half a surrogate pair"),
        (#""\ud800\n""#, 1, "half a surrogate pair"),
        (#""\ud800\ud800""#, 1, "half a surrogate pair"),
        (#""\ud800\u0041""#, 1, "half a surrogate pair"),
        (#"{"a":1,"b":2,"a":3}"#, 13, #"the key "a" appears twice"#),
        (#"{"a":1,"\u0061":2}"#, 7, #"the key "a" appears twice"#),
        (#"{"é":1,"\u00e9":2}"#, 8, #"the key "é" appears twice"#),
        (#"[{"\n":1, "\u000a":2}]"#, 10, #"the key "\n" appears twice"#),
        (#"{"":1,"":2}"#, 6, #"the key "" appears twice"#),
        ("\u{feff}{}", 0, "byte order mark"),
        ("[1]\u{a0}", 3, "byte 0xc2"),
    ]

    @Test(arguments: broken)
    func brokenInputIsRefusedWithItsPlace(input: String, offset: Int, message: String) {
        let error = refusal(Array(input.utf8))
        #expect(error?.offset == offset, "\(error?.description ?? "accepted")")
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "accepted")")
    }

    /// Bytes within a string that are no UTF-8, and where in them the fault begins.
    static let invalidUTF8: [([UInt8], Int)] = [
        ([0x80], 0),
        ([0xbf], 0),
        ([0xc0, 0x80], 0),  // U+0000, overlong
        ([0xc1, 0xbf], 0),  // U+007F, overlong
        ([0xe0, 0x9f, 0xbf], 0),  // U+07FF, overlong
        ([0xf0, 0x8f, 0xbf, 0xbf], 0),  // U+FFFF, overlong
        ([0xed, 0xa0, 0x80], 0),  // U+D800
        ([0xed, 0xbf, 0xbf], 0),  // U+DFFF
        ([0xf4, 0x90, 0x80, 0x80], 0),  // U+110000
        ([0xf5, 0x80, 0x80, 0x80], 0),
        ([0xff], 0),
        ([0xc3], 0),
        ([0xe2, 0x82], 0),
        ([0xe2, 0x28, 0xa1], 0),
        ([0xf0, 0x9f, 0x98], 0),
        ([0xf0, 0x9f, 0x98, 0x41], 0),
        ([0xc3, 0xa9, 0xc3], 2),
        ([0xc3, 0x5c, 0x6e], 0),  // cut by an escape
    ]

    @Test(arguments: invalidUTF8)
    func invalidUTF8IsRefused(bytes: [UInt8], fault: Int) {
        for padding in [0, 1, 7, 8, 9] {
            let prefix = Array("\"".utf8) + Array(repeating: UInt8(ascii: "x"), count: padding)
            let error = refusal(prefix + bytes + Array("\"".utf8))
            #expect(error?.offset == prefix.count + fault)
            #expect(error?.message.contains("invalid UTF-8") == true)
        }
        #expect(refusal(Array("\"".utf8) + bytes) != nil, "also at the very end of the input")
    }

    @Test func theEdgesOfUTF8AreAccepted() throws {
        for scalar: UInt32 in [0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff] {
            let bytes = Array(String(try #require(Unicode.Scalar(scalar))).utf8)
            let quoted = Array("\"".utf8) + bytes + Array("\"".utf8)
            #expect(try JSONValue.parse(quoted) == .string(bytes))
        }
    }

    @Test(arguments: [("[", "]"), (#"{"a":"#, "}")])
    func nestingHasALimit(opening: String, closing: String) throws {
        func nested(_ depth: Int) -> [UInt8] {
            let brackets = [opening, closing].map { String(repeating: $0, count: depth) }
            return Array((brackets[0] + "1" + brackets[1]).utf8)
        }
        let deepest = try JSONValue.parse(nested(256))
        #expect(deepest == (try JSONValue.parse(nested(256))))
        #expect(CanonicalJSON.isCanonical(nested(256)))
        let depth = CanonicalJSON.depth(of: nested(256).span.bytes)
        #expect(depth == 256)
        let error = refusal(nested(257))
        #expect(error?.offset == 256 * opening.utf8.count)
        #expect(error?.message.contains("deeper than 256 levels") == true)
        #expect(throws: Never.self) { try JSONValue.parse(nested(300), maximumDepth: 300) }
        // A stack is not used up by brackets that are refused.
        #expect(refusal(Array(repeating: UInt8(ascii: "["), count: 1_000_000))?.offset == 256)
        // Neighbours do not add up.
        let wide = "[" + Array(repeating: "[]", count: 1000).joined(separator: ",") + "]"
        #expect(CanonicalJSON.isCanonical(Array(wide.utf8)))
    }

    /// Objects beyond the number of keys that are compared one by one, in each order that is handled differently.
    @Test(arguments: [15, 16, 17, 18, 20_000])
    func duplicatesAreFoundAmongManyKeys(count: Int) throws {
        let ascending = (0..<count).map { String(100_000 + $0) }
        for keys in [ascending, ascending.reversed(), Array(ascending.dropFirst() + ascending.prefix(1))] {
            #expect(refusal(object(keys)) == nil)
            for duplicate in [keys[0], keys[count / 2], keys[count - 1]] {
                let error = refusal(object(keys + [duplicate]))
                #expect(error?.message.contains("\"\(duplicate)\" appears twice") == true)
                #expect(error?.offset == object(keys).count)
            }
        }
    }

    @Test func aLongKeyIsNamedInShort() {
        let key = String(repeating: "k", count: 100_000)
        let error = refusal(object([key, key]))
        #expect(error?.message.contains("kkk…\" appears twice") == true)
        #expect((error?.message.utf8.count ?? 0) < 200)
    }
}

private func refusal(_ bytes: [UInt8]) -> JSONError? {
    do throws(JSONError) {
        _ = try JSONValue.parse(bytes)
        return nil
    } catch {
        return error
    }
}

private func object(_ keys: [String]) -> [UInt8] {
    Array(("{" + keys.map { "\"\($0)\":1" }.joined(separator: ",") + "}").utf8)
}

private func member(_ key: String, _ value: JSONValue) -> JSONMember {
    JSONMember(key: Array(key.utf8), value: value)
}

private func number(_ token: String) -> JSONValue {
    .number(Array(token.utf8))
}
