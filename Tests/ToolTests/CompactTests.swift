import Foundation
import Testing

/// Snapshots and compaction from the shell.
@Suite(.timeLimit(.minutes(60))) struct CompactTests {
    private func digest(_ shop: Workshop, _ arguments: String...) throws -> String {
        let out = try shop.start(["replay", "j", "--json"] + arguments).wait().out
        return try String(#require(out.firstMatch(of: #/"digest":"([0-9a-f]{64})"/#)).1)
    }

    @Test func snapshot() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let before = try digest(shop)
        #expect(try shop.run("replay", "j", "--json").out.contains(#""from_snapshot":false"#))
        #expect(try shop.run("snapshot", "j", "--json").out == "{\"snapshot_sequence\":4}\n")
        #expect(try shop.run("snapshot", "j").out == "snapshot of sequence 4\n")
        #expect(try shop.run("replay", "j", "--json").out.contains(#""from_snapshot":true"#))
        #expect(
            try shop.run("replay", "j", "--from-scratch", "--json").out.contains(#""from_snapshot":false"#))
        #expect(try digest(shop) == before)
        let verified = try shop.run("replay", "j", "--verify")
        #expect(verified.status == 0 && verified.error.contains("the digest is the same"))
        #expect(try shop.run("stats", "j", "--json").out.contains(#""snapshot_sequence":4"#))
        #expect(try shop.run("verify", "j", "--json").out.contains(#""snapshots":1"#))
        #expect(try shop.run("show", "j", "a/1", "--at", "start", "--json").lines.count == 1)
        // A damaged one is named, and costs nothing.
        let file = "j/snapshots/00000000000000000004.snapshot"
        var bytes = try shop.read(file)
        bytes[bytes.count / 2] ^= 1
        try shop.write(bytes, to: file)
        let damaged = try shop.run("verify", "j", "--json")
        #expect(damaged.status == 1)
        #expect(damaged.out.contains("snapshots/00000000000000000004.snapshot"))
        #expect(damaged.out.contains(#""kind":"snapshot""#))
        #expect(try digest(shop) == before)
        #expect(try shop.run("export", "j").lines.count == 3)
    }

    @Test func compact() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let before = try digest(shop)
        let planned = try shop.run("compact", "j", "--keep-history", "none", "--dry-run")
        #expect(planned.out.contains("would be removed: 00000000000000000001-00000001.segment"))
        #expect(planned.out.contains("history of sequences 1 to 4"))
        #expect(try shop.run("log", "j").lines.count == 4)
        #expect(try shop.run("compact", "j", "--json").out.contains(#""packed_segments":1"#))
        #expect(try digest(shop) == before)
        #expect(try shop.run("log", "j").lines.count == 4)
        let done = try shop.run("compact", "j", "--keep-history", "none", "--json")
        #expect(done.out.contains(#""dry_run":false,"first_sequence":6,"floor":5"#))
        #expect(try digest(shop) == before)
        let log = try shop.run("log", "j")
        #expect(log.status == 0 && log.out == "" && log.error.contains("up to sequence 5 was let go"))
        let past = try shop.run("show", "j", "--at", "2")
        #expect(past.status == 2 && past.error.contains("One can look back to sequence 5"))
        #expect(try shop.run("replay", "j", "--verify").status == 2)
        #expect(try shop.run("verify", "j").status == 0)
        #expect(try shop.run("export", "j", "--salvage").lines.count == 3)
        #expect(
            try shop.run(
                "add", "j", "a/1", "first", "--role", "user", "--metadata", "topic=tea", "--key", "k1",
                "--json"
            )
            .out.contains(#""replayed":true"#))
        try shop.run("replace", "j", "3", "instead", "--key", "r1")
        try shop.run("add", "j", "a/1", "more")
        try shop.run("compact", "j", "--keep-history", "none")
        let again = try shop.run("replace", "j", "3", "instead", "--key", "r1", "--json")
        #expect(again.status == 0 && again.out.contains(#""replayed":true"#))
        #expect(try shop.run("log", "j").lines.count == 0)
        for name in try FileManager.default.contentsOfDirectory(atPath: shop.path("j/snapshots")) {
            try FileManager.default.removeItem(atPath: shop.path("j/snapshots/\(name)"))
        }
        let lost = try shop.run("show", "j")
        #expect(lost.status == 1 && lost.out == "")
        #expect(try shop.run("verify", "j").status == 1)
    }

    /// What a dry run says it also says beside a running agent, and of a journal whose writer was killed; and nothing changes.
    @Test func dryRunChangesNothing() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        // The mark of the clean close: as a writer leaves it that was killed.
        var lock = try shop.read("j/lock")
        for index in 3584..<lock.count { lock[index] = 0 }
        try shop.write(lock, to: "j/lock")
        let names = try FileManager.default.contentsOfDirectory(atPath: shop.path("j/log"))
        let planned = try shop.run("compact", "j", "--keep-history", "none", "--dry-run")
        #expect(planned.status == 0)
        #expect(planned.out.contains("would be removed: 00000000000000000001-00000001.segment"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: shop.path("j/log")) == names)
        #expect(try shop.read("j/lock") == lock)
        #expect(planned.error.contains("events: 4") && planned.error.contains("memories: 3"))
        // Nothing says that there are none, when they were not counted.
        let log = try shop.run("log", "j")
        #expect(log.lines.count == 4 && log.error.contains("events: 4"))
        #expect(!log.error.contains("memories: "))
    }

    /// The sum of the lengths of all files.
    private func bytes(_ shop: Workshop) throws -> Int {
        let files = try #require(FileManager.default.enumerator(atPath: shop.path("j")))
        var sum = 0
        while files.nextObject() != nil {
            guard let attributes = files.fileAttributes,
                attributes[.type] as? FileAttributeType == .typeRegular
            else { continue }
            sum += attributes[.size] as? Int ?? 0
        }
        return sum
    }

    private func number(_ name: String, _ outcome: Outcome) throws -> Int {
        let digits = outcome.out.components(separatedBy: "\"\(name)\":").dropFirst().first?.prefix {
            $0.isNumber
        }
        return try #require(digits.flatMap { Int($0) }, "\(name) in \(outcome.out)\(outcome.error)")
    }

    private func importLines(_ shop: Workshop, _ count: Int) throws {
        let lines = (0..<count).map { number in
            #"{"conversation":"c\#(number % 50)","role":"user","content":"what was said as number \#(number &* 7919 % 10007)","idempotency_key":"k\#(number)"}"#
        }
        try shop.write(lines.joined(separator: "\n") + "\n", to: "lines")
        #expect(try shop.run("import", "j", "lines").status == 0)
    }

    @Test(arguments: ["all", "none"])
    func itSaysHowLargeAllWasAndIsAndForesawIt(history: String) throws {
        let shop = try Workshop()
        try importLines(shop, 4_000)
        for number in 1...30 { try shop.run("add", "j", "more", "beside \(number)") }
        let before = try bytes(shop)
        let planned = try shop.run("compact", "j", "--keep-history", history, "--dry-run", "--json")
        #expect(try bytes(shop) == before, "a dry run changes nothing")
        let done = try shop.run("compact", "j", "--keep-history", history, "--json")
        let after = try bytes(shop)
        #expect(try number("bytes_before", planned) == before && number("bytes_before", done) == before)
        #expect(try number("bytes_after", done) == after)
        let foreseen = try number("bytes_after", planned)
        #expect(abs(foreseen - after) <= after / 100, "\(foreseen), and it is \(after)")
        // Again there is nothing to do, and nothing becomes larger.
        let again = try shop.run("compact", "j", "--keep-history", history, "--json")
        #expect(try number("bytes_after", again) <= after + 1024)
        #expect(try number("bytes_before", again) == after)
    }

    @Test func itSaysWhatTheSnapshotBuys() throws {
        let shop = try Workshop()
        try importLines(shop, 4_000)
        let planned = try shop.run("compact", "j", "--dry-run")
        #expect(
            planned.out.contains("would grow by ") && planned.out.contains("would stay"), "\(planned.out)")
        let done = try shop.run("compact", "j")
        #expect(done.out.contains("\ngrew by ") && done.out.contains("a key is a look-up"), "\(done.out)")
        let promised = try #require(done.out.firstMatch(of: #/some (\d+) bytes stay/#).flatMap { Int($0.1) })
        #expect(done.out.contains("all files before: ") && done.out.contains("all files after: "))
        let without = try shop.run("compact", "j", "--keep-history", "none")
        #expect(!without.out.contains("grew by"))
        #expect(try abs(bytes(shop) - promised) <= promised / 20)
    }

    @Test func retentions() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        for wrong in ["", "d", "0d", "-3d", "90", "90w", "1.5d", "99999d"] {
            #expect(try shop.run("compact", "j", "--keep-history", wrong).status == 64, "\(wrong)")
        }
        for right in ["90d", "12h", "30m", "all"] {
            #expect(try shop.run("compact", "j", "--keep-history", right).status == 0, "\(right)")
        }
        #expect(try shop.run("log", "j").lines.count == 4)
    }
}
