import AgentJournal
import JournalTesting
import SystemPackage
import Testing

@Suite("Flipped bits and cut files of a whole journal") struct FlipAndCutTests {
    @Test("it holds what is to be damaged", arguments: DamageSubject.Life.allCases)
    func subject(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let judge = DamageJudge(subject: subject)
        let verdict = await judge.judge(
            subject.disk.copy(), Damage(what: "nothing", files: []), writes: true)
        #expect(verdict.wrong == [])
        #expect(verdict.isWhole)
        #expect(verdict.notice == .nothing)
        #expect(subject.files.count { $0.string.hasSuffix(".segment") } >= 3)
        #expect(subject.files.contains { $0.string.hasSuffix(".snapshot") })
    }

    @Test("every bit of every file", arguments: DamageSubject.Life.allCases)
    func flips(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        var all = DamageTally()
        for file in subject.files {
            let bits = places(try subject.disk.contents(of: file), each: 8, oneOf: 997)
            let tally = try await tallied(bits) { try await flip($0, file, subject) }
            check(tally, "flips", file, subject)
            all.add(tally)
        }
        print(all.line("\(life.rawValue), bits flipped in \(subject.files.count) files"))
    }

    @Test("every length that a file may be cut to", arguments: DamageSubject.Life.allCases)
    func cuts(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        var all = DamageTally()
        for file in subject.files {
            let lengths = places(try subject.disk.contents(of: file), each: 1, oneOf: 197)
            let tally = try await tallied(lengths) { lengths in
                var tally = DamageTally()
                for length in lengths {
                    let disk = subject.disk.copy()
                    try disk.truncate(file, to: length)
                    let damage = Damage(what: "cut", files: [file], offset: length, isCut: true)
                    tally.add(damage, await judge(disk, damage, subject))
                }
                return tally
            }
            check(tally, "cuts", file, subject)
            all.add(tally)
        }
        print(all.line("\(life.rawValue), lengths that \(subject.files.count) files were cut to"))
    }

    /// The places to damage: all of them, `each` so many a byte, or a sample. Of the 256 KiB of zeros that a killed writer
    /// had reserved, each of which is as the next, one in 64 bytes.
    private func places(_ bytes: [UInt8], each: Int, oneOf interval: Int) -> [Int] {
        let dense = min(bytes.count, (bytes.lastIndex { $0 != 0 } ?? 0) + 64)
        let isLong = bytes.count - dense > 64 << 10
        let first = Array(0..<(isLong ? dense : bytes.count) * each)
        let rest = isLong ? Array(stride(from: dense * each, to: bytes.count * each, by: 64 * each + 1)) : []
        guard !Thoroughness.isExhaustive else { return first + rest }
        return (first + rest).enumerated().filter { $0.offset % interval == 0 }.map(\.element)
    }

    private func flip(
        _ bits: ArraySlice<Int>, _ file: FilePath, _ subject: DamageSubject
    ) async throws -> DamageTally {
        let disk = subject.disk.copy()
        var tally = DamageTally()
        for bit in bits {
            let mask = UInt8(1) << UInt8(bit % 8)
            try disk.corrupt(file, at: bit / 8, xor: mask)
            let damage = Damage(what: "bit \(bit % 8)", files: [file], offset: bit / 8)
            tally.add(damage, await judge(disk, damage, subject))
            try disk.corrupt(file, at: bit / 8, xor: mask)
        }
        return tally
    }

    private func judge(
        _ disk: SimulatedDisk, _ damage: Damage, _ subject: DamageSubject
    ) async -> DamageJudge.Verdict {
        await DamageJudge(subject: subject).judge(disk, damage, writes: true)
    }

    /// All is taken rightly, and noticed: but for what docs/durability.md says of a journal that was not closed.
    private func check(_ tally: DamageTally, _ what: String, _ file: FilePath, _ subject: DamageSubject) {
        #expect(tally.count > 0)
        #expect(tally.wrong.prefix(3) == [], "\(what) of \(file)")
        let unnoticed = tally.unnoticed.filter { !subject.mayGoUnnoticed($0) }
        #expect(
            unnoticed.prefix(5).map(\.description) == [], "\(what) of \(file): \(unnoticed.count) unnoticed")
    }
}
