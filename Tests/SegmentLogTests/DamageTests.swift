import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Damage is noticed and named, and never makes the log smaller")
struct DamageTests {
    /// A journal of three segments of several frames each, one of them stored and some of several events.
    private static func journal() throws -> (disk: SimulatedDisk, count: UInt64) {
        let disk = SimulatedDisk()
        var count: UInt64 = 0
        // An opening with a small limit begins a segment with its first commit; one with a large goes on in it.
        for (segmentBytes, counts) in [
            (1 << 20, [1, 2, 1]), (1100, [1]), (1 << 20, [2, 1, 4]), (1100, [3]), (1 << 20, [1, 1]),
        ]
            as [(UInt64, [Int])]
        {
            let log = try disk.open(segmentBytes: segmentBytes, seed: count)
            for next in counts { count = try log.add(next) }
            try log.close()
        }
        try #require(disk.segments.count == 3)
        return (disk.copy(), count)
    }

    /// Their indices in the disk's paths: `journal.json`, the lock, the segments.
    private static let files = (try? journal().disk.paths.indices).map { Array($0) } ?? []

    /// What is wrong with how the damaged journal is taken; nil when it is right.
    private func problem(_ disk: SimulatedDisk, _ access: LogOptions.Access, count: UInt64) -> String? {
        let log: SegmentLog
        do {
            log = try SegmentLog.open(directory, .test(disk, access: access))
        } catch {
            return refusal(error)
        }
        do {
            let found = try log.checkPrefix()
            return found == count ? nil : "\(found) events of \(count)"
        } catch let error as LogError {
            return refusal(error)
        } catch {
            return "\(error)"
        }
    }

    private func refusal(_ error: LogError) -> String? {
        guard [.damaged, .unsupported].contains(error.kind) else { return "\(error.kind): \(error)" }
        return error.path == nil ? "no path: \(error)" : nil
    }

    /// Which bits to flip at an offset: all where something is, one of eight bytes where zeros are for long stretches.
    private func masks(_ bytes: [UInt8], _ offset: Int) -> [UInt8] {
        let around = bytes[max(0, offset - 8)..<min(bytes.count, offset + 8)]
        guard around.allSatisfy({ $0 == 0 }) else {
            return Thoroughness.isExhaustive ? (0..<8).map { 1 << $0 } : [1 << UInt8(offset % 8)]
        }
        return offset % 8 == 5 ? [1 << UInt8(offset / 8 % 8)] : []
    }

    @Test("every flipped bit of every file", arguments: files)
    func bitFlips(file: Int) throws {
        let (disk, count) = try Self.journal()
        #expect(Self.files.count > 4)
        let path = disk.paths[file]
        let bytes = try disk.contents(of: path)
        var wrong: [String] = []
        for offset in bytes.indices {
            for mask in masks(bytes, offset) {
                try disk.corrupt(path, at: offset, xor: mask)
                if let problem = problem(disk, .readOnly, count: count) {
                    wrong.append("\(path), offset \(offset), bit \(mask), for reading: \(problem)")
                }
                // Opening for writing changes the disk, so it gets a copy; one bit a byte is enough to compare the two.
                if mask == 1 << UInt8(offset % 8) {
                    if let problem = problem(disk.copy(), .readWrite, count: count) {
                        wrong.append("\(path), offset \(offset), bit \(mask), for writing: \(problem)")
                    }
                }
                try disk.corrupt(path, at: offset, xor: mask)
            }
        }
        #expect(wrong == [])
    }

    @Test("every length that a file may be cut to", arguments: files)
    func truncation(file: Int) throws {
        let (disk, count) = try Self.journal()
        let path = disk.paths[file]
        let bytes = try disk.contents(of: path)
        var wrong: [String] = []
        for length in bytes.indices where Thoroughness.tries(length, oneOf: 5) {
            // Zeros for long stretches have few lengths that differ.
            if length % 16 > 1,
                bytes[max(0, length - 16)..<min(bytes.count, length + 16)].allSatisfy({ $0 == 0 })
            {
                continue
            }
            try disk.replaceContents(of: path, with: Array(bytes[..<length]))
            if let problem = problem(disk, .readOnly, count: count) {
                wrong.append("\(path), length \(length): \(problem)")
            }
            if length % 4 == 0, let problem = problem(disk.copy(), .readWrite, count: count) {
                wrong.append("\(path), length \(length), for writing: \(problem)")
            }
        }
        #expect(wrong == [])
    }

    @Test("every file missing", arguments: files)
    func missing(file: Int) throws {
        let (disk, count) = try Self.journal()
        let path = disk.paths[file]
        try disk.remove(path)
        #expect(problem(disk, .readOnly, count: count) == nil)
        #expect(problem(disk.copy(), .readWrite, count: count) == nil)
    }

    @Test("bytes appended to any file, zeros or not")
    func appended() throws {
        let (disk, count) = try Self.journal()
        for path in disk.paths {
            for more in [[UInt8](repeating: 0, count: 5000), [1], [UInt8](repeating: 0xFF, count: 5000)] {
                let found = disk.copy()
                try found.replaceContents(of: path, with: found.contents(of: path) + more)
                #expect(problem(found, .readOnly, count: count) == nil, "\(path)")
                #expect(problem(found, .readWrite, count: count) == nil, "\(path)")
            }
        }
    }

    @Test("pieces of any segment overwritten with zeros, ones, noise or what stands elsewhere in it")
    func overwritten() throws {
        let (disk, count) = try Self.journal()
        var generator = SplitMix(12)
        var wrong: [String] = []
        for _ in 0..<(Thoroughness.isExhaustive ? 5000 : 150) {
            let path = disk.segments[Int(generator.next() % 3)]
            var bytes = try disk.contents(of: path)
            let original = bytes
            let start = Int(generator.next() % UInt64(bytes.count))
            let length = min(bytes.count - start, 1 << Int(generator.next() % 10))
            switch generator.next() % 4 {
            case 0: bytes.replaceSubrange(start..<start + length, with: [UInt8](repeating: 0, count: length))
            case 1:
                bytes.replaceSubrange(start..<start + length, with: [UInt8](repeating: 0xFF, count: length))
            case 2: bytes.replaceSubrange(start..<start + length, with: generator.bytes(length))
            default:
                let from = Int(generator.next() % UInt64(bytes.count - length + 1))
                bytes.replaceSubrange(start..<start + length, with: bytes[from..<from + length])
            }
            if bytes == original { continue }
            let found = disk.copy()
            try found.replaceContents(of: path, with: bytes)
            for access in [LogOptions.Access.readOnly, .readWrite] {
                if let problem = problem(found, access, count: count) {
                    wrong.append("\(path), \(length) bytes at \(start), \(access): \(problem)")
                }
            }
        }
        #expect(wrong == [])
    }

    // MARK: After an unclean end

    /// Six commits, of which the last is not vouched for; and where they are.
    private func unclean() throws -> (
        disk: SimulatedDisk, segment: FilePath, frames: [FrameCursor.Frame]
    ) {
        let disk = SimulatedDisk()
        let log = try disk.open()
        for _ in 0..<6 { try log.add() }
        let frames = try log.frames().map(\.frame)
        let found = disk.crash(keeping: .everything)
        return (found, found.segments.last!, frames)
    }

    @Test(
        "a flip in what is vouched for is damage that names the sequences lost; in the last commit, a prefix")
    func flipsAfterUncleanEnd() throws {
        let (disk, segment, frames) = try unclean()
        for (index, frame) in frames.enumerated() {
            let data = Int(frame.offset) + FrameHeader.length + Int(frame.header.storedLength)
            for offset in Int(frame.offset)..<data where Thoroughness.tries(offset, oneOf: 3) {
                let found = disk.copy()
                try found.corrupt(segment, at: offset, xor: 1 << UInt8(offset % 8))
                for access in [LogOptions.Access.readOnly, .readWrite] {
                    switch try found.outcome(access) {
                    case .events(let count):
                        if index < 5 || count != 5 {
                            Issue.record("frame \(index), offset \(offset), \(access): \(count) events")
                        }
                    case .refused(let error):
                        if index == 5 || error.kind != .damaged || error.path != segment
                            || error.sequences?.lowerBound != UInt64(index + 1)
                        {
                            Issue.record("frame \(index), offset \(offset), \(access): \(error)")
                        }
                    }
                }
            }
        }
    }

    @Test("zeros over a frame in the middle are damage, not the end of the log")
    func zerosInTheMiddle() throws {
        for index in 0..<5 {
            let (disk, segment, frames) = try unclean()
            var bytes = try disk.contents(of: segment)
            let range = Int(frames[index].offset)..<Int(frames[index].end)
            bytes.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
            try disk.replaceContents(of: segment, with: bytes)
            let error = try #require(try disk.outcome(.readWrite).error)
            #expect(error.kind == .damaged)
            #expect(error.offset == frames[index].offset)
            #expect(error.sequences == UInt64(index + 1)...UInt64(index + 1))
        }
    }

    @Test("two frames of the same length swapped")
    func swapped() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        for _ in 0..<5 {
            try log.write([[UInt8](repeating: 7, count: 40)])
            try log.sync()
        }
        let frames = try log.frames().map(\.frame)
        let found = disk.crash(keeping: .everything)
        let segment = found.segments.last!
        var bytes = try found.contents(of: segment)
        let a = Int(frames[1].offset)..<Int(frames[1].end)
        let b = Int(frames[2].offset)..<Int(frames[2].end)
        #expect(a.count == b.count)
        let first = Array(bytes[a])
        let second = Array(bytes[b])
        bytes.replaceSubrange(a, with: second)
        bytes.replaceSubrange(b, with: first)
        try found.replaceContents(of: segment, with: bytes)
        let error = try #require(logError { _ = try found.open() })
        #expect(error.kind == .damaged)
        #expect(error.offset == frames[1].offset)
    }

    @Test("a frame written twice, behind the end: it is set aside as torn, not replayed")
    func duplicated() throws {
        let (disk, segment, frames) = try unclean()
        var bytes = try disk.contents(of: segment)
        let last = frames[5]
        let copy = Array(bytes[Int(last.offset)..<Int(last.end)])
        bytes.replaceSubrange(Int(last.end)..<Int(last.end) + copy.count, with: copy)
        try disk.replaceContents(of: segment, with: bytes)
        let log = try disk.open()
        #expect(try log.checkPrefix() == 6)
        #expect(log.report.tornTail?.offset == last.end)
    }

    @Test("the frames of the log, embedded in a memory, are not taken for frames")
    func embedded() throws {
        let disk = SimulatedDisk()
        // Level 0, so that payloads stand in the file as they are.
        var options = LogOptions.test(disk)
        options.compressionLevel = 0
        let log = try SegmentLog.open(directory, options)
        for _ in 0..<3 { try log.add() }
        let segment = disk.segments.last!
        let frames = try log.frames().map(\.frame)
        let bytes = try disk.contents(of: segment)
        let real = Array(bytes[Int(frames[1].offset)..<Int(frames[1].end)])
        // Noise around it, so that it is stored as it is; eight times, for each place in eight bytes.
        var generator = SplitMix(21)
        for shift in 0..<8 {
            try log.write([generator.bytes(700 + shift) + real + generator.bytes(700)])
            try log.sync()
        }
        let all = try log.events()
        #expect(try log.frames().suffix(8).allSatisfy { $0.frame.header.flags.contains(.stored) })
        let stored = try log.frames()[3...].map(\.frame)
        // The commit that holds them is torn: behind the end lies what looks like frames.
        for frame in stored {
            let found = disk.crash(keeping: .everything)
            var torn = try found.contents(of: segment)
            torn[Int(frame.offset)] ^= 1
            torn.replaceSubrange(
                Int(frame.end)..., with: [UInt8](repeating: 0, count: torn.count - Int(frame.end)))
            try found.replaceContents(of: segment, with: torn)
            #expect(try found.open().events() == Array(all.prefix(Int(frame.firstSequence) - 1)))
        }
    }

    @Test(
        "an older state of the same file: frames of a segment that was there before are not taken for new ones"
    )
    func staleFrames() throws {
        // Another segment with the same id and the same frames, but for the salt: a backup gone wrong, or reused blocks.
        let (disk, segment, frames) = try unclean()
        let other = SimulatedDisk()
        let log = try other.open(seed: 99)
        for _ in 0..<6 { try log.add() }
        let stale = try other.contents(of: other.segments.last!)
        var bytes = try disk.contents(of: segment)
        let from = Int(frames[5].offset)
        bytes.replaceSubrange(from..., with: stale[from..<bytes.count])
        try disk.replaceContents(of: segment, with: bytes)
        let again = try disk.open()
        #expect(try again.checkPrefix() == 5)
        #expect(again.report.tornTail?.offset == frames[5].offset)
    }
}
