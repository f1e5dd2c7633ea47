import CanonicalJSON

/// The JSON parser and the canonical form.
struct JSONTarget: Target {
    static let name = "json"

    func run(_ input: [UInt8]) throws {
        checkParts(of: input)
        let value: JSONValue
        do {
            value = try JSONValue.parse(input)
        } catch {
            expect((0...input.count).contains(error.offset), "the error lies within the input")
            expect(!CanonicalJSON.isCanonical(input), "what cannot be parsed is not canonical")
            return
        }
        let canonical = value.canonical
        expectSame(CanonicalJSON.isCanonical(input), canonical == input, "canonical is what equals its form")
        guard let again = try? JSONValue.parse(canonical) else { stop("the canonical form can be parsed") }
        expectSame(again.canonical, canonical, "the canonical form is a fixed point")
        expectSame(again, value.sorted, "the canonical form is the same value")
        expectSame(CanonicalJSON.depth(of: canonical.span.bytes), value.depth, "depth")
        checkParts(again, canonical)
    }

    /// The parts that are found without parsing are those that parsing finds.
    private func checkParts(_ value: JSONValue, _ canonical: [UInt8]) {
        switch value {
        case .array(let elements):
            let ranges = CanonicalJSON.elements(ofArray: canonical.span.bytes) ?? []
            expectSame(ranges.map { Array(canonical[$0]) }, elements.map(\.canonical), "elements")
        case .object(let members):
            let ranges = CanonicalJSON.members(ofObject: canonical.span.bytes) ?? []
            expectSame(ranges.map { Array(canonical[$0.value]) }, members.map(\.value.canonical), "values")
            let keys = ranges.map { CanonicalJSON.decodeString(Array(canonical[$0.key]).span.bytes) }
            expectSame(keys, members.map(\.key), "keys")
        case .string(let text):
            expectSame(CanonicalJSON.decodeString(canonical.span.bytes), text, "string")
        default: break
        }
    }

    /// Of bytes that are not canonical they mean nothing, and lie within them all the same.
    private func checkParts(of input: [UInt8]) {
        let bounds = 0..<(input.count + 1)
        for range in CanonicalJSON.elements(ofArray: input.span.bytes) ?? [] {
            expect(bounds.contains(range.upperBound), "an element lies within the input")
        }
        for (key, value) in CanonicalJSON.members(ofObject: input.span.bytes) ?? [] {
            expect(bounds.contains(key.upperBound), "a key lies within the input")
            expect(bounds.contains(value.upperBound), "a value lies within the input")
        }
        _ = CanonicalJSON.decodeString(input.span.bytes)
        _ = CanonicalJSON.depth(of: input.span.bytes)
    }

    func seeds() throws -> [String: [UInt8]] {
        let texts = [
            "null", " [1, 2.50, -0, 1E400, 12345678901234567890123] ",
            #"{"b":1,"a":[null,{"é":"\ud83d\ude00"}]}"#,
            #"[" ","\\",{"z":{"y":{"x":[[[[]]]]}}}]"#,
            #"{"":true,"\u0000":false,"\n\r\t\b\f\/\"":"e\u0301"}"#,
            #"{"a":1,"a":2}"#, #""\ud800""#, String(repeating: "[", count: 300), "{\"a\":}", "tru",
        ]
        return Dictionary(uniqueKeysWithValues: texts.enumerated().map { ("text-\($0)", Array($1.utf8)) })
    }
}

extension JSONValue {
    var canonical: [UInt8] {
        var output: [UInt8] = []
        appendCanonical(to: &output)
        return output
    }

    /// The members of all objects in order of their keys.
    var sorted: JSONValue {
        switch self {
        case .array(let elements): .array(elements.map(\.sorted))
        case .object(let members):
            .object(
                members.map { JSONMember(key: $0.key, value: $0.value.sorted) }
                    .sorted { $0.key.lexicographicallyPrecedes($1.key) })
        default: self
        }
    }

    var depth: Int {
        switch self {
        case .array(let elements): 1 + (elements.map(\.depth).max() ?? 0)
        case .object(let members): 1 + (members.map(\.value.depth).max() ?? 0)
        default: 0
        }
    }
}
