import Testing

@testable import SegmentLog

@Suite("journal.json")
struct JournalIdentityTests {
    private var identity: JournalIdentity {
        JournalIdentity(
            journal: JournalUUID("00112233-4455-6677-8899-aabbccddeeff")!,
            created: "2026-01-02T03:04:05.000006Z",
            maximumContentBytes: 16 << 20, maximumFrameBytes: 64 << 20)
    }

    @Test("journal.json is the line that docs/format.md shows, and comes back")
    func identityLine() throws {
        let line =
            #"{"checksum":"a8ba815d","created":"2026-01-02T03:04:05.000006Z","format":1,"#
            + #""journal":"00112233-4455-6677-8899-aabbccddeeff","maximum_content_bytes":16777216,"#
            + #""maximum_frame_bytes":67108864,"minimum_reader":1}"# + "\n"
        #expect(String(decoding: identity.encoded(), as: UTF8.self) == line)
        #expect(try JournalIdentity(decoding: identity.encoded()) == identity)
    }

    @Test("every flipped bit, truncation and addition of journal.json is noticed")
    func identityDamage() {
        let bytes = identity.encoded()
        func failure(_ bytes: [UInt8]) -> JournalIdentity.DecodingFailure? {
            do throws(JournalIdentity.DecodingFailure) {
                _ = try JournalIdentity(decoding: bytes)
                return nil
            } catch {
                return error
            }
        }
        for bit in 0..<8 * bytes.count {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(failure(damaged) == .damaged, "bit \(bit)")
        }
        for length in bytes.indices { #expect(failure(Array(bytes[..<length])) == .damaged) }
        for more in [" ", "\n", "{}", "\u{0}"] { #expect(failure(bytes + Array(more.utf8)) == .damaged) }
        #expect(failure([UInt8](repeating: 0, count: bytes.count)) == .damaged)
        for text in ["null", "[]", "{}", #"{"checksum":"00000000"}"# + "\n", #"{"checksum":1}"# + "\n"] {
            #expect(failure(Array(text.utf8)) == .damaged)
        }
    }

    @Test("a newer journal.json says which reader it needs; members that are not known are allowed")
    func identityOfLater() throws {
        var newer = identity
        newer.minimumReader = 7
        #expect(throws: JournalIdentity.DecodingFailure.newer(7)) {
            try JournalIdentity(decoding: newer.encoded())
        }
        // A member more, its checksum made as the document says.
        let old = String(decoding: identity.encoded(), as: UTF8.self)
        let unsigned = old.replacing(#""checksum":"a8ba815d","#, with: "").replacing(
            #""minimum_reader":1}"# + "\n", with: #""minimum_reader":1,"zone":"x"}"#)
        let digits = hexadecimal(Checksum.crc32(0, Array(unsigned.utf8)), digits: 8)
        let signed = unsigned.replacing(#"{"created""#, with: #"{"checksum":"\#(digits)","created""#) + "\n"
        #expect(try JournalIdentity(decoding: Array(signed.utf8)) == identity)
    }
}
