import JournalFileSystem
import JournalTesting

@testable import SegmentLog

/// The file `lock`: the shared page, the openers, the clean-close record.
struct LockTarget: Target {
    static let name = "lock"
    private let golden: [(path: String, bytes: [UInt8])]
    private let events: [Frames.Frame]

    init() throws {
        golden = try Golden.files("one-memory").filter { $0.path != LockFile.fileName }
        guard let events = try Golden.disk(golden).outcome(.readOnly).events else {
            stop("a golden journal can be read without its lock file")
        }
        self.events = events
    }

    /// The first byte says whether the mark is made right. The rest is the page from what is shared on, and then the
    /// end of it, from the clean-close mark on: what lies between is not used.
    func run(_ input: [UInt8]) throws {
        let (repair, rest) = Repair.split(input)
        var page = LockTarget.page(rest)
        repair.lock(&page)
        checkRecords(page)
        let disk = try Golden.disk(golden + [(LockFile.fileName, page)])
        for access in [LogOptions.Access.readOnly, .readWrite] {
            // The page holds nothing that the log does not: it may say that something is missing, and no more.
            let found = disk.copy().outcome(access)
            expect(
                found == .events(events) || found == .refused(.damaged), "a page changes no event: \(found)")
        }
        try LogChecks.check(disk)
    }

    private static let endLength = 64

    static func page(_ input: [UInt8]) -> [UInt8] {
        let end = Array(input.prefix(endLength))
        let start = Array(input.dropFirst(endLength).prefix(LockFile.sharedRange.upperBound))
        // A shorter file, too.
        guard end.count == endLength else { return start + end }
        var page = [UInt8](repeating: 0, count: LockFile.length)
        page.replaceSubrange(0..<start.count, with: start)
        page.replaceSubrange(LockFile.markOffset..<(LockFile.markOffset + endLength), with: end)
        return page
    }

    private func checkRecords(_ page: [UInt8]) {
        page.withUnsafeBytes { bytes in
            if case .record(let record) = CleanCloseRecord.read(bytes) {
                let encoded = record.encoded()
                expectSame(
                    Array(encoded.prefix(32)),
                    Array(page[LockFile.recordOffset..<(LockFile.recordOffset + 32)]), "a record encodes")
                var again = page
                again.replaceSubrange(
                    LockFile.recordOffset..<(LockFile.recordOffset + encoded.count), with: encoded)
                again.setLittle(CleanCloseRecord.mark(encoded), LockFile.markOffset)
                expectSame(again.withUnsafeBytes { CleanCloseRecord.read($0) }, .record(record), "a record")
            }
            let bytes = UnsafeRawBufferPointer(
                rebasing: bytes[min(LockFile.sharedRange.lowerBound, bytes.count)...])
            guard let opener = LockFile.decodeOpener(bytes, bootIdentity: 1) else { return }
            let encoded = LockFile.encode(opener)
            guard let twice = encoded.withUnsafeBytes({ LockFile.decodeOpener($0, bootIdentity: 1) }) else {
                stop("an opener that was encoded is one")
            }
            expect(twice.process.pid == opener.process.pid, "the opener's pid")
            expect(twice.sinceMicroseconds == opener.sinceMicroseconds, "the opener's time")
        }
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = ["short": [0, 1, 2, 3]]
        for name in ["one-memory", "unclean"] {
            guard let page = try Golden.files(name).first(where: { $0.path == LockFile.fileName })?.bytes
            else {
                continue
            }
            let end = page[LockFile.markOffset..<(LockFile.markOffset + LockTarget.endLength)]
            let start = page[..<LockFile.sharedRange.upperBound]
            seeds[name] = [0] + end + start
            seeds[name + "-repaired"] = [Repair.all.rawValue] + end + start.prefix(100)
        }
        return seeds
    }
}
