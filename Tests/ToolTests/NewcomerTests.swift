import Foundation
import Testing

/// What somebody meets who does not know the tool yet: mistyped commands, points in any form, empty input, names that look alike.
@Suite(.timeLimit(.minutes(60))) struct NewcomerTests {
    @Test(arguments: [
        (["shwo", "j"], "did you mean show?"), (["list", "j"], "did you mean show?"),
        (["delete", "j", "1"], "did you mean forget?"),
        (["improt", "j"], "did you mean import?"), (["hepl"], "did you mean help?"),
        (["ADD", "j"], "did you mean add?"),
        (["help", "nothing"], "There is no command 'nothing'."), (["help", "shwo"], "did you mean show?"),
        (["frobnicate"], "There is no command 'frobnicate'."), (["", "j"], "There is no command ''."),
    ])
    func mistyped(_ arguments: [String], _ message: String) throws {
        let shop = try Workshop()
        let result = try shop.start(arguments).wait()
        #expect(result.status == 64 && result.out == "")
        #expect(result.error.contains(message), "\(result.error)")
        let json = try shop.start(arguments + ["--json"]).wait()
        #expect(
            json.status == 64
                && json.error.hasPrefix(#"{"error":{"code":"usage","message":"There is no command"#))
    }

    @Test(arguments: [
        ["help"], ["help", "show"], ["help", "help"], ["show", "--help"], ["--help"], ["--version"],
    ])
    func help(_ arguments: [String]) throws {
        let shop = try Workshop()
        let result = try shop.start(arguments).wait()
        #expect(result.status == 0 && !result.out.isEmpty, "\(result.error)")
    }

    /// All forms of a point, for all options that take one.
    @Test func points() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try shop.run("flush", "j", "now")
        for now in [
            "now", "-0s", "now-0h", "2999-01-01", "2999-01-01T10:00", "2999-01-01T10:00:00",
            "date:2999-01-01", "label:now",
        ] {
            #expect(try shop.run("show", "j", "a/1", "--at", now).lines.count == 3, "\(now)")
            #expect(try shop.run("export", "j", "--at", now).lines.count == 3, "\(now)")
            #expect(try shop.run("log", "j", "--to", now).lines.count == 5, "\(now)")
        }
        for past in [
            "-1h", "-90m", "-3600s", "-7d", "-2w", "now-1h", "date:-1h", "2001-01-01", "2001-01-01 10:00",
        ] {
            #expect(try shop.run("export", "j", "--at", past).out == "", "\(past)")
            #expect(try shop.run("log", "j", "--from", past).lines.count == 5, "\(past)")
            #expect(try shop.run("replay", "j", "--at", past).status == 0, "\(past)")
        }
        #expect(try shop.run("diff", "j", "a/1", "now-1h", "now").lines.count == 3)
    }

    /// What is no point is told with the forms that there are.
    @Test(arguments: [
        "yesterday", "-1x", "-h", "--json", "2025-13-01", "date:soon", "", "seq:x", "-99999999999999999w",
    ])
    func noPoint(_ point: String) throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        for arguments in [
            ["show", "j", "a/1", "--at", point], ["log", "j", "--from", point],
            ["export", "j", "--at", point],
        ] {
            let result = try shop.start(arguments).wait()
            #expect(result.status == 2 || result.status == 64, "\(result.out)")
            #expect(
                result.error.contains(point == "seq:x" ? "such as 17" : "A point is a sequence (17), a time"),
                "\(result.error)")
        }
    }

    @Test func emptyInput() throws {
        let shop = try Workshop()
        let refused = try shop.run("add", "j", "c", input: "")
        #expect(refused.status == 2 && refused.error.contains("--empty"), "\(refused.error)")
        #expect(!FileManager.default.fileExists(atPath: shop.path("j")))
        #expect(try shop.run("add", "j", "c", "--mime-type", "image/png", input: "").status == 2)
        #expect(try shop.run("add", "j", "c", "--empty", input: "").status == 0)
        #expect(try shop.run("add", "j", "c", "").status == 0)
        #expect(try shop.run("replace", "j", "1", input: "").status == 2)
        #expect(try shop.run("show", "j", "c", "--json").lines.count == 2)
    }

    @Test func clearOfNothing() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let never = try shop.run("clear", "j", "a/l")
        #expect(
            never.status == 0 && never.error.contains(#"There never was a conversation "a/l""#),
            "\(never.error)")
        #expect(!(try shop.run("clear", "j", "a/1").error.contains("never was")))
    }

    /// Roles stand in a column, and a message that only calls tools says so.
    @Test func logOfADialogue() throws {
        let shop = try Workshop()
        let lines = #"""
            {"role":"user","content":"How warm?"}
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"weather","arguments":"{}"}}]}
            {"role":"tool","content":[{"call_id":"1","name":"weather","content":"24 degrees","is_error":false}]}
            {"role":"assistant","content":[{"id":"2","name":"forecast","arguments":"{\"days\":1}"}]}
            {"role":"assistant","content":[{"type":"text","text":"Let me see"},{"type":"tool_use","name":"f","input":{"a":1}}]}
            {"content":""}
            {"role":"user","content":[1,"plain"]}
            """#
        try shop.run("import", "j", "--conversation", "c", input: lines)
        try shop.run("flush", "j", "end")
        #expect(
            try shop.run("log", "j").masked == #"""
                   1  TIME  added      user       c  How warm?
                   2  TIME  added      assistant  c  calls weather({})
                   3  TIME  added      tool       c  result of weather: 24 degrees
                   4  TIME  added      assistant  c  calls forecast({"days":1})
                   5  TIME  added      assistant  c  Let me see; calls f({"a":1})
                   6  TIME  added      -          c  <empty>
                   7  TIME  added      user       c  [1,"plain"]
                   8  TIME  flushed               end

                """#)
    }

    @Test func sizesHaveUnits() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", input: String(repeating: "x", count: 3 << 20))
        let text = try shop.run("stats", "j").out
        #expect(
            text.contains(#/raw_bytes +3\.0 MiB\n/#) && text.contains(#/snapshot_bytes +0 bytes\n/#),
            "\(text)")
        #expect(try shop.run("stats", "j", "--json").out.contains(#/"raw_bytes":31457\d\d/#))
    }

    /// What turns writing around or is not to be seen is escaped wherever a name is shown, in pipes too.
    @Test(arguments: [
        "a\u{202E}gpj", "a\u{2066}b", "a\u{200F}b", "a\u{200B}b", "a\u{FEFF}b", "a\u{61C}b", "a\u{2028}b",
    ])
    func hiddenCharacters(_ name: String) throws {
        let shop = try Workshop()
        let hidden = try #require(name.unicodeScalars.first { !$0.isASCII })
        let runs = try [
            shop.run("add", "j", name, "x", "--role", name), shop.run("flush", "j", name),
            shop.run("show", "j"),
            shop.run("show", "j", name), shop.run("show", "j", name + "2"), shop.run("log", "j"),
            shop.run("history", "j", "1"),
            shop.run("replace", "j", "1", "y"), shop.run("forget", "j", "4"),
            shop.run("show", "j", "--at", "label:" + name + "2"),
            shop.run("diff", "j", name, "1", "5"), shop.run("add", "j", name, "z", "--expect", "1"),
            shop.run("clear", "j", name + "3"),
            shop.run("replay", "j", "--verify"), shop.run("add", "j/" + name, "c", "x"),
            shop.run("doctor", "j/" + name),
        ]
        for run in runs {
            #expect(!(run.out + run.error).unicodeScalars.contains(hidden), "\(run.out)\(run.error)")
        }
    }

    /// Two names that only their bytes tell apart: the second is marked, and a look at one that is not there names the other.
    @Test func namesThatLookTheSame() throws {
        let shop = try Workshop()
        let names = ["caf\u{E9}", "cafe\u{301}", "a\u{200D}b", "ab", "\u{212B}", "\u{C5}", "other"]
        for name in names { try shop.run("add", "j", name, "x") }
        let lines = try shop.run("show", "j").lines
        #expect(lines.count == 8)
        #expect(lines.count { $0.contains("looks like one above") } == 3, "\(lines)")
        #expect(
            lines.contains { $0.hasSuffix(#"but is caf\u00e9"#) }
                && lines.contains { $0.hasSuffix(#"but is \u212b"#) }, "\(lines)")
        let missing = try shop.run("show", "j", "A\u{30A}")
        #expect(
            missing.error.contains(#"there are some in what looks the same: \u00c5, \u212b"#),
            "\(missing.error)")
    }
}
