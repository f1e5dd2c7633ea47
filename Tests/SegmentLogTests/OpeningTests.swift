import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Opening a journal whose files are not as they were left")
struct OpeningTests {
    /// A closed journal of several segments.
    private func journal(segments: Int = 3) throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        repeat { try log.add(2) } while disk.segments.count < segments
        try log.close()
        return disk.copy()
    }

    /// What refuses the journal, from either kind of opening, or else from reading.
    private func refusal(_ disk: SimulatedDisk) throws -> LogError {
        let reading = try #require(try disk.copy().outcome(.readOnly).error)
        let writing = try #require(try disk.copy().outcome(.readWrite).error)
        #expect(reading.kind == writing.kind)
        #expect(reading.path == writing.path)
        #expect(reading.path != nil)
        return writing
    }

    @Test(
        "one copy of a header is damaged: the other serves, and it is noted",
        arguments: SegmentHeader.copyOffsets)
    func oneHeaderCopy(offset: Int) throws {
        for segment in 0..<3 {
            for byte in [0, 9, 13, 20, 60, 110, 127] {
                let disk = try journal()
                try disk.corrupt(disk.segments[segment], at: offset + byte, xor: 0x10)
                for access in [LogOptions.Access.readOnly, .readWrite] {
                    let log = try SegmentLog.open(directory, .test(disk, access: access))
                    #expect(log.report.notes.contains { $0.contains("offset \(offset)") })
                    try log.checkPrefix()
                    try log.close()
                }
            }
        }
    }

    @Test("both copies are damaged")
    func bothHeaderCopies() throws {
        for segment in 0..<3 {
            let disk = try journal()
            let path = disk.segments[segment]
            for offset in SegmentHeader.copyOffsets { try disk.corrupt(path, at: offset + 77, xor: 1) }
            let error = try refusal(disk)
            #expect(error.kind == .damaged)
            #expect(error.path == path)
        }
    }

    @Test("a segment of another journal")
    func foreignSegment() throws {
        let disk = try journal()
        let other = SimulatedDisk()
        let log = try other.open(segmentBytes: 1600, seed: 5)
        while other.segments.count < 3 { try log.add(2) }
        try log.close()
        for index in 0..<3 {
            let mixed = disk.copy()
            #expect(mixed.segments[index].lastComponent == other.segments[index].lastComponent)
            try mixed.replaceContents(
                of: mixed.segments[index], with: other.contents(of: other.segments[index]))
            let error = try refusal(mixed)
            #expect(error.kind == .damaged)
            #expect(error.message.contains("another journal"))
        }
    }

    @Test("a segment under another segment's name")
    func misnamedSegment() throws {
        let disk = try journal()
        let bytes = try disk.contents(of: disk.segments[1])
        try disk.replaceContents(of: disk.segments[0], with: bytes)
        #expect(try refusal(disk).kind == .damaged)
        let two = try journal()
        try two.replaceContents(of: paths.segment(SegmentName(firstSequence: 900, id: 9)), with: bytes)
        #expect(try refusal(two).kind == .damaged)
    }

    @Test(
        "a segment is missing: the first, one in the middle, or the last after a clean close",
        arguments: 0..<4)
    func missingSegment(index: Int) throws {
        let disk = try journal(segments: 4)
        try disk.remove(disk.segments[index])
        let error = try refusal(disk)
        #expect(error.kind == .damaged)
        #expect(error.sequences != nil)
    }

    @Test("all segments are missing, or the directory log itself")
    func noSegments() throws {
        let disk = try journal()
        for segment in disk.segments { try disk.remove(segment) }
        #expect(try refusal(disk).kind == .damaged)
        let bytes = try journal()
        let bare = SimulatedDisk()
        for path in [paths.identity, paths.lock] {
            try bare.replaceContents(of: path, with: bytes.contents(of: path))
        }
        #expect(try refusal(bare).kind == .damaged)
    }

    @Test("journal.json is missing: damage where there are events, nowhere an empty journal")
    func missingIdentity() throws {
        let disk = try journal()
        try disk.remove(paths.identity)
        #expect(try refusal(disk).kind == .damaged)
        // The segments are gone too, and only the record tells.
        for segment in disk.segments { try disk.remove(segment) }
        #expect(try disk.copy().outcome(.readWrite).error?.kind == .damaged)
        #expect(disk.paths == [paths.lock])
        // One that never held an event is made again.
        let empty = SimulatedDisk()
        try empty.open().close()
        try empty.remove(paths.identity)
        #expect(try empty.open().checkPrefix() == 0)
    }

    @Test("journal.json is damaged, cut, or another journal's")
    func damagedIdentity() throws {
        let disk = try journal()
        let bytes = try disk.contents(of: paths.identity)
        for length in 0..<bytes.count {
            try disk.replaceContents(of: paths.identity, with: Array(bytes.prefix(length)))
            #expect(try refusal(disk).kind == .damaged)
        }
        let other = SimulatedDisk()
        try other.open(seed: 5).close()
        try disk.replaceContents(of: paths.identity, with: other.contents(of: paths.identity))
        #expect(try refusal(disk).kind == .damaged)
    }

    @Test("journal.json is a newer version's")
    func newerIdentity() throws {
        let disk = try journal()
        var identity = try JournalIdentity(decoding: disk.contents(of: paths.identity))
        identity.minimumReader = JournalIdentity.format + 1
        try disk.replaceContents(of: paths.identity, with: identity.encoded())
        let error = try refusal(disk)
        #expect(error.kind == .unsupported)
        #expect(error.message.contains("newer"))
    }

    @Test("a segment header is a newer version's")
    func newerSegment() throws {
        for change in 0..<3 {
            let disk = try journal()
            let path = disk.segments[2]
            var bytes = try disk.contents(of: path)
            var header = try #require(bytes.withUnsafeBytes { SegmentHeader($0) })
            switch change {
            case 0: header.minimumReader = 2
            case 1: header.flags = 2
            default: header.originalID += 1
            }
            for offset in SegmentHeader.copyOffsets {
                bytes.replaceSubrange(offset..<offset + SegmentHeader.length, with: header.encoded())
            }
            try disk.replaceContents(of: path, with: bytes)
            #expect(try refusal(disk).kind == .unsupported)
        }
        // A newer format that this reader may read, with flags that it may ignore.
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.close()
        let path = disk.segments[0]
        var bytes = try disk.contents(of: path)
        var header = try #require(bytes.withUnsafeBytes { SegmentHeader($0) })
        header.version = 2
        header.flags = 1 << 16
        for offset in SegmentHeader.copyOffsets {
            bytes.replaceSubrange(offset..<offset + SegmentHeader.length, with: header.encoded())
        }
        try disk.replaceContents(of: path, with: bytes)
        try disk.remove(paths.lock)
        let again = try disk.open()
        try again.add()
        #expect(try again.checkPrefix() == 1)
    }

    @Test("the lock file is missing or short: nothing is lost by that")
    func missingLock() throws {
        let disk = try journal()
        let count = try disk.openForReading().checkPrefix()
        let page = try disk.contents(of: paths.lock)
        for length in [nil, 0, 1, 8, 500, 3584, 3591, 3592, 3600, 3639, 3640, 4095] as [Int?] {
            for access in [LogOptions.Access.readOnly, .readWrite] {
                let found = disk.copy()
                if let length {
                    try found.truncate(paths.lock, to: length)
                } else {
                    try found.remove(paths.lock)
                }
                let log = try SegmentLog.open(directory, .test(found, access: access))
                #expect(try log.checkPrefix() == count)
                guard access == .readWrite else { continue }
                try log.add()
                try log.close()
                #expect(try found.contents(of: paths.lock).count == page.count)
                #expect(try found.open().report.ending == .clean)
            }
        }
    }

    @Test("what a writer was making when it died is removed, and other names are left alone")
    func leftovers() throws {
        let disk = try journal()
        let unfinished = FilePath(paths.segment(SegmentName(firstSequence: 99, id: 77)).string + ".new")
        let other = paths.log.appending("README")
        try disk.replaceContents(of: unfinished, with: [1, 2, 3])
        try disk.replaceContents(of: paths.unfinishedIdentity, with: [1])
        try disk.replaceContents(of: other, with: [4])
        try disk.openForReading().checkPrefix()
        #expect(disk.paths.contains(unfinished))
        try disk.open().checkPrefix()
        #expect(!disk.paths.contains(unfinished))
        #expect(!disk.paths.contains(paths.unfinishedIdentity))
        #expect(disk.paths.contains(other))
    }

    @Test("the directory is removed or replaced while it is open: nothing is acknowledged into nowhere")
    func replacedWhileOpen() throws {
        for isReplaced in [false, true] {
            let disk = SimulatedDisk()
            let log = try disk.open()
            try log.add()
            for path in disk.paths { try disk.remove(path) }
            if isReplaced {
                try disk.replaceContents(of: paths.lock, with: [UInt8](repeating: 0, count: 4096))
            }
            let error = try #require(logError { try log.add() })
            #expect(error.kind == .notWritten)
            #expect(error.message.contains("removed or replaced"))
            #expect(logError { try log.add() }?.kind == .poisoned)
        }
    }

    @Test("a reader writes nothing, whatever it finds")
    func readerWritesNothing() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        for _ in 0..<9 { try log.add(2) }
        try log.writeNext(2)
        let found = disk.crash(keeping: .everything)
        found.setVolume(name: "memory", kind: .local, isReadOnly: true)
        let reader = try found.openForReading()
        #expect(reader.report.ending == .unclean)
        #expect(try reader.checkPrefix() == 20)
        #expect(found.calls.allSatisfy { !$0.operation.changesDisk || $0.operation == .openFile })
        #expect(logError { _ = try found.open() }?.kind == .system)
        try reader.close()
    }
}
