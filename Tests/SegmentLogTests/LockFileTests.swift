import JournalFileSystem
import Testing

@testable import SegmentLog

@Suite("The file lock")
struct LockFileTests {
    @Test("an opener's record comes back, also with names that are too long for it")
    func openerRecord() throws {
        let process = ProcessIdentity(
            pid: 4711, startTime: 1 << 40, host: "höst", command: "agent --journal dir", bootIdentity: 77)
        for process in [
            process, with(process) { $0.host = String(repeating: "h", count: 500) },
            with(process) { $0.command = String(repeating: "ç", count: 500) },
        ] {
            let record = LockFile.encode(.init(process: process, sinceMicroseconds: -5))
            #expect(record.count == LockFile.openerLength)
            let found = try #require(
                record.withUnsafeBytes { LockFile.decodeOpener($0, bootIdentity: process.bootIdentity) })
            #expect(found.process.pid == process.pid && found.process.startTime == process.startTime)
            #expect(found.sinceMicroseconds == -5)
            #expect(process.host.hasPrefix(found.process.host.prefix(60)))
            #expect(process.command.hasPrefix(found.process.command.prefix(100)))
            #expect(found.process.bootIdentity == 77)
        }
        let empty = [UInt8](repeating: 0, count: LockFile.openerLength)
        #expect(empty.withUnsafeBytes { LockFile.decodeOpener($0, bootIdentity: 1) } == nil)
        #expect(empty[..<100].withUnsafeBytes { LockFile.decodeOpener($0, bootIdentity: 1) } == nil)
    }

    private func with(_ process: ProcessIdentity, _ change: (inout ProcessIdentity) -> Void)
        -> ProcessIdentity
    {
        var changed = process
        change(&changed)
        return changed
    }

    @Test("the clean-close record comes back, and every flipped bit of it or of its mark is noticed")
    func cleanCloseRecord() {
        let record = CleanCloseRecord(
            segment: 7, chain: 0xDEAD_BEEF, end: 123_456, lastSequence: 99, closedMicroseconds: 1 << 50)
        var page = [UInt8](repeating: 0, count: LockFile.length)
        func found(_ page: [UInt8]) -> CleanCloseRecord.Found {
            page.withUnsafeBytes { CleanCloseRecord.read($0) }
        }
        #expect(found(page) == .none)
        let bytes = record.encoded()
        page.replaceSubrange(LockFile.recordOffset..<LockFile.recordOffset + bytes.count, with: bytes)
        #expect(found(page) == .none)
        page.withUnsafeMutableBytes { $0.setLittle(CleanCloseRecord.mark(bytes), LockFile.markOffset) }
        #expect(found(page) == .record(record))
        for bit in 8 * LockFile.markOffset..<8 * (LockFile.recordOffset + CleanCloseRecord.length) {
            var damaged = page
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(found(damaged) == .unreadable, "bit \(bit)")
        }
        for length in 0..<LockFile.recordOffset + CleanCloseRecord.length {
            #expect(found(Array(page[..<length])) == .none)
        }
    }
}
