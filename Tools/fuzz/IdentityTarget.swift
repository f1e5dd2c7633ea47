import CanonicalJSON

@testable import SegmentLog

/// `journal.json`.
struct IdentityTarget: Target {
    static let name = "identity"

    /// The first byte says whether the checksum is made right.
    func run(_ input: [UInt8]) throws {
        let (repair, rest) = Repair.split(input)
        let bytes = repair.contains(.headers) ? IdentityTarget.repaired(rest) : rest
        let identity: JournalIdentity
        do throws(JournalIdentity.DecodingFailure) {
            identity = try JournalIdentity(decoding: bytes)
        } catch {
            if case .newer(let version) = error { expect(version > JournalIdentity.format, "it is newer") }
            return
        }
        expect(CanonicalJSON.isCanonical(Array(bytes.dropLast())), "an identity is canonical")
        expect(
            identity.maximumFrameBytes > 0 && identity.maximumFrameBytes <= Int(Int32.max)
                && identity.maximumContentBytes > 0, "limits are limits")
        let encoded = identity.encoded()
        guard let again = try? JournalIdentity(decoding: encoded) else { stop("an identity can be decoded") }
        expectSame(again, identity, "encode and decode")
        // Members that are not known are allowed, and `format` is for people.
        let isAllKnown = bytes.count { $0 == UInt8(ascii: ":") } == encoded.count { $0 == UInt8(ascii: ":") }
        if isAllKnown, bytes.count == encoded.count, format(bytes) == format(encoded) {
            expectSame(encoded, bytes, "decode and encode")
        }
    }

    private func format(_ bytes: [UInt8]) -> JSONValue? {
        guard case .object(let members)? = try? JSONValue.parse(bytes) else { return nil }
        return members.first { $0.key == Array("format".utf8) }?.value
    }

    /// The canonical form with a checksum that is right.
    static func repaired(_ bytes: [UInt8]) -> [UInt8] {
        guard case .object(var members)? = try? JSONValue.parse(bytes) else { return bytes }
        members.removeAll { $0.key == Array("checksum".utf8) }
        let crc = hexadecimal(Checksum.crc32(0, JSONValue.object(members).canonical), digits: 8)
        members.append(JSONMember(key: Array("checksum".utf8), value: .string(Array(crc.utf8))))
        return JSONValue.object(members).canonical + [UInt8(ascii: "\n")]
    }

    func seeds() throws -> [String: [UInt8]] {
        let golden = try Golden.files("one-memory")[0].bytes
        let text = String(decoding: golden.dropLast(2), as: UTF8.self)
        return [
            "golden": [0] + golden, "golden-repaired": [Repair.all.rawValue] + golden,
            "with-more": [Repair.all.rawValue] + Array((text + #","zzz":[1,{"a":null}]}"#).utf8),
            "newer": [Repair.all.rawValue]
                + Array(text.replacing(#""minimum_reader":1"#, with: #""minimum_reader":2"#).utf8)
                + Array("}".utf8),
        ]
    }
}
