import Foundation
import Testing

/// The exact JSON of section 9, canonical: keys in order of their bytes, no white space, one newline.
@Suite(.timeLimit(.minutes(60))) struct ContractTests {
    @Test func receipts() throws {
        let shop = try Workshop()
        #expect(
            try shop.run("add", "j", "a/1", "hello", "--key", "k", "--json").masked
                == #"{"conversation":"a/1","recorded":"TIME","replayed":false,"sequence":1}"# + "\n")
        #expect(
            try shop.run("add", "j", "a/1", "hello", "--key", "k", "--json").masked
                == #"{"conversation":"a/1","recorded":"TIME","replayed":true,"sequence":1}"# + "\n")
        #expect(
            try shop.run("flush", "j", "after", "--json").masked
                == #"{"label":"after","recorded":"TIME","replayed":false,"sequence":2}"# + "\n")
        #expect(
            try shop.run("flush", "j", "--json").masked
                == #"{"recorded":"TIME","replayed":false,"sequence":3}"# + "\n")
        #expect(
            try shop.run("replace", "j", "1", "bye", "--json").masked
                == #"{"conversation":"a/1","recorded":"TIME","replayed":false,"sequence":5}"# + "\n")
        #expect(
            try shop.run("forget", "j", "5", "5", "--json").masked
                == #"{"conversation":"a/1","recorded":"TIME","replayed":false,"sequence":6,"target":5}"#
                + "\n")
        #expect(
            try shop.run("clear", "j", "a/1", "--json").masked
                == #"{"conversation":"a/1","recorded":"TIME","replayed":false,"sequence":7}"# + "\n")
    }

    @Test func exportAndShow() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let first =
            #"{"content":"first","conversation":"a/1","idempotency_key":"k1","metadata":{"topic":"tea"},"#
            + #""role":"user","sequence":1,"timestamp":"TIME"}"# + "\n"
        let third = #"{"content":"third","conversation":"a/1","sequence":4,"timestamp":"TIME"}"# + "\n"
        let second =
            #"{"content":"second","conversation":"b/2","role":"assistant","sequence":3,"timestamp":"TIME"}"#
            + "\n"
        #expect(try shop.run("export", "j").masked == first + third + second)
        #expect(try shop.run("export", "j", "--conversation", "b/2").masked == second)
        #expect(try shop.run("export", "j", "--conversation", "b").out == "")
        #expect(
            try shop.run("show", "j", "a/1", "--json").out
                == shop.run("export", "j", "--conversation", "a/1").out)
        #expect(try shop.run("show", "j", "a/1", "--last", "1", "--json").masked == third)
        #expect(
            try shop.run("show", "j", "--json").masked
                == #"{"conversation":"a/1","last_sequence":4,"memories":2,"timestamp":"TIME"}"# + "\n"
                + #"{"conversation":"b/2","last_sequence":3,"memories":1,"timestamp":"TIME"}"# + "\n")
    }

    @Test func log() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try shop.run("forget", "j", "3")
        try shop.run("clear", "j", "a/1")
        let lines = try shop.run("log", "j", "--json").masked.split(separator: "\n")
        #expect(
            lines.first
                == #"{"content":"first","conversation":"a/1","idempotency_key":"k1","kind":"added","metadata":{"topic":"tea"},"recorded":"TIME","role":"user","sequence":1,"timestamp":"TIME"}"#
        )
        #expect(
            lines.dropFirst().first == #"{"kind":"flushed","label":"start","recorded":"TIME","sequence":2}"#)
        #expect(
            lines.suffix(2) == [
                #"{"conversation":"b/2","kind":"forgotten","recorded":"TIME","sequence":5,"target":3}"#,
                #"{"conversation":"a/1","kind":"cleared","recorded":"TIME","sequence":6}"#,
            ])
        let text = try shop.run("log", "j").masked.split(separator: "\n")
        #expect(text.first == "   1  TIME  added      user       a/1  first")
        #expect(text.dropFirst().first == "   2  TIME  flushed               start")
        #expect(text.last == "   6  TIME  cleared               a/1")
    }

    @Test func replayVerifyStats() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let replay = try shop.run("replay", "j", "--json")
        #expect(
            replay.masked
                == #"{"conversations":2,"digest":"HASH","events":4,"from_snapshot":false,"last_sequence":4,"memories":3,"seconds":S}"#
                + "\n")
        #expect(try shop.run("replay", "j", "--from-scratch", "--verify", "--json").masked == replay.masked)
        #expect(try shop.run("replay", "j", "--at", "1", "--json").out.contains(#""memories":1"#))
        let verify = try shop.run("verify", "j", "--json")
        #expect(verify.status == 0)
        #expect(verify.out.hasPrefix(#"{"events":4,"frames":"#))
        #expect(
            verify.out.replacing(#/"segments":[1-9]/#, with: "\"segments\":N").hasSuffix(
                #""healthy":true,"last_sequence":4,"problems":[],"segments":N,"snapshots":0}"# + "\n"))
        let stats = try shop.run("stats", "j", "--json").out.replacing(
            #/_bytes":[1-9]\d*/#, with: "_bytes\":N"
        )
        .replacing(#/"segments":[1-9]/#, with: "\"segments\":N")
        #expect(
            stats
                == #"{"conversations":2,"disk_bytes":N,"events":4,"last_sequence":4,"log_bytes":N,"memories":3,"#
                + #""open_in":[],"raw_bytes":N,"segments":N,"snapshot_bytes":0,"snapshot_sequence":0}"# + "\n"
        )
    }

    /// The digest can be checked without the tool.
    @Test func digestIsThatOfTheExport() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let sum = try shop.shell("\"$T\" export j | sha256sum").out.prefix(64)
        #expect(try shop.run("replay", "j", "--json").out.contains("\"digest\":\"\(sum)\""))
    }

    @Test func doctorFindsNothingWrong() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let doctor = try shop.run("doctor", "j", "--json")
        #expect(doctor.status == 0)
        for name in ["storage", "space", "permissions", "sync", "age", "open", "closed"] {
            #expect(doctor.out.contains(#""name":"\#(name)""#), "\(name)")
        }
        #expect(try shop.run("doctor", "j").out.contains("a sync takes"))
        let left = try FileManager.default.contentsOfDirectory(atPath: shop.path("j")).sorted()
        #expect(left == ["journal.json", "lock", "log", "snapshots"])
    }

    @Test func usageIs64() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let wrong: [[String]] = [
            [], ["show"], ["nonsense"], ["show", "j", "--bogus"], ["show", "j", "--last", "2"],
            ["show", "j", "a", "--last", "x"],
            ["add", "j", "a", "x", "--metadata", "novalue"], ["add", "j", "a", "x", "--metadata-json", "[]"],
            ["add", "j", "a", "x", "--metadata-json", "{"], ["add", "j", "", "x"],
            ["add", "j", "a\u{1}b", "x"],
            ["add", "j", String(repeating: "x", count: 513), "x"], ["add", "j", "a", "x", "--key", ""],
            ["add", "j", "a", "x", "--metadata", "k=1", "--metadata", "k=2"], ["add", "", "a", "x"],
            ["import", "j", "--batch", "0"], ["import", "j", "--conversation", ""], ["forget", "j", "x"],
            ["forget", "j"],
            ["log", "j", "--follow", "--reverse"], ["show", "j", "--at", "date:yesterday"],
            ["show", "j", "--at", "seq:x"],
            ["show", "j", "--at", "99999999999999999999"], ["flush", "j", "a\nb"], ["clear", "j", "\u{7F}"],
            ["compact", "j", "--receipt", "r"], ["snapshot"], ["repair"], ["history", "j"],
            ["diff", "j", "a", "1"],
            ["backup", "j"],
        ]
        for arguments in wrong where !arguments.isEmpty {
            let outcome = try shop.start(arguments, input: Data()).wait()
            #expect(outcome.status == 64, "\(arguments): \(outcome.error)")
            #expect(outcome.out == "", "\(arguments)")
            #expect(!outcome.error.isEmpty, "\(arguments)")
        }
        let json = try shop.run("show", "j", "--bogus", "--json")
        #expect(json.status == 64)
        #expect(json.error.hasPrefix(#"{"error":{"code":"usage","message":""#))
        #expect(json.error.hasSuffix("\"}}\n"))
    }

    @Test func argumentThatIsNotUTF8() throws {
        let shop = try Workshop()
        let outcome = try shop.shell(#""$T" add j "$(printf 'a\377b')" text"#)
        #expect(outcome.status == 64)
        #expect(outcome.error.contains("not UTF-8"))
        #expect(!FileManager.default.fileExists(atPath: shop.path("j")))
    }

    @Test func helpTeachesByExample() throws {
        let shop = try Workshop()
        let root = try shop.run("--help")
        #expect(root.status == 0)
        #expect(root.error == "")
        #expect(root.out.contains("--generate-completion-script"))
        let commands = [
            "add", "import", "export", "show", "log", "flush", "forget", "clear", "replace", "replay",
            "verify", "stats",
            "doctor",
        ]
        for command in commands {
            let help = try shop.run(command, "--help")
            #expect(help.status == 0)
            #expect(
                help.out.components(separatedBy: "  agent-journal ").count >= 3, "\(command) shows examples")
            #expect(root.out.contains("\n  \(command) "), "\(command)")
        }
        for shell in ["bash", "zsh", "fish"] {
            let script = try shop.run("--generate-completion-script", shell)
            #expect(script.status == 0)
            #expect(script.out.contains("doctor"), "\(shell)")
        }
    }
}
