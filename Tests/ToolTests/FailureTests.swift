import Foundation
import Testing

/// What bad places and bad journals get.
@Suite(.timeLimit(.minutes(60))) struct FailureTests {
    /// Only add and import make a journal: a volume that is not mounted is not an empty memory.
    @Test(arguments: [
        ["export"], ["show"], ["log"], ["log", "--follow"], ["log", "--salvage"], ["export", "--salvage"],
        ["flush"],
        ["forget", "1"], ["clear", "c"], ["replace", "1", "x"], ["replay"], ["verify"], ["stats"], ["doctor"],
    ])
    func nothingIsMade(_ command: [String]) throws {
        let shop = try Workshop()
        for place in ["missing", "empty"] {
            if place == "empty" {
                try FileManager.default.createDirectory(
                    atPath: shop.path(place), withIntermediateDirectories: false)
            }
            let outcome = try shop.start([command[0], place] + command.dropFirst() + ["--json"]).wait()
            #expect(outcome.status == 2, "\(outcome.error)")
            #expect(outcome.out == "")
            #expect(outcome.error.contains(#"{"error":{"code":"no_journal","#), "\(outcome.error)")
            #expect(outcome.error.contains(#""path":""#))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: shop.path("empty")).isEmpty)
        #expect(!FileManager.default.fileExists(atPath: shop.path("missing")))
    }

    @Test(arguments: [["add", "c", "x"], ["import"], ["show"], ["log"], ["verify"]])
    func notAJournal(_ command: [String]) throws {
        let shop = try Workshop()
        try shop.write("text", to: "file")
        try FileManager.default.createDirectory(
            atPath: shop.path("other"), withIntermediateDirectories: false)
        try shop.write("text", to: "other/notes.txt")
        for place in ["file", "other"] {
            let arguments = [command[0], place] + command.dropFirst() + ["--json"]
            let outcome = try shop.start(arguments, input: Data(#"{"conversation":"c"}"#.utf8)).wait()
            #expect(outcome.status == 2)
            #expect(outcome.error.contains(#""code":"not_a_journal""#), "\(outcome.error)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: shop.path("other")) == ["notes.txt"])
    }

    @Test func newJournalIsAnnounced() throws {
        let shop = try Workshop()
        #expect(try shop.run("add", "j/k", "c", "x").error.contains("A new journal was made in "))
        #expect(try shop.run("add", "j/k", "c", "x").error == "")
    }

    /// Reading needs no right to write; adding says what it lacks.
    @Test func readOnlyDirectory() throws {
        guard geteuid() != 0 else {
            print("skipped: root may write everywhere")
            return
        }
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try shop.shell("chmod -R a-w j")
        defer { _ = try? shop.shell("chmod -R u+w j") }
        for command in ["export", "show", "log", "replay", "verify", "stats", "doctor"] {
            #expect(try shop.run(command, "j").status == 0, "\(command)")
        }
        #expect(try shop.run("add", "j", "c", "x").status == 2)
    }

    /// A reader that has seen enough is no error.
    @Test(arguments: [
        "export j", "log j", "show j c", "export j --salvage", "log j --salvage", "log j --reverse",
    ])
    func brokenPipe(_ command: String) throws {
        let shop = try Workshop()
        let line = #"{"conversation":"c","content":"\#(String(repeating: "word ", count: 100))"}"#
        try shop.run("import", "j", input: Array(repeating: line, count: 2000).joined(separator: "\n"))
        let outcome = try shop.shell("{ \"$T\" \(command); echo $? > status; } | head -n 1 > /dev/null")
        #expect(outcome.error == "")
        #expect(String(decoding: try shop.read("status"), as: UTF8.self) == "0\n")
    }

    @Test func fullOutput() throws {
        guard FileManager.default.fileExists(atPath: "/dev/full") else {
            print("skipped: there is no /dev/full")
            return
        }
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let outcome = try shop.shell("\"$T\" export j > /dev/full")
        #expect(outcome.status == 2)
        #expect(outcome.error.contains("stdout"))
    }

    @Test func missingInput() throws {
        let shop = try Workshop()
        let outcome = try shop.run("import", "j", "nowhere.jsonl", "--json")
        #expect(outcome.status == 2)
        #expect(outcome.error.contains(#""code":"system""#))
        #expect(outcome.error.contains(#""path":"nowhere.jsonl""#))
        #expect(try shop.run("import", "j", "/").status == 2)
        #expect(!FileManager.default.fileExists(atPath: shop.path("j")))
    }

    /// Beside a process that writes others read, and write.
    @Test func besideAWriter() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let line = #"{"conversation":"c","content":"x"}"#
        let input = Pipe()
        let importing = try shop.start(["import", "j", "--batch", "1"], pipe: input)
        defer { importing.process.terminate() }
        try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
        for _ in 0..<500 {
            if try shop.run("export", "j").lines.count == 4 { break }
            usleep(10_000)
        }
        let doctor = try shop.run("doctor", "j").out
        #expect(
            doctor.contains("open for writing in process \(importing.process.processIdentifier) on "),
            "\(doctor)")
        #expect(
            try shop.run("stats", "j", "--json").out.contains(
                #""pid":\#(importing.process.processIdentifier)"#))
        for command in ["export", "log", "replay", "verify", "stats"] {
            #expect(try shop.run(command, "j").status == 0, "\(command)")
        }
        let added = try shop.run("add", "j", "c", "y", "--json")
        #expect(added.status == 0, "\(added.error)")
        #expect(try shop.run("export", "j").lines.count == 5)
        try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
        for _ in 0..<500 {
            if try shop.run("export", "j").lines.count == 6 { break }
            usleep(10_000)
        }
        #expect(try shop.run("export", "j").lines.count == 6)
    }

    // MARK: Damage

    /// A journal of three frames, with a bit flipped in the middle one.
    private func damagedJournal() throws -> Workshop {
        let shop = try Workshop()
        for number in 1...3 { try shop.run("add", "j", "c", "memory number \(number)") }
        let log = try FileManager.default.contentsOfDirectory(atPath: shop.path("j/log")).sorted()
        let name = "j/log/\(log.last!)"
        var bytes = try shop.read(name)
        // Frames begin behind the header's two copies; the second lies about half way.
        let end = bytes.lastIndex { $0 != 0 }!
        bytes[(1024 + end) / 2] ^= 0x04
        try shop.write(bytes, to: name)
        return shop
    }

    @Test func damageIsNamed() throws {
        let shop = try damagedJournal()
        let verify = try shop.run("verify", "j", "--json")
        #expect(verify.status == 1)
        #expect(verify.out.contains(#""healthy":false"#))
        #expect(
            verify.out.contains(
                #/"problems":\[\{"file":"log/[-0-9]+\.segment","first_sequence":2,"kind":"frame","last_sequence":2,"message":"[^"]+","offset":\d+\}\]/#
            ),
            "\(verify.out)")
        #expect(try shop.run("verify", "j").out.contains("damaged: log/"))

        for command in [
            ["export"], ["show"], ["log"], ["replay"], ["stats"], ["add", "c", "x"], ["forget", "1"],
        ] {
            let outcome = try shop.start([command[0], "j"] + command.dropFirst() + ["--json"]).wait()
            #expect(outcome.status == 1, "\(command)")
            #expect(
                outcome.error.contains(#"{"error":{"code":"damaged","message":""#),
                "\(command): \(outcome.error)")
            #expect(outcome.error.contains(#""offset":"#), "\(command)")
        }
        let doctor = try shop.run("doctor", "j", "--json")
        #expect(doctor.status == 1)
    }

    @Test func salvageReadsBothSides() throws {
        let shop = try damagedJournal()
        let export = try shop.run("export", "j", "--salvage", "--json")
        #expect(export.status == 1)
        #expect(export.lines.count == 2)
        #expect(export.out.contains("memory number 1"))
        #expect(export.out.contains("memory number 3"))
        #expect(export.error.contains(#"{"error":{"code":"damaged","message":""#))
        #expect(export.error.contains("sequences 2 to 2"), "\(export.error)")
        let log = try shop.run("log", "j", "--salvage")
        #expect(log.status == 1)
        #expect(log.lines.count == 2)
        #expect(try shop.run("export", "j", "--salvage", "--at", "2").lines.count == 1)
        #expect(try shop.run("log", "j", "--salvage", "--from", "2").lines.count == 1)
        // What is salvaged can be kept.
        #expect(
            try shop.shell("\"$T\" export j --salvage 2>/dev/null | \"$T\" import k").out.hasPrefix(
                "2 lines: 2 added"))
        try shop.makeSmallHealthyJournal()
        #expect(try shop.run("export", "h", "--salvage").status == 0)
    }

    /// A torn tail is no damage.
    @Test func tornTail() throws {
        let shop = try Workshop()
        try shop.makeSmallHealthyJournal()
        let log = try FileManager.default.contentsOfDirectory(atPath: shop.path("h/log")).sorted()
        try shop.write(Data(), to: "h/lock")
        let name = "h/log/\(log.last!)"
        let bytes = try shop.read(name)
        try shop.write(bytes.dropLast(16), to: name)
        let export = try shop.run("export", "h")
        #expect(export.status == 0, "\(export.error)")
        #expect(export.lines.count == 1)
        #expect(try shop.run("verify", "h").status == 0)
        #expect(try shop.run("doctor", "h").out.contains("not closed cleanly"))
    }
}

extension Workshop {
    /// A journal `h` of two memories.
    fileprivate func makeSmallHealthyJournal() throws {
        try run("add", "h", "c", "one")
        try run("add", "h", "c", "two")
    }
}
