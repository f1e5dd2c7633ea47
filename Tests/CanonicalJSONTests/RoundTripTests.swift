import CanonicalJSON
import Testing

/// Properties over damaged and random input.
@Suite struct RoundTripTests {
    /// An object that has something of everything, so that each of its bytes matters.
    static let sample = Array(
        #"{"content":"naïve \u00e9 \ud83d\ude00 \"q\" 😀","n":[-0,1.50e+10,true,false,null],"o":{"a":{},"b":[]}}"#
            .utf8)

    @Test func everyTruncationIsRefused() {
        for length in 0..<Self.sample.count {
            let cut = Array(Self.sample[..<length])
            do throws(JSONError) {
                _ = try JSONValue.parse(cut)
                Issue.record("the first \(length) bytes were accepted")
            } catch {
                #expect((0...length).contains(error.offset))
            }
            exerciseParts(of: cut)
        }
    }

    /// What is still JSON after the change has a canonical form that stays as it is.
    @Test func everyChangeOfAByteIsRefusedOrCanonicalizes() throws {
        for place in Self.sample.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = Self.sample
                changed[place] = byte
                if let canonical = try? CanonicalJSON.canonicalize(changed), changed != Self.sample {
                    #expect(try CanonicalJSON.canonicalize(canonical) == canonical)
                }
            }
            var changed = Self.sample
            for byte in Array("\"\\[]{},:".utf8) {
                changed[place] = byte
                exerciseParts(of: changed)
            }
        }
    }

    @Test(arguments: 1...40)
    func randomValuesComeBack(seed: Int) throws {
        var random = SplitMix64(state: UInt64(seed))
        for _ in 0..<25 {
            let value = random.value(depth: 0)
            var canonical: [UInt8] = []
            value.appendCanonical(to: &canonical)
            let parsed = try JSONValue.parse(canonical)
            #expect(canonicalBytes(parsed) == canonical)
            #expect(CanonicalJSON.isCanonical(canonical))
            // However it is spelled, it comes to the same bytes.
            let spelled = random.spelling(of: value)
            #expect(try CanonicalJSON.canonicalize(spelled) == canonical)
            #expect(try JSONValue.parse(spelled) == value, "in source order, the value itself")
            checkParts(of: parsed, canonical)
        }
    }

    /// The parts that are found without parsing are those that the parser finds.
    private func checkParts(of value: JSONValue, _ bytes: [UInt8]) {
        switch value {
        case .array(let elements):
            let ranges = CanonicalJSON.elements(ofArray: bytes.span.bytes) ?? []
            #expect(ranges.map { Array(bytes[$0]) } == elements.map(canonicalBytes))
            for (range, element) in zip(ranges, elements) { checkParts(of: element, Array(bytes[range])) }
        case .object(let members):
            let ranges = CanonicalJSON.members(ofObject: bytes.span.bytes) ?? []
            #expect(ranges.map { Array(bytes[$0.value]) } == members.map { canonicalBytes($0.value) })
            #expect(ranges.map { decodedString(Array(bytes[$0.key])) } == members.map(\.key))
            for (range, member) in zip(ranges, members) {
                checkParts(of: member.value, Array(bytes[range.value]))
            }
        case .string(let text): #expect(decodedString(bytes) == text)
        default:
            let elements = CanonicalJSON.elements(ofArray: bytes.span.bytes)
            let members = CanonicalJSON.members(ofObject: bytes.span.bytes)
            #expect(elements == nil && members == nil)
            #expect(decodedString(bytes) == nil)
        }
    }

    /// Parts of bytes that are not canonical mean nothing; only that they are found without a crash is promised.
    private func exerciseParts(of bytes: [UInt8]) {
        let span = bytes.span.bytes
        for range in CanonicalJSON.elements(ofArray: span) ?? [] { _ = span.extracting(range) }
        for member in CanonicalJSON.members(ofObject: span) ?? [] {
            _ = CanonicalJSON.decodeString(span.extracting(member.key))
            _ = CanonicalJSON.elements(ofArray: span.extracting(member.value))
        }
        _ = CanonicalJSON.decodeString(span)
        _ = CanonicalJSON.depth(of: span)
    }
}

private func decodedString(_ bytes: [UInt8]) -> [UInt8]? {
    CanonicalJSON.decodeString(bytes.span.bytes)
}

private func canonicalBytes(_ value: JSONValue) -> [UInt8] {
    var bytes: [UInt8] = []
    value.appendCanonical(to: &bytes)
    return bytes
}

/// A generator that gives the same values for the same seed everywhere (Steele, Lea, Flood: "Fast Splittable
/// Pseudorandom Number Generators", 2014).
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    mutating func value(depth: Int) -> JSONValue {
        switch below(depth < 5 ? 8 : 5) {
        case 0: return .null
        case 1: return .bool(below(2) == 0)
        case 2:
            let tokens = ["0", "-0", "1.0", "1E400", "-17e-3", "98765432109876543210"]
            return .number(Array(tokens[below(tokens.count)].utf8))
        case 3, 4: return .string(text())
        case 5: return .array((0..<below(6)).map { _ in value(depth: depth + 1) })
        default:
            var keys: Set<[UInt8]> = []
            for _ in 0..<below(depth == 0 ? 40 : 6) { keys.insert(text()) }
            let order = keys.sorted { $0.lexicographicallyPrecedes($1) }.shuffled(using: &self)
            return .object(order.map { JSONMember(key: $0, value: value(depth: depth + 1)) })
        }
    }

    /// Valid UTF-8 with a good share of what must be escaped and of each length of sequence.
    mutating func text() -> [UInt8] {
        var text = ""
        for _ in 0..<below(20) {
            let limit: UInt32 = [0x20, 0x80, 0x80, 0x80, 0x800, 0x11_0000][below(6)]
            text.unicodeScalars.append(Unicode.Scalar(UInt32(below(Int(limit)))) ?? "\"")
        }
        return Array(text.utf8)
    }

    /// One of the many ways to write `value`, with white space and needless escapes.
    mutating func spelling(of value: JSONValue) -> [UInt8] {
        var output = space()
        switch value {
        case .string(let text): output += spelling(ofText: text)
        case .array(let elements):
            output += Array("[".utf8)
            for (index, element) in elements.enumerated() {
                if index > 0 { output += Array(",".utf8) }
                output += spelling(of: element)
            }
            output += space() + Array("]".utf8)
        case .object(let members):
            output += Array("{".utf8)
            for (index, member) in members.enumerated() {
                if index > 0 { output += Array(",".utf8) }
                output += space() + spelling(ofText: member.key) + space() + Array(":".utf8)
                output += spelling(of: member.value)
            }
            output += space() + Array("}".utf8)
        default: output += canonicalBytes(value)
        }
        return output + space()
    }

    private mutating func space() -> [UInt8] {
        Array([" ", "\n", "\t\r", "", "", ""][below(6)].utf8)
    }

    private mutating func spelling(ofText text: [UInt8]) -> [UInt8] {
        var output = Array("\"".utf8)
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            if mustEscape || below(3) == 0 {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16, uppercase: below(2) == 0)
                    output += Array("\\u".utf8) + Array(String(repeating: "0", count: 4 - digits.count).utf8)
                    output += Array(digits.utf8)
                }
            } else {
                output += Array(String(scalar).utf8)
            }
        }
        return output + Array("\"".utf8)
    }
}
