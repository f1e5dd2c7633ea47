import JournalFileSystem
import JournalTesting
import SegmentLog
import SystemPackage
import Testing

@testable import AgentJournal

@Suite("Damaged snapshots") struct DamagedSnapshotTests: OnSnapshots {
    @Test("one that cannot be read, of a journal whose history was let go: the error gives the reason")
    func unreadable() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("c").add("one")
        try await journal.compact(keepingHistory: .none)
        try await journal.close()
        let again = try await open(disk)
        let snapshot = try #require(snapshots(disk).last)
        disk.fail(.read, at: snapshot, afterCalls: 0, times: .max, with: .inputOutputError)
        do {
            _ = try await again.conversation("c").memories()
            Issue.record("it was read")
        } catch {
            #expect(error.code == .damaged && error.errno == .ioError, "\(error)")
        }
        disk.cancelFaults()
        try await again.close()
    }

    @Test("damaged, cut or removed it costs nothing but time while the log reaches back")
    func damage() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<300 { try await journal.conversation("c\(number % 7)").add("text \(number)") }
        try await journal.snapshot()
        try await journal.conversation("a").add("later")
        let digest = try journal.view().digest()
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let bytes = try disk.contents(of: path)
        for offset in [0, 12, 30, 70, bytes.count / 2, bytes.count - 70, bytes.count - 30, bytes.count - 1] {
            var flipped = bytes
            flipped[offset] ^= 4
            try disk.replaceContents(of: path, with: flipped)
            let report = try Journal.verify(at: directory, fileSystem: disk)
            #expect(report.problems.map(\.kind) == ["snapshot"], "offset \(offset)")
            let again = try await open(disk)
            #expect(try again.view().digest() == digest, "offset \(offset)")
            #expect(try await again.texts("c3").count == 43)
            try await again.close()
        }
        for length in [0, 63, 100, bytes.count - 1] {
            try disk.replaceContents(of: path, with: Array(bytes[..<length]))
            let again = try await open(disk)
            #expect(try again.view().digest() == digest)
            try await again.close()
        }
        for path in snapshots(disk) { try disk.remove(path) }
        // Nor does something else of that name, or a disk that cannot read it.
        let copy = disk.crash(keeping: .everything)
        try copy.createDirectory("/srv/memory/snapshots/00000000000000000009.snapshot")
        let beside = try await open(copy)
        #expect(try beside.view().digest() == digest)
        try await beside.close()
        #expect(try Journal.verify(at: directory, fileSystem: copy).problems.map(\.kind) == ["snapshot"])
        try disk.replaceContents(of: path, with: bytes)
        disk.failNext(.read, at: path, with: .inputOutputError)
        let unread = try await open(disk)
        #expect(try unread.view().digest() == digest)
        try await unread.close()
        for path in snapshots(disk) { try disk.remove(path) }
        let again = try await open(disk)
        #expect(try !again.view().liesUponSnapshot)
        #expect(try again.view().digest() == digest)
        // The next one is whole again.
        try await again.snapshot()
        try await again.close()
        #expect(try Journal.verify(at: directory, fileSystem: disk).isHealthy)
    }

    @Test("whatever part of it is damaged, each way of looking gives what it gave")
    func damagedParts() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<30 {
            try await journal.conversation("c\(number % 3)").add(
                "text \(number)", idempotencyKey: "\(number)")
        }
        try await journal.flush(label: "here")
        try await journal.snapshot()
        try await journal.conversation("c1").clear()
        try await journal.flush(label: "there")
        let digest = try journal.view().digest()
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let bytes = try disk.contents(of: path)
        for offset in stride(from: 1, to: bytes.count, by: Thoroughness.isExhaustive ? 1 : 23) {
            let disk = disk.crash(keeping: .everything)
            var flipped = bytes
            flipped[offset] ^= 1
            try disk.replaceContents(of: path, with: flipped)
            for look in 0..<6 {
                var options = options(disk)
                options.access = look % 2 == 0 ? .readOnly : .readWrite
                let again = try await Journal.open(at: directory, options: options)
                switch look {
                case 0: #expect(try again.view().digest() == digest, "offset \(offset)")
                case 1:
                    #expect(try await again.conversation("c0").lastSequence() == 28)
                    try disk.replaceContents(of: path, with: flipped)
                case 2: #expect(try await again.view(at: .label("here")).count == 30)
                case 3: try await again.conversation("c0").replace(1, with: "text 0")
                case 4: #expect(try await again.texts("c2").count == 10)
                default:
                    let count = try again.view().count
                    #expect(count == 20, "offset \(offset)")
                }
                try await again.close()
            }
        }
    }

    @Test("a damaged snapshot is no second one, and one of another journal is none")
    func second() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<20 { try await journal.conversation("a").add("\(number)") }
        try await journal.compact(keepingHistory: .none)
        try await journal.conversation("a").add("more")
        try await journal.snapshot()
        try await journal.close()
        let two = snapshots(disk)
        #expect(two.count == 2)
        let whole = try disk.contents(of: two[1])
        var foreign = whole
        foreign[16] ^= 1
        let crc = foreign.withUnsafeBytes { Checksum.crc32(0, UnsafeRawBufferPointer(rebasing: $0[..<60])) }
        foreign.replaceSubrange(60..<64, with: withUnsafeBytes(of: crc.littleEndian) { Array($0) })
        for bytes in [foreign, Array(whole.dropLast())] {
            try disk.replaceContents(of: two[1], with: bytes)
            #expect(try Journal.verify(at: directory, fileSystem: disk).problems.map(\.kind) == ["snapshot"])
            var readOnly = options(disk)
            readOnly.access = .readOnly
            let again = try await Journal.open(at: directory, options: readOnly)
            #expect(try again.view().liesUponSnapshot)
            #expect(try await again.texts("a").last == "more")
            try await again.close()
        }
        // Names that are none are passed over.
        for name in ["+0000000000000000099", "18446744073709551615"] {
            try disk.openFile(directory.appending("snapshots/\(name).snapshot"), .createNew).close()
        }
        let again = try await open(disk)
        try await again.conversation("a").add("yet more")
        #expect(try await again.snapshot() == 23)
        #expect(snapshots(disk).filter { two.contains($0) } == [two[0]])
        #expect(try await again.view(at: .sequence(22)).count == 21)
        #expect(try await again.texts("a").count == 22)
        try await again.close()
    }

    @Test("a snapshot beyond the log's end is damage")
    func beyond() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        try await journal.conversation("a").add("one")
        try await journal.close()
        let short = disk.crash(keeping: .everything)
        let more = try await open(disk)
        try await more.conversation("a").add("two")
        try await more.snapshot()
        try await more.close()
        let path = try #require(snapshots(disk).first)
        try short.replaceContents(of: path, with: try disk.contents(of: path))
        #expect(await code { _ = try await open(short) } == .damaged)
        #expect(try !Journal.verify(at: directory, fileSystem: short).isHealthy)
    }
}
