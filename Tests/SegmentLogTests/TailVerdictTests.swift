import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Where the log ends, and how")
struct TailVerdictTests {
    /// promise beyond, bytes beyond, what the record says, verdict: written out, not computed.
    static let table: [(Bool, Bool, TailEvidence.Record, TailVerdict)] = [
        (true, true, .none, .damaged),
        (true, true, .matches, .damaged),
        (true, true, .notReached, .damaged),
        (true, true, .outgrown, .damaged),
        (true, true, .unreadable, .damaged),
        (true, false, .none, .damaged),
        (true, false, .matches, .damaged),
        (true, false, .notReached, .damaged),
        (true, false, .outgrown, .damaged),
        (true, false, .unreadable, .damaged),
        (false, true, .none, .unclean),
        (false, true, .matches, .unclean),
        (false, true, .notReached, .damaged),
        (false, true, .outgrown, .unclean),
        (false, true, .unreadable, .unclean),
        (false, false, .none, .unclean),
        (false, false, .matches, .clean),
        (false, false, .notReached, .damaged),
        (false, false, .outgrown, .unclean),
        (false, false, .unreadable, .unclean),
    ]

    @Test("is decided by a table of all twenty combinations")
    func allCombinations() {
        var seen: Set<TailEvidence> = []
        for (promise, bytes, record, verdict) in Self.table {
            let evidence = TailEvidence(hasPromiseBeyond: promise, hasBytesBeyond: bytes, record: record)
            seen.insert(evidence)
            #expect(TailVerdict(evidence) == verdict, "\(evidence)")
        }
        #expect(seen.count == 2 * 2 * TailEvidence.Record.allCases.count)
    }

    // MARK: On a real log

    /// A log of five commits, closed or not, and its only segment.
    private func log(closed: Bool) throws -> (SimulatedDisk, FilePath) {
        let fileSystem = SimulatedDisk()
        let log = try fileSystem.open()
        for _ in 0..<5 { try log.add() }
        if closed { try log.close() } else { fileSystem.kill() }
        let after = closed ? fileSystem.copy() : fileSystem.crash(keeping: .everything)
        return (after, after.segments.last!)
    }

    private func tail(_ fileSystem: SimulatedDisk) throws -> Tail {
        let opening = LogOpening(paths: paths, options: .test(fileSystem))
        let identity = try opening.readIdentity()
        let page = (try? fileSystem.contents(of: paths.lock)) ?? []
        let catalog = try SegmentCatalog.load(paths, journal: identity.journal, fileSystem: fileSystem)
        let entry = try #require(catalog.entries.last)
        return try Tail.find(
            in: entry, record: page.withUnsafeBytes { CleanCloseRecord.read($0) },
            file: fileSystem.openFile(entry.path, .readOnly), paths: paths,
            maximumRawBytes: identity.maximumFrameBytes)
    }

    private func frameOffsets(_ fileSystem: SimulatedDisk) throws -> [FrameCursor.Frame] {
        try fileSystem.openForReading().frames().map(\.frame)
    }

    @Test("clean: the record names this end, and nothing lies behind it")
    func clean() throws {
        let (fileSystem, _) = try log(closed: true)
        let tail = try tail(fileSystem)
        #expect(
            tail.evidence == TailEvidence(hasPromiseBeyond: false, hasBytesBeyond: false, record: .matches))
        #expect(tail.verdict == .clean)
        #expect(try fileSystem.open().report.ending == .clean)
    }

    @Test("unclean: no record, zeros behind the end")
    func noRecord() throws {
        let (fileSystem, _) = try log(closed: false)
        let tail = try tail(fileSystem)
        #expect(tail.evidence == TailEvidence(hasPromiseBeyond: false, hasBytesBeyond: false, record: .none))
        let log = try fileSystem.open()
        #expect(log.report.ending == .unclean)
        #expect(log.report.tornTail == nil)
        #expect(try log.checkPrefix() == 5)
    }

    @Test("unclean: no record, a torn frame behind the end, which is set aside and reported")
    func torn() throws {
        let (fileSystem, segment) = try log(closed: false)
        let last = try #require(try frameOffsets(fileSystem).last)
        try fileSystem.corrupt(segment, at: Int(last.offset) + 40, xor: 1)
        let tail = try tail(fileSystem)
        #expect(tail.evidence == TailEvidence(hasPromiseBeyond: false, hasBytesBeyond: true, record: .none))
        let log = try fileSystem.open()
        #expect(log.report.tornTail?.offset == last.offset)
        #expect(log.report.tornTail?.path == paths.relative(segment))
        #expect(try log.checkPrefix() == 4)
    }

    @Test("unclean: the record matches and there is something behind the end")
    func bytesBehindTheRecord() throws {
        let (fileSystem, segment) = try log(closed: true)
        let bytes = try fileSystem.contents(of: segment)
        try fileSystem.replaceContents(of: segment, with: bytes + [0, 0, 0, 7])
        let tail = try tail(fileSystem)
        #expect(
            tail.evidence == TailEvidence(hasPromiseBeyond: false, hasBytesBeyond: true, record: .matches))
        let log = try fileSystem.open()
        #expect(log.report.ending == .unclean)
        #expect(try log.checkPrefix() == 5)
    }

    @Test("unclean: the record is of an earlier end that the log has outgrown")
    func outgrown() throws {
        let fileSystem = SimulatedDisk()
        let first = try fileSystem.open()
        try first.add()
        try first.close()
        let oldLock = try fileSystem.contents(of: paths.lock)
        let second = try fileSystem.open()
        try second.add()
        fileSystem.kill()
        let after = fileSystem.crash(keeping: .everything)
        try after.replaceContents(of: paths.lock, with: oldLock)
        #expect(try tail(after).evidence.record == .outgrown)
        #expect(try after.open().checkPrefix() == 2)
    }

    @Test("unclean: the record cannot be read, which is noted")
    func unreadable() throws {
        let (fileSystem, _) = try log(closed: true)
        try fileSystem.corrupt(paths.lock, at: LockFile.recordOffset + 9, xor: 4)
        #expect(try tail(fileSystem).evidence.record == .unreadable)
        let log = try fileSystem.open()
        #expect(log.report.ending == .unclean)
        #expect(log.report.notes.contains { $0.contains("clean-close record") })
        #expect(try log.checkPrefix() == 5)
    }

    @Test("damaged: the record is not reached, the segment being too short")
    func notReached() throws {
        let (fileSystem, segment) = try log(closed: true)
        let frames = try frameOffsets(fileSystem)
        try fileSystem.truncate(segment, to: Int(frames[3].offset))
        #expect(try tail(fileSystem).evidence.record == .notReached)
        for access in [LogOptions.Access.readOnly, .readWrite] {
            let error = try #require(try fileSystem.outcome(access).error)
            #expect(error.kind == .damaged)
            #expect(error.path == segment)
            #expect(error.offset == frames[3].offset)
            #expect(error.sequences == 4...5)
        }
    }

    @Test("damaged: the record is of another chain value at the same end")
    func otherChain() throws {
        let (fileSystem, _) = try log(closed: true)
        var page = try fileSystem.contents(of: paths.lock)
        page[LockFile.recordOffset + 4] ^= 1
        let record = Array(page[LockFile.recordOffset..<LockFile.recordOffset + CleanCloseRecord.length])
        page.withUnsafeMutableBytes { $0.setLittle(CleanCloseRecord.mark(record), LockFile.markOffset) }
        try fileSystem.replaceContents(of: paths.lock, with: page)
        #expect(try tail(fileSystem).evidence.record == .notReached)
        #expect(try fileSystem.outcome(.readWrite).error?.kind == .damaged)
    }

    @Test("damaged: behind the invalid frame one promises that all before it was durable")
    func promiseBeyond() throws {
        let (fileSystem, segment) = try log(closed: false)
        let frames = try frameOffsets(fileSystem)
        try fileSystem.corrupt(segment, at: Int(frames[1].offset) + 3, xor: 0x80)
        let tail = try tail(fileSystem)
        #expect(tail.evidence == TailEvidence(hasPromiseBeyond: true, hasBytesBeyond: true, record: .none))
        for access in [LogOptions.Access.readOnly, .readWrite] {
            let error = try #require(try fileSystem.outcome(access).error)
            #expect(error.kind == .damaged)
            #expect(error.offset == frames[1].offset)
            #expect(error.sequences == 2...2)
        }
    }

    @Test("damaged: a promising frame stands right at the end, but continues something else")
    func promiseAtTheEnd() throws {
        let (fileSystem, segment) = try log(closed: false)
        let frames = try frameOffsets(fileSystem)
        var bytes = try fileSystem.contents(of: segment)
        let header = try #require(
            try SegmentCatalog.load(
                paths, journal: LogOpening(paths: paths, options: .test(fileSystem)).readIdentity().journal,
                fileSystem: fileSystem
            ).entries.last?.header)
        let at = Int(frames[4].offset)
        bytes.withUnsafeMutableBytes { raw in
            var frame = frames[4].header
            frame.previous ^= 1
            frame.encode(
                into: UnsafeMutableRawBufferPointer(rebasing: raw[at..<at + FrameHeader.length]),
                segment: header,
                offset: UInt64(at))
        }
        try fileSystem.replaceContents(of: segment, with: bytes)
        #expect(try tail(fileSystem).evidence.hasPromiseBeyond)
        #expect(try fileSystem.outcome(.readWrite).error?.kind == .damaged)
    }
}
