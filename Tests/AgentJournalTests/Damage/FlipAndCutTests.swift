import AgentJournal
import JournalTesting
import SystemPackage
import Testing

@Suite("Flipped bits and cut files of a whole journal") struct FlipAndCutTests {
    @Test("it holds what is to be damaged", arguments: DamageSubject.Life.allCases)
    func subject(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let judge = DamageJudge(subject: subject)
        let verdict = await judge.judge(subject.disk.copy(), Damage(what: "nothing", files: []))
        #expect(verdict.wrong == [])
        #expect(verdict.isWhole && verdict.wentOn)
        #expect(verdict.notice == .nothing)
        #expect(subject.segments.count >= 3)
        #expect(subject.files.contains { $0.string.hasSuffix(".snapshot") })
    }

    @Test("what is wrong is called wrong", arguments: DamageSubject.Life.allCases)
    func judging(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        let judge = DamageJudge(subject: subject)
        // Sound, and not what was written.
        let other = try await DamageSubject(life, seed: 2)
        let another = await judge.judge(other.disk.copy(), Damage(what: "another", files: []))
        #expect(another.wrong.contains { $0.contains("for reading: another state") })
        #expect(another.wrong.contains { $0.contains("after going on: another state") })
        // The damage is elsewhere than the error says.
        let segment = subject.segments[1]
        let disk = subject.disk.copy()
        for copy in [0, 512] { try disk.corrupt(segment, at: copy, xor: 1) }
        let elsewhere = await judge.judge(disk, Damage(what: "header", files: [subject.segments[0]]))
        #expect(elsewhere.wrong.contains { $0.contains("another place") })
        let behind = await judge.judge(
            disk, Damage(what: "header", files: [segment, subject.segments[2]], offset: -1))
        #expect(behind.wrong.contains { $0.contains("is behind it") })
    }

    @Test("every bit of every file", arguments: DamageSubject.Life.allCases)
    func flips(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        try await judge(subject, "bits flipped", placesPerByte: 8, oneOf: 997) { file, bit in
            let disk = subject.disk.copy()
            try disk.corrupt(file, at: bit / 8, xor: 1 << UInt8(bit % 8))
            return (Damage(what: "bit \(bit % 8)", files: [file], offset: bit / 8), disk)
        }
    }

    @Test("every length that a file may be cut to", arguments: DamageSubject.Life.allCases)
    func cuts(life: DamageSubject.Life) async throws {
        let subject = try await DamageSubject(life)
        try await judge(subject, "lengths cut to", placesPerByte: 1, oneOf: 197) { file, length in
            let disk = subject.disk.copy()
            try disk.truncate(file, to: length)
            return (Damage(what: "cut", files: [file], offset: length, isCut: true), disk)
        }
    }

    /// All is taken rightly, and noticed: but for what docs/durability.md says of a journal that was not closed.
    ///
    /// - Parameter interval: Of how many places one is tried, unless all are.
    private func judge(
        _ subject: DamageSubject, _ what: String, placesPerByte: Int, oneOf interval: Int,
        _ damaged: @escaping @Sendable (FilePath, Int) throws -> (Damage, SimulatedDisk)
    ) async throws {
        var all = DamageTally()
        for file in subject.files {
            let count = try subject.disk.contents(of: file).count * placesPerByte
            let places = Array(stride(from: 0, to: count, by: Thoroughness.isExhaustive ? 1 : interval))
            let tally = try await DamageJudge(subject: subject).tallied(places) { try damaged(file, $0) }
            #expect(tally.count == places.count && tally.count > 0)
            #expect(tally.wrong.prefix(3) == [], "\(what), \(file)")
            #expect(tally.missed.prefix(5) == [], "\(what), \(file): \(tally.missed.count) unnoticed")
            all.add(tally)
        }
        print(all.line("\(subject.life.rawValue), \(subject.files.count) files, \(what)"))
    }
}
