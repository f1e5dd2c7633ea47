import AgentJournal
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("Frames of a whole journal that are not where they were written") struct MisplacedFramesTests {
    @Test(
        "duplicated, removed, reordered, moved to another segment, or written again behind the end",
        arguments: DamageSubject.Life.allCases)
    func moved(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let cases = try subject.frames.frames.indices.flatMap { try moves(of: $0, subject) }
        #expect(cases.count > 60)
        let tally = try await DamageJudge(subject: subject).tallied(cases) { damage, bytes in
            let disk = subject.disk.copy()
            try disk.replaceContents(of: damage.files[0], with: bytes)
            return (damage, disk)
        }
        print(tally.line("\(life.rawValue), frames moved"))
        #expect(tally.count == cases.count)
        #expect(tally.wrong.prefix(5) == [])
        #expect(tally.missed == [])
    }

    /// What becomes of a segment when one of its frames is moved.
    private func moves(of index: Int, _ subject: DamageSubject) throws -> [(Damage, [UInt8])] {
        let all = subject.frames.frames
        let frame = all[index]
        let bytes = try subject.disk.contents(of: frame.segment)
        let own = bytes[frame.bytes.lowerBound..<frame.end]
        let end = subject.frames.end(of: frame.segment)
        var result: [(Damage, [UInt8])] = []
        func add(_ what: String, at offset: Int, _ changed: [UInt8]) {
            guard changed != bytes else { return }
            let damage = Damage(
                what: "frame \(frame.firstSequence) \(what)", files: [frame.segment], offset: offset,
                isCut: frame.segment == subject.lastSegment)
            result.append((damage, changed))
        }
        add("twice", at: frame.end, Array(bytes[..<frame.end]) + own + bytes[frame.end...])
        add(
            "removed", at: frame.bytes.lowerBound,
            Array(bytes[..<frame.bytes.lowerBound]) + bytes[frame.end...])
        add("again behind the end", at: end, Array(bytes[..<end]) + own + bytes[end...])
        if index + 1 < all.count, all[index + 1].segment == frame.segment {
            let next = bytes[frame.end..<all[index + 1].end]
            add(
                "behind the next", at: frame.bytes.lowerBound,
                Array(bytes[..<frame.bytes.lowerBound]) + next + own + bytes[all[index + 1].end...])
            var over = bytes
            over.replaceSubrange(frame.end..<min(frame.end + own.count, over.count), with: own)
            add("over the next", at: frame.end, Array(over.prefix(bytes.count)))
        }
        for other in all
        where other.segment != frame.segment && other.bytes.lowerBound == frame.bytes.lowerBound {
            let foreign = try subject.disk.contents(of: other.segment)[other.bytes.lowerBound..<other.end]
            var moved = bytes
            moved.replaceSubrange(frame.bytes.lowerBound..<frame.end, with: foreign)
            add("of another segment", at: frame.bytes.lowerBound, moved)
        }
        return result
    }

    @Test("valid frames hidden in a memory, and the tail torn: they are not taken for frames")
    func hidden() async throws {
        let subject = try await DamageSubject(.killed)
        var random = Random(21)
        let segment = subject.lastSegment
        let bytes = try subject.disk.contents(of: segment)
        let disk = subject.disk.copy()
        let journal = try await Journal.open(at: directory, options: DamageSubject.options(disk, seed: 5))
        let before = journal.lastSequence
        let hidden = subject.frames.of(segment)
        for shift in 0..<8 {
            let frame = hidden[shift % hidden.count]
            // Noise around it, so that it stands in the file as it is; for each place in eight bytes.
            func noise(_ count: Int) -> [UInt8] {
                (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            try await journal.conversation("a").add(
                .bytes(noise(700 + shift) + bytes[frame.bytes.lowerBound..<frame.end] + noise(700)))
        }
        let killed = disk.copy()
        var states: [UInt64: [UInt8]] = [:]
        for sequence in before...journal.lastSequence {
            states[sequence] = try await journal.view(at: .sequence(sequence)).exported()
        }
        try await journal.close()
        let frames = try JournalFrames(killed)
        for frame in frames.frames where frame.firstSequence > before {
            // The commit that holds them is torn, and nothing came after it.
            let torn = killed.copy()
            var bytes = try torn.contents(of: frame.segment)
            for later in frames.frames where later.firstSequence > frame.firstSequence {
                if later.segment != frame.segment { try torn.remove(later.segment) }
            }
            bytes.replaceSubrange(frame.end..., with: repeatElement(0, count: bytes.count - frame.end))
            bytes[frame.bytes.lowerBound] ^= 1
            try torn.replaceContents(of: frame.segment, with: bytes)
            for access in [Journal.Access.readOnly, .readWrite] {
                let found = try await Journal.open(
                    at: directory, options: DamageSubject.options(torn, access, seed: 6))
                #expect(try found.view().exported() == states[frame.firstSequence - 1], "\(frame)")
                try await found.close()
            }
        }
    }
}
