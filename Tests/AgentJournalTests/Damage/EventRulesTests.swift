import Foundation
import SegmentLog
import Testing

@testable import AgentJournal

/// What docs/format.md and docs/journal.proto call damage is damage wherever an event is read, and the independent reader says
/// the same.
@Suite("The rules about events")
struct EventRulesTests {
    typealias Field = EventFields.Field

    /// A field of an event: a number, or bytes.
    enum Value {
        case number(UInt64)
        case bytes([UInt8])
        static func text(_ text: String) -> Value { .bytes(Array(text.utf8)) }
    }

    struct Case: CustomTestStringConvertible {
        var what: String
        var event: [UInt8]
        var sequence: UInt64 = 9
        var inErasedSegment = false
        var testDescription: String { what }

        init(_ what: String, sequence: UInt64 = 9, inErasedSegment: Bool = false, _ fields: (Int, Value)...) {
            self.what = what
            self.sequence = sequence
            self.inErasedSegment = inErasedSegment
            event = EventRulesTests.encoded(fields)
        }
    }

    static func encoded(_ fields: [(Int, Value)]) -> [UInt8] {
        var event: [UInt8] = []
        for (field, value) in fields {
            switch value {
            case .number(let number):
                event.appendVarint(UInt64(field) << 3)
                event.appendVarint(number)
            case .bytes(let bytes):
                event.appendVarint(UInt64(field) << 3 | 2)
                event.appendVarint(UInt64(bytes.count))
                event += bytes
            }
        }
        return event
    }

    /// What is judged: nil when it is taken.
    static func verdict(_ event: [UInt8], at sequence: UInt64, inErasedSegment: Bool) -> Character {
        event.withUnsafeBytes { bytes in
            do throws(EventProblem) {
                _ = try EventFields(bytes, at: sequence, inErasedSegment: inErasedSegment)
                return "a"
            } catch {
                return if case .malformed = error { "d" } else { "u" }
            }
        }
    }

    private static func kind(_ kind: UInt64) -> (Int, Value) { (Field.kind, .number(kind)) }
    private static let added = kind(1)
    private static let name = (Field.conversation, Value.text("c"))
    private static let text = (Field.text, Value.text("x"))
    private static let leaf = (Field.leaf, Value.bytes(Array(repeating: 1, count: 32)))
    /// So many of a letter.
    private static func letters(_ count: Int) -> Value { .bytes([UInt8](repeating: 0x61, count: count)) }
    /// Arrays within one another.
    private static let nested: Value = {
        let (opening, closing) = (
            [UInt8](repeating: 0x5B, count: 100_000), [UInt8](repeating: 0x5D, count: 100_000)
        )
        return .bytes(opening + closing)
    }()
    private static let longText = Value.text(String(repeating: "x", count: 513))

    private static func json(_ what: String, _ text: String) -> Case {
        Case("JSON: \(what)", added, name, (Field.json, .text(text)))
    }

    private static func metadata(_ what: String, _ text: String) -> Case {
        Case("metadata: \(what)", added, name, Self.text, (Field.metadata, .text(text)))
    }

    private static func time(_ microseconds: Int64) -> (Int, Value) {
        (Field.timestamp, .number(zigzag(microseconds)))
    }

    private static let ofAnyKind: [Case] = [
        Case("nothing"), Case("no kind", name, text), Case("kind 0", kind(0)),
        Case("a kind beyond 31 bits", kind(1 << 31)), Case("the kind twice", added, added, name, text),
        Case("the kind behind another field", name, added, text),
        Case("a field twice", added, name, name, text), Case("fields out of order", added, text, name),
        Case("field 0", added, name, text, (0, .number(1))),
        Case("a field number beyond 29 bits", added, name, text, (1 << 29, .number(1))),
        Case("a number for bytes", added, (Field.conversation, .number(1)), text),
        Case("bytes for a number", added, name, text, (Field.replaces, .text("1"))),
        Case("a field of another kind", kind(3), name, (Field.target, .number(1))),
        Case("a label of a memory", added, name, text, (Field.label, .text("l"))),
        Case("a text of a flush", kind(4), text),
    ]

    private static let ofTexts: [Case] = [
        Case("an empty name", added, (Field.conversation, .text("")), text),
        Case("a name of 513 bytes", added, (Field.conversation, longText), text),
        Case("a name with a newline", added, (Field.conversation, .text("a\nb")), text),
        Case("a name with U+0000", added, (Field.conversation, .text("a\0b")), text),
        Case("a name with U+007F", added, (Field.conversation, .text("a\u{7F}b")), text),
        Case("a name with U+0085", added, (Field.conversation, .text("a\u{85}b")), text),
        Case("a name that is not UTF-8", added, (Field.conversation, .bytes([0x61, 0xFF])), text),
        Case("a text that is not UTF-8", added, name, (Field.text, .bytes([0x61, 0x80]))),
        Case("a text with half a surrogate pair", added, name, (Field.text, .bytes([0xED, 0xA0, 0x80]))),
        Case("a text with an overlong slash", added, name, (Field.text, .bytes([0xC0, 0xAF]))),
        Case("a text that is cut short", added, name, (Field.text, .bytes([0xE4, 0xBD]))),
        Case("an empty mime type", added, name, text, (Field.mimeType, .text(""))),
        Case(
            "a mime type of 256 bytes", added, name, text,
            (Field.mimeType, letters(256))),
        Case("a role of 65 bytes", added, name, text, (Field.role, letters(65))),
        Case("a role that is not UTF-8", added, name, text, (Field.role, .bytes([0xFE]))),
        Case("an empty key", added, name, text, (Field.key, .text(""))),
        Case("a key of 513 bytes", added, name, text, (Field.key, longText)),
        Case("a key that is not UTF-8", added, name, text, (Field.key, .bytes([0x80]))),
        Case("an empty label", kind(4), (Field.label, .text(""))),
        Case("a label of 513 bytes", kind(4), (Field.label, longText)),
        Case("a label that is not UTF-8", kind(4), (Field.label, .bytes([0xC3]))),
    ]

    private static let ofMemories: [Case] = [
        Case("no conversation", added, text), Case("no content", added, name),
        Case("two contents", added, name, text, (Field.json, .text("{}"))),
        Case("a time in the year 0", added, name, text, time(-62_135_596_800_000_001)),
        Case("a time in the year 10000", added, name, text, time(253_402_300_800_000_000)),
        Case("it replaces 0", added, name, text, (Field.replaces, .number(0))),
        json("nothing", ""), json("a string", #""a""#), json("null", "null"), json("a space", "[1, 2]"),
        json("a needless zero", "[01]"), json("no fraction", "[1.]"), json("a needless escape", #"["\/"]"#),
        json("an escaped letter", #"["\u0041"]"#), json("upper case", #"["\u001F"]"#),
        json("a long escape", #"["\u000a"]"#), json("half a pair", #"["\ud800"]"#),
        json("a raw newline", "[\"\n\"]"), json("keys out of order", #"{"b":1,"a":2}"#),
        json("a key twice", #"{"a":1,"a":2}"#), json("two values", "{}{}"), json("open", "[[1]"),
        json("keys ordered as their escapes", #"{"\\":1,"a":2,"\n":3}"#),
        json("a line behind it", "1}\n{\"content\":\"forged\""),
        Case(
            "JSON: not UTF-8", added, name,
            (Field.json, .bytes([0x5B, 0x22, 0xFF, 0x22, 0x5D]))),
        metadata("empty", "{}"), metadata("an array", "[1]"), metadata("a number", "1"),
        metadata("keys out of order", #"{"b":1,"a":2}"#), metadata("cut off", #"{"a":"#),
    ]

    private static let ofOthers: [Case] = [
        Case("forgotten: no name", kind(2), (Field.target, .number(1))),
        Case("forgotten: no target", kind(2), name),
        Case("forgotten: 0", kind(2), name, (Field.target, .number(0))),
        Case("cleared: no name", kind(3)), Case("floor: no target", kind(5)),
        Case("floor: above its own sequence", sequence: 9, kind(5), (Field.target, .number(10))),
        Case("begun: no key", kind(7), (Field.target, .number(1))),
        Case("begun: a short key", kind(7), (Field.target, .number(1)), (Field.erasureKey, .text("k"))),
        Case(
            "begun: of itself", sequence: 9, kind(7), (Field.target, .number(9)), (Field.erasureKey, leaf.1)),
        Case("done: of itself", sequence: 9, kind(8), (Field.target, .number(9))),
        Case("lost: no first", kind(9), (Field.target, .number(1))),
        Case("lost: backwards", kind(9), (Field.target, .number(1)), (Field.first, .number(2))),
        Case("lost: beyond all", kind(9), (Field.target, .number(1 << 62)), (Field.first, .number(2))),
        Case(
            "erased: elsewhere", inErasedSegment: false, kind(6), (Field.was, .number(1)), leaf,
            (Field.erasure, .number(10))),
        Case(
            "erased: no leaf", inErasedSegment: true, kind(6), (Field.was, .number(1)),
            (Field.erasure, .number(10))),
        Case(
            "erased: by an earlier event", inErasedSegment: true, kind(6), (Field.was, .number(1)), leaf,
            (Field.erasure, .number(9))),
        Case(
            "erased: a clear's conversation", inErasedSegment: true, kind(6), name, (Field.was, .number(3)),
            leaf,
            (Field.erasure, .number(10))),
        Case(
            "erased: what was forgotten, without a target", inErasedSegment: true, kind(6),
            (Field.was, .number(2)),
            leaf, (Field.erasure, .number(10))),
        Case(
            "erased: a short hash", inErasedSegment: true, kind(6), (Field.was, .number(1)), leaf,
            (Field.keyHash, .text("h")), (Field.erasure, .number(10))),
    ]

    @Test("what breaks one is damage", arguments: ofAnyKind + ofTexts + ofMemories + ofOthers)
    func damage(_ one: Case) {
        #expect(Self.verdict(one.event, at: one.sequence, inErasedSegment: one.inErasedSegment) == "d")
    }

    @Test(
        "what must be understood and is not, is unsupported",
        arguments: [
            Case("kind 10", kind(10)), Case("kind 63", kind(63)),
            Case("field 19", added, name, text, (19, .number(1))),
            Case("field 31", added, name, text, (31, .text(""))),
        ] as [Case])
    func unsupported(_ one: Case) {
        #expect(Self.verdict(one.event, at: one.sequence, inErasedSegment: one.inErasedSegment) == "u")
    }

    @Test(
        "what keeps them is taken",
        arguments: [
            Case("an empty text", added, name, (Field.text, .text(""))),
            Case("a text of any characters", added, name, (Field.text, .text("a\n\0\u{1B}你好😀"))),
            Case("a role with a control character", added, name, text, (Field.role, .text("a\nb"))),
            Case(
                "names as long as may be", added,
                (Field.conversation, letters(512)), text),
            Case("the earliest time", added, name, text, time(-62_135_596_800_000_000)),
            Case("the latest time", added, name, text, time(253_402_300_799_999_999)),
            Case("a later field", added, (33, .text("later")), name, (40, .number(1)), text),
            Case("a later kind", kind(64), (2, .number(1)), (19, .text("x")), (1, .number(0))),
            Case("keys ordered by themselves", added, name, (Field.json, .text(#"{"\n":1,"\\":2,"a":3}"#))),
            Case(
                "nested deep", added, name,
                (
                    Field.json,
                    nested
                )),
            Case("a flush", kind(4)),
            Case("a floor at itself", sequence: 9, kind(5), (Field.target, .number(9))),
            Case(
                "erased", inErasedSegment: true, kind(6), name, (Field.was, .number(1)), leaf,
                (Field.keyHash, .bytes(Array(repeating: 2, count: 16))), (Field.erasure, .number(10))),
        ] as [Case])
    func sound(_ one: Case) {
        #expect(Self.verdict(one.event, at: one.sequence, inErasedSegment: one.inErasedSegment) == "a")
    }

    /// AGENT_JOURNAL_PAYLOADS says how many; AGENT_JOURNAL_SEED which.
    @Test(
        "the independent reader says the same of random payloads",
        .enabled(if: FormatReader.isThere, "python3 is not there"))
    func sameVerdicts() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["AGENT_JOURNAL_PAYLOADS"].flatMap { Int($0) } ?? 4000
        let seed = environment["AGENT_JOURNAL_SEED"].flatMap { Int($0) } ?? 1
        let answer = try FormatReader.randomPayloads(count, seed: seed)
        try #require(answer.status == 0, "\(answer.message)")
        var verdicts: [Character: Int] = [:]
        var differences = 0
        answer.output.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                func number<N: FixedWidthInteger>(_ at: Int) -> N {
                    N(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + at, as: N.self))
                }
                let start = offset + 18
                let payload = UnsafeRawBufferPointer(
                    rebasing: bytes[start..<(start + Int(number(0) as UInt32))])
                let other = Character(Unicode.Scalar(bytes[offset + 17]))
                let own = Self.verdict(
                    payload, first: number(4), count: number(12), inErasedSegment: bytes[offset + 16] == 1)
                verdicts[own, default: 0] += 1
                if own != other, differences < 10 {
                    let hex = payload.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined()
                    Issue.record(
                        "here \(own), there \(other): sequence \(number(4) as UInt64), \(number(12) as UInt32) events: \(hex)"
                    )
                    differences += 1
                }
                offset = start + payload.count
            }
        }
        #expect(verdicts.values.reduce(0, +) == count)
        #expect(verdicts.values.allSatisfy { $0 > count / 100 } && verdicts.count == 3, "\(verdicts)")
    }

    /// What is said of a whole payload, as wherever one is read.
    private static func verdict(
        _ payload: UnsafeRawBufferPointer, first: UInt64, count: UInt32, inErasedSegment: Bool
    ) -> Character {
        var events = EventIterator(payload)
        var sequence = first
        do throws(EventProblem) {
            while let event = try events.next() {
                _ = try EventFields(event, at: sequence, inErasedSegment: inErasedSegment)
                sequence += 1
            }
        } catch {
            return if case .malformed = error { "d" } else { "u" }
        }
        return sequence - first == UInt64(count) ? "a" : "d"
    }
}
