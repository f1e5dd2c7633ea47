import Foundation
import Testing

@Suite(.timeLimit(.minutes(60))) struct ImportTests {
    /// Every member of a line, and what becomes of it.
    @Test(arguments: [
        (#"{"conversation":"c","content":"x"}"#, #""content":"x","conversation":"c""#),
        (#"{"conversation":"c","content":null}"#, #""content":"","conversation":"c""#),
        (#"{"conversation":"c"}"#, #""content":"","conversation":"c""#),
        (#"{"content":"x"}"#, #""content":"x","conversation":"default""#),
        (#"{"content":{"b":1.0,"a":[]}}"#, #""content":{"a":[],"b":1.0},"conversation":"default""#),
        (#"{"content":false}"#, #""content":false,"conversation":"default""#),
        (#"{"content":12345678901234567890}"#, #""content":12345678901234567890,"conversation":"default""#),
        (#"{"content_base64":"AAE="}"#, #""content_base64":"AAE=","conversation":"default""#),
        (#"{"role":"tool"}"#, #""role":"tool","#), (#"{"mime_type":"a/b"}"#, #""mime_type":"a/b","#),
        (#"{"idempotency_key":"k"}"#, #""idempotency_key":"k","#),
        (#"{"timestamp":"2025-03-01T10:30:00+01:00"}"#, #""timestamp":"2025-03-01T09:30:00.000000Z""#),
        (#"{"sequence":77}"#, #""content":"","conversation":"default","sequence":1,"#),
        (#"{"index":3,"tags":["b",{"c":null}]}"#, #""metadata":{"index":3,"tags":["b",{"c":null}]}"#),
        (#"{"metadata":{"a":1},"b":2}"#, #""metadata":{"a":1,"b":2}"#),
        (#"{"metadata":{"a":{"x":1,"y":2}},"a":{"y":2,"x":1}}"#, #""metadata":{"a":{"x":1,"y":2}}"#),
        (#"{"metadata":{}}"#, #""conversation":"default","sequence":1"#),
    ])
    func line(_ line: String, becomes expected: String) throws {
        let shop = try Workshop()
        let result = try shop.run("import", "j", "--conversation", "default", "--json", input: line)
        let empty =
            line.contains(#""content":null"#) || !line.contains("content") ? #","without_content":1"# : ""
        #expect(
            result.out == #"{"added":1,"conversations":1,"last_sequence":1,"lines":1,"replayed":0\#(empty)}"#
                + "\n",
            "\(result.error)")
        #expect(result.error.contains("no content") != empty.isEmpty)
        #expect(try shop.run("export", "j").out.contains(expected))
    }

    /// Every kind of line that cannot be taken: named by its number, and nothing of its batch is written.
    @Test(arguments: [
        #"{"conversation":"c","content":"cut"#, "[]", "7", "null", "{}}", #"{"content":"x"}"#,
        #"{"conversation":7}"#, #"{"conversation":null}"#, #"{"conversation":""}"#,
        #"{"conversation":"a\u0007"}"#,
        #"{"conversation":"\#(String(repeating: "é", count: 257))"}"#, #"{"conversation":"c","role":1}"#,
        #"{"conversation":"c","role":""}"#, #"{"conversation":"c","mime_type":{}}"#,
        #"{"conversation":"c","content_base64":"A"}"#, #"{"conversation":"c","content_base64":7}"#,
        #"{"conversation":"c","content":"x","content_base64":"AAE="}"#,
        #"{"conversation":"c","timestamp":"yesterday"}"#,
        #"{"conversation":"c","timestamp":1740821400}"#, #"{"conversation":"c","metadata":[]}"#,
        #"{"conversation":"c","metadata":{"a":1},"a":2}"#, #"{"conversation":"c","idempotency_key":7}"#,
        #"{"conversation":"c","idempotency_key":""}"#, #"{"conversation":"c","content":"a","content":"b"}"#,
        #"{"conversation":"c","content":{"a":1,"a":2}}"#, #"{"conversation":"c","content":"\ud800"}"#,
        "\u{FEFF}{\"conversation\":\"c\"}", #"{"conversation":"c","content":NaN}"#,
        #"{"conversation":"c","content":\#(String(repeating: "[", count: 300))\#(String(repeating: "]", count: 300))}"#,
    ])
    func badLine(_ bad: String) throws {
        let shop = try Workshop()
        let good = (1...6).map { #"{"conversation":"c","content":"\#($0)"}"# }
        // Two batches of two are good; the bad line is the second of the third batch.
        let text = (good[..<5] + [bad] + good[5...]).joined(separator: "\n") + "\n"
        let result = try shop.run("import", "j", "--batch", "2", "--json", input: text)
        #expect(result.status == 2)
        #expect(result.out == "")
        #expect(result.error.contains(#""message":"line 6: "#), "\(result.error)")
        #expect(result.error.contains("4 lines were imported"), "\(result.error)")
        let offset = good[..<5].reduce(0) { $0 + $1.utf8.count + 1 }
        let found = result.error.firstMatch(of: #/"offset":(\d+)/#).flatMap { Int($0.1) }
        #expect((offset...(offset + bad.utf8.count)).contains(try #require(found)))
        #expect(try shop.run("export", "j").lines.count == 4)
    }

    @Test func notUTF8() throws {
        let shop = try Workshop()
        let result = try shop.run(
            "import", "j", bytes: Array(#"{"conversation":"a"#.utf8) + [0xFF] + Array("\"}\n".utf8))
        #expect(result.status == 2)
        #expect(result.error.contains("line 1: "))
        #expect(!FileManager.default.fileExists(atPath: shop.path("j")), "a bad first line makes no journal")
    }

    @Test func contentOverTheLimit() throws {
        let shop = try Workshop()
        let large = String(repeating: "x", count: (16 << 20) + 1)
        let text =
            #"{"conversation":"c","content":"1"}"# + "\n" + #"{"conversation":"c","content":"\#(large)"}"#
            + "\n"
        let result = try shop.run("import", "j", "--json", input: text)
        #expect(result.status == 2)
        #expect(result.error.hasPrefix(#"{"note""#))
        #expect(
            result.error.contains(#"{"error":{"code":"too_large","message":"line 2: "#),
            "\(result.error.prefix(300))")
        #expect(try shop.run("export", "j").out == "")
        #expect(try shop.run("add", "j", "c", input: large).status == 2)
    }

    @Test func blankLinesAndEndings() throws {
        let shop = try Workshop()
        let text =
            "\n  \t\r\n{\"conversation\":\"c\",\"content\":\"1\"}\r\n\n{\"conversation\":\"c\",\"content\":\"2\"}"
        let result = try shop.run("import", "j", input: text)
        #expect(result.out == "2 lines: 2 added, 0 already there, in 1 conversations\n")
        #expect(try shop.run("import", "j", input: "").out.hasPrefix("0 lines: "))
        let bad = try shop.run("import", "j", input: "\n\n{\n")
        #expect(bad.error.contains("line 3: "))
    }

    /// Exporting and importing again gives the same memories, whatever they hold.
    @Test func roundTrip() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try shop.run("add", "j", "b/2", "--mime-type", "image/png", bytes: Array(0...255))
        try shop.run(
            "add", "j", "b/2", input: "control \u{1}\u{1B}[0m\u{7F} line\nline \"quoted\" \\ é e\u{301} 😀")
        let deep = String(repeating: "[", count: 256) + String(repeating: "]", count: 256)
        let json =
            #"{"conversation":"j","content":\#(deep)}"# + "\n"
            + #"{"conversation":"j","content":{"n":1.0e5}}"#
        #expect(try shop.run("import", "j", input: json).status == 0)
        try shop.run("flush", "j")
        try shop.run("forget", "j", "3")
        let result = try shop.shell(
            "\"$T\" export j > one; \"$T\" import k one > /dev/null && \"$T\" export k > two; "
                + "\"$T\" export j | \"$T\" import l --batch 1 >/dev/null && \"$T\" export l > three")
        #expect(result.status == 0, "\(result.error)")
        func withoutSequences(_ name: String) throws -> String {
            String(decoding: try shop.read(name), as: UTF8.self).replacing(#/"sequence":\d+,/#, with: "")
        }
        #expect(try withoutSequences("one") == withoutSequences("two"))
        #expect(try withoutSequences("one") == withoutSequences("three"))
    }

    @Test func twiceWithKeysAddsNothing() throws {
        let shop = try Workshop()
        let lines = (1...250).map {
            #"{"conversation":"c\#($0 % 7)","content":"memory \#($0)","id":\#($0),"index":\#($0)}"#
        }
        try shop.write(lines.joined(separator: "\n"), to: "lines")
        for (index, batch) in ["1", "3", "64", "500"].enumerated() {
            let result = try shop.run("import", "j", "lines", "--key-field", "id", "--batch", batch, "--json")
            let (added, replayed) = index == 0 ? (250, 0) : (0, 250)
            #expect(
                result.out
                    == #"{"added":\#(added),"conversations":7,"last_sequence":250,"lines":250,"replayed":\#(replayed)}"#
                    + "\n",
                "\(result.error)")
        }
        #expect(
            try shop.run("export", "j").out.contains(#""idempotency_key":"7","metadata":{"id":7,"index":7}"#))
        // A line that was changed is named, and the batch it is in is refused.
        try shop.write(
            (lines[..<99] + [lines[99].replacing("memory 100", with: "other")]).joined(separator: "\n"),
            to: "changed")
        let conflict = try shop.run("import", "j", "changed", "--key-field", "id", "--batch", "30", "--json")
        #expect(conflict.status == 2)
        #expect(conflict.error.contains(#""code":"key_conflict","message":"line 100: "#), "\(conflict.error)")
        #expect(conflict.error.contains("90 lines were imported (0 added, 90 already there)"))
    }

    @Test func conflictWithinABatch() throws {
        let shop = try Workshop()
        let text = ["a", "b", "a"].map { #"{"conversation":"c","idempotency_key":"k","content":"\#($0)"}"# }
        let result = try shop.run("import", "j", input: text.joined(separator: "\n"))
        #expect(result.status == 2)
        #expect(result.error.contains("line 2: "), "\(result.error)")
        #expect(try shop.run("export", "j").out == "")
    }

    @Test(arguments: [
        (#"{"conversation":"c","id":true}"#, "must be"), (#"{"conversation":"c","id":["a"]}"#, "must be"),
        (#"{"conversation":"c","id":"a","idempotency_key":"b"}"#, "is not its"),
    ])
    func keyFieldThatCannotServe(_ line: String, _ reason: String) throws {
        let shop = try Workshop()
        let result = try shop.run("import", "j", "--key-field", "id", input: line)
        #expect(result.status == 2)
        #expect(result.error.contains(reason), "\(result.error)")
    }

    @Test func keyFieldOfItsOwnName() throws {
        let shop = try Workshop()
        let line = #"{"conversation":"c","idempotency_key":17}"#
        #expect(try shop.run("import", "j", "--key-field", "idempotency_key", input: line).status == 0)
        #expect(
            try shop.run("export", "j").out.hasPrefix(
                #"{"content":"","conversation":"c","idempotency_key":"17","sequence""#))
    }

    @Test func gzip() throws {
        let shop = try Workshop()
        let lines = (1...2000).map { #"{"conversation":"c","content":"memory \#($0)"}"# + "\n" }
        try shop.write(lines[..<1000].joined(), to: "one")
        try shop.write(lines[1000...].joined(), to: "two")
        // Two members, as `cat a.gz b.gz` makes them, from a file and from a pipe that gives a byte at a time.
        try shop.shell("gzip one two; cat one.gz two.gz > both.gz; head -c 3000 both.gz > cut.gz")
        #expect(try shop.run("import", "j", "both.gz").out.hasPrefix("2000 lines: 2000 added"))
        #expect(
            try shop.shell("dd if=both.gz bs=1 2>/dev/null | \"$T\" import k").out.hasPrefix(
                "2000 lines: 2000 added"))
        #expect(try shop.run("export", "j").lines.count == 2000)

        let cut = try shop.run("import", "l", "cut.gz", "--batch", "10", "--json")
        #expect(cut.status == 2)
        #expect(
            cut.error.contains(#""code":"invalid_gzip","message":"The gzip data in cut.gz ends too early"#),
            "\(cut.error)")
        var damaged = try shop.read("both.gz")
        damaged[2000] ^= 0x10
        try shop.write(damaged, to: "damaged.gz")
        #expect(try shop.run("import", "m", "damaged.gz").error.contains("is damaged: "))
    }

    /// After SIGINT the batch in flight is in, the journal is closed cleanly, and the tool says how far it came.
    @Test(arguments: [SIGINT, SIGTERM]) func interrupted(_ signal: Int32) throws {
        let shop = try Workshop()
        let line = #"{"conversation":"c","content":"x"}"#
        // The pipe stays open: only the signal ends it.
        let input = Pipe()
        let running = try shop.start(["import", "j", "--batch", "10"], pipe: input)
        try input.fileHandleForWriting.write(contentsOf: Data(String(repeating: line + "\n", count: 25).utf8))
        for _ in 0..<500 {
            if try shop.run("stats", "j", "--json").out.contains(#""memories":20"#) { break }
            usleep(10_000)
        }
        running.send(signal)
        let result = try running.wait()
        #expect(result.status == 128 + signal)
        #expect(result.error.contains("20 lines were imported"), "\(result.error)")
        #expect(try shop.run("export", "j").lines.count == 20)
        #expect(try shop.run("doctor", "j").out.contains("closed cleanly"))
    }

    /// The figures of issue 2, as far as a build without optimisation can show them.
    @Test func taskmaster() throws {
        let data = Workshop.package.deletingLastPathComponent().appending(
            path: "shared/data/taskmaster4/messages.jsonl.gz")
        guard FileManager.default.fileExists(atPath: data.path) else {
            print("skipped: \(data.lastPathComponent) of taskmaster4 is not in ../shared/data")
            return
        }
        let shop = try Workshop()
        let result = try shop.run("import", "j", data.path, "--json")
        #expect(
            result.out
                == #"{"added":44630,"conversations":3710,"last_sequence":44630,"lines":44630,"replayed":0}"#
                + "\n")
        let replay = try shop.run("replay", "j", "--verify", "--json")
        #expect(replay.status == 0)
    }
}
