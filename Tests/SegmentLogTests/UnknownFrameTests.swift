import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Frames that a later version wrote")
struct UnknownFrameTests {
    /// Six commits; `change` alters the header of one of them, whose CRC and those of all behind it are made right again.
    private func journal(
        closed: Bool, frame number: Int, _ change: (inout FrameHeader) -> Void
    ) throws -> (SimulatedDisk, [FrameCursor.Frame]) {
        let disk = SimulatedDisk()
        let log = try disk.open()
        for _ in 0..<6 { try log.add() }
        let frames = try log.frames().map(\.frame)
        if closed { try log.close() }
        let found = closed ? disk.copy() : disk.crash(keeping: .everything)
        let segment = found.segments.last!
        var bytes = try found.contents(of: segment)
        let header = try #require(bytes.withUnsafeBytes { SegmentHeader($0) })
        var chain = header.chain
        bytes.withUnsafeMutableBytes { raw in
            for (index, frame) in frames.enumerated() {
                var changed = frame.header
                changed.previous = chain
                if index == number { change(&changed) }
                let place = Int(frame.offset)..<Int(frame.offset) + FrameHeader.length
                chain = changed.encode(
                    into: UnsafeMutableRawBufferPointer(rebasing: raw[place]), segment: header,
                    offset: frame.offset)
            }
        }
        try found.replaceContents(of: segment, with: bytes)
        if closed {
            var page = try found.contents(of: paths.lock)
            page.withUnsafeMutableBytes { $0.setLittle(chain, LockFile.recordOffset + 4) }
            let record = Array(page[LockFile.recordOffset..<LockFile.recordOffset + CleanCloseRecord.length])
            page.withUnsafeMutableBytes { $0.setLittle(CleanCloseRecord.mark(record), LockFile.markOffset) }
            try found.replaceContents(of: paths.lock, with: page)
        }
        return (found, frames)
    }

    @Test(
        "one that must be understood is unsupported, from there on, wherever it is", arguments: [true, false])
    func mandatory(closed: Bool) throws {
        for number in 0..<6 {
            for bit in 0..<2 {
                let (disk, frames) = try journal(closed: closed, frame: number) { header in
                    if bit == 0 { header.type = 2 } else { header.flags.formUnion(.init(rawValue: 1 << 5)) }
                }
                for access in [LogOptions.Access.readOnly, .readWrite] {
                    let error = try #require(try disk.copy().outcome(access).error)
                    #expect(error.kind == .unsupported)
                    #expect(error.offset == frames[number].offset)
                }
            }
        }
    }

    @Test("one that may be skipped takes its sequence and is passed over", arguments: [true, false])
    func optional(closed: Bool) throws {
        for number in 0..<6 {
            let (disk, _) = try journal(closed: closed, frame: number) { header in
                header.type = 200
                header.flags.formUnion(.init(rawValue: 1 << 9))
            }
            let expected = (1...6 as ClosedRange<UInt64>).filter { $0 != UInt64(number) + 1 }
            for access in [LogOptions.Access.readOnly, .readWrite] {
                let log = try SegmentLog.open(directory, .test(disk, access: access))
                #expect(log.visibleSequence == 6)
                #expect(try log.frames().map(\.frame.firstSequence) == expected)
                #expect(try log.frames().flatMap(\.bodies) == expected.map(event))
                for after in 0...6 as ClosedRange<UInt64> {
                    #expect(
                        try log.frames(after: after).map(\.frame.firstSequence)
                            == expected.filter { $0 > after })
                }
                guard access == .readWrite else { continue }
                try log.add()
                #expect(try log.frames().map(\.frame.firstSequence) == expected + [7])
                try log.close()
                // Also when it was written again by recovery it is of the same type, with the same flags.
                let last = try #require(
                    try SegmentCatalog.load(paths, journal: log.identity.journal, fileSystem: disk).entries
                        .last)
                let cursor = FrameCursor(
                    try disk.openFile(last.path, .readOnly), path: last.path, header: last.header,
                    maximumRawBytes: 1 << 20)
                var types: [UInt64: UInt8] = [:]
                while case .frame(let frame) = try cursor.next(.payload) {
                    types[frame.firstSequence] = frame.header.type
                    if frame.header.type == 200 {
                        #expect(frame.header.flags.contains(.init(rawValue: 1 << 9)))
                    }
                }
                if closed || number == 5 { #expect(types[UInt64(number) + 1] == 200) }
            }
        }
    }

    @Test("one behind the end of the log is not in it")
    func behindTheEnd() throws {
        let (disk, frames) = try journal(closed: false, frame: 5) { header in
            header.type = 2
            header.flags.remove(.followsSync)
        }
        // The frame before it is torn, and nothing says that it was durable.
        try disk.corrupt(disk.segments.last!, at: Int(frames[4].offset) + FrameHeader.length + 5, xor: 1)
        let survey = LogSurvey(directory, fileSystem: disk)
        try survey.run()
        #expect(survey.problems.isEmpty)
        #expect(survey.lastSequence == 4)
        for access in [LogOptions.Access.readOnly, .readWrite] {
            let log = try SegmentLog.open(directory, .test(disk, access: access))
            #expect(try log.checkPrefix() == 4)
        }
    }

    @Test("type 0 is no frame, and a flag that may be ignored is")
    func ignored() throws {
        let (disk, frames) = try journal(closed: true, frame: 2) {
            $0.flags.formUnion(.init(rawValue: 1 << 15))
        }
        #expect(try disk.open().checkPrefix() == 6)
        let (other, _) = try journal(closed: true, frame: 2) { $0.type = 0 }
        let error = try #require(try other.outcome(.readWrite).error)
        #expect(error.kind == .damaged)
        #expect(error.offset == frames[2].offset)
    }

    @Test("one that claims more than the journal allows is not valid, and nothing is allocated for it")
    func tooLong() throws {
        for closed in [true, false] {
            let (disk, frames) = try journal(closed: closed, frame: 2) { $0.rawLength = .max }
            let error = try #require(try disk.outcome(.readWrite).error)
            #expect(error.kind == .damaged)
            #expect(error.offset == frames[2].offset)
        }
    }

    @Test("a stored frame without a restart is not valid")
    func storedWithoutRestart() throws {
        let (disk, frames) = try journal(closed: true, frame: 2) { header in
            header.flags.formUnion(.stored)
            header.rawLength = header.storedLength - 1
        }
        let error = try #require(try disk.outcome(.readOnly).error)
        #expect(error.kind == .damaged)
        #expect(error.offset == frames[2].offset)
    }
}
