import CanonicalJSON
package import JournalFileSystem

/// What `journal.json` holds: which journal this is, and the options fixed when it was made.
///
/// One line, canonical JSON; `checksum` is the CRC of that line without the member itself. A file that is not
/// byte for byte its own canonical form is damaged, so every flipped bit is noticed.
package struct JournalIdentity: Hashable, Sendable {
    package static let format = 1
    package static let fileName = "journal.json"
    /// In a copy that a backup has not finished, in place of that.
    static let incompleteName = "journal.json.incomplete"

    package var minimumReader = JournalIdentity.format
    package var journal: JournalUUID
    /// RFC 3339, as written.
    package var created: String
    package var maximumContentBytes: Int
    package var maximumFrameBytes: Int

    package init(journal: JournalUUID, created: String, maximumContentBytes: Int, maximumFrameBytes: Int) {
        self.journal = journal
        self.created = created
        self.maximumContentBytes = maximumContentBytes
        self.maximumFrameBytes = maximumFrameBytes
    }

    /// No journal is made with larger frames: four of the largest contents, of 256 MiB each.
    package static let largestFrameBytes = 1 << 30

    /// So long a snapshot's block can be, raw: one entry, which is an event of one frame at most, behind as many bytes as end a block.
    package var maximumBlockBytes: Int { maximumFrameBytes + (1 << 20) }

    /// Why a file is not an identity.
    package enum DecodingFailure: Error, Hashable {
        case damaged
        /// It needs a reader of this version.
        case newer(Int)
    }

    /// Whose the files in a directory are; nil when that cannot be read, which whoever opens the log says.
    package static func journal(in paths: JournalPaths, _ fileSystem: any FileSystem) -> JournalUUID? {
        read(in: paths, fileSystem)?.journal
    }

    /// The identity in a directory; nil when it cannot be read, which whoever opens the log says.
    package static func read(in paths: JournalPaths, _ fileSystem: any FileSystem) -> JournalIdentity? {
        let fileSystem = fileSystem.confined(to: paths.directory)
        guard let bytes = try? fileSystem.contents(of: paths.identity, atMost: 64 << 10) else { return nil }
        return try? JournalIdentity(decoding: bytes)
    }

    package func encoded() -> [UInt8] {
        let members: [(String, JSONValue)] = [
            ("created", .string(Array(created.utf8))),
            ("format", number(JournalIdentity.format)),
            ("journal", .string(Array(journal.description.utf8))),
            ("maximum_content_bytes", number(maximumContentBytes)),
            ("maximum_frame_bytes", number(maximumFrameBytes)),
            ("minimum_reader", number(minimumReader)),
        ]
        let unsigned = members.map { JSONMember(key: Array($0.0.utf8), value: $0.1) }
        return JournalIdentity.line(unsigned)
    }

    private static func line(_ members: [JSONMember]) -> [UInt8] {
        var body: [UInt8] = []
        JSONValue.object(members).appendCanonical(to: &body)
        let checksum = hexadecimal(Checksum.crc32(0, body), digits: 8)
        var line: [UInt8] = []
        let signed = members + [JSONMember(key: Array("checksum".utf8), value: .string(Array(checksum.utf8)))]
        JSONValue.object(signed).appendCanonical(to: &line)
        line.append(UInt8(ascii: "\n"))
        return line
    }

    package init(decoding bytes: [UInt8]) throws(DecodingFailure) {
        let value: JSONValue
        do { value = try JSONValue.parse(bytes) } catch {
            throw .damaged
        }
        guard case .object(let members) = value else { throw .damaged }
        let unsigned = members.filter { $0.key != Array("checksum".utf8) }
        guard unsigned.count + 1 == members.count, JournalIdentity.line(unsigned) == bytes else {
            throw .damaged
        }
        func member(_ name: String) -> JSONValue? { members.first { $0.key == Array(name.utf8) }?.value }
        func integer(_ name: String) -> Int? {
            guard case .number(let digits)? = member(name) else { return nil }
            return Int(String(decoding: digits, as: UTF8.self))
        }
        func string(_ name: String) -> String? {
            guard case .string(let text)? = member(name) else { return nil }
            return String(decoding: text, as: UTF8.self)
        }
        guard let minimum = integer("minimum_reader") else { throw .damaged }
        guard minimum <= JournalIdentity.format else { throw .newer(minimum) }
        guard let journal = string("journal").flatMap({ JournalUUID($0) }), let created = string("created"),
            let content = integer("maximum_content_bytes"), let frame = integer("maximum_frame_bytes"),
            content > 0, frame > 0, frame <= JournalIdentity.largestFrameBytes
        else { throw .damaged }
        minimumReader = minimum
        self.journal = journal
        self.created = created
        maximumContentBytes = content
        maximumFrameBytes = frame
    }
}

private func number(_ value: Int) -> JSONValue { .number(Array(String(value).utf8)) }
