import Foundation
import Testing

/// Points, the log, and what is shown where.
@Suite(.timeLimit(.minutes(60))) struct LookingTests {
    @Test func points() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let times = try shop.run("log", "j", "--json").out.matches(of: #/"recorded":"([^"]+)"/#).map {
            String($0.1)
        }
        func contents(_ point: String) throws -> [String] {
            try shop.run("export", "j", "--at", point).out.matches(of: #/"content":"([^"]*)"/#).map {
                String($0.1)
            }
        }
        #expect(try contents("0") == [])
        #expect(try contents("1") == ["first"])
        #expect(try contents("seq:3") == ["first", "second"])
        #expect(try contents("start") == ["first"])
        #expect(try contents("label:start") == ["first"])
        #expect(try contents(times[2]) == ["first", "second"])
        #expect(try contents("date:\(times[0])") == ["first"])
        #expect(try contents("1999-01-01T00:00:00Z") == [])
        try shop.run("flush", "j", "3")
        #expect(try contents("3") == ["first", "second"])
        #expect(try contents("label:3") == ["first", "third", "second"])

        for point in ["6", "nowhere", "label:1"] {
            let missing = try shop.run("show", "j", "a/1", "--at", point, "--json")
            #expect(missing.status == 2)
            #expect(missing.error.contains(#""code":"no_such_point""#))
        }
        try shop.run("clear", "j", "a/1")
        #expect(try shop.run("show", "j", "a/1", "--json").out == "")
        #expect(try shop.run("show", "j", "a/1").error.contains("no memories"))
        #expect(try shop.run("show", "j", "a/1", "--at", "start", "--json").lines.count == 1)
        #expect(try shop.run("show", "j", "--at", "start").lines.count == 2)
    }

    @Test func logRanges() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        func sequences(_ arguments: String...) throws -> [Int] {
            try shop.start(["log", "j", "--json"] + arguments).wait().out.matches(of: #/"sequence":(\d+)/#)
                .compactMap { Int($0.1) }
        }
        let times = try shop.run("log", "j", "--json").out.matches(of: #/"recorded":"([^"]+)"/#).map {
            String($0.1)
        }
        #expect(try sequences() == [1, 2, 3, 4])
        #expect(try sequences("--reverse") == [4, 3, 2, 1])
        #expect(try sequences("--from", "2", "--to", "3") == [2, 3])
        #expect(try sequences("--from", "2", "--to", "3", "--reverse") == [3, 2])
        #expect(try sequences("--from", "start") == [2, 3, 4])
        #expect(try sequences("--to", "start", "--reverse") == [2, 1])
        #expect(try sequences("--from", times[2], "--to", times[3]) == [3, 4])
        #expect(try sequences("--to", times[1], "--reverse") == [2, 1])
        #expect(try sequences("--conversation", "a/1") == [1, 4])
        #expect(try sequences("--from", "9") == [])
        #expect(try sequences("--from", "3", "--to", "2") == [])
        #expect(try sequences("--from", "3", "--to", "2", "--reverse") == [])
        #expect(try sequences("--to", "0", "--reverse") == [])
        #expect(try sequences("--salvage", "--from", "start") == [2, 3, 4])
        #expect(try shop.run("log", "j", "--from", "nowhere").status == 2)
    }

    /// One event is one line, also in a pipe, and no longer than it may be.
    @Test func logLineOfAnyContent() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", input: "two\nlines\u{1B}[2J \(String(repeating: "x", count: 100))")
        let line = try shop.run("log", "j").out
        #expect(line.hasSuffix("c  two\\nlines\\u001b[2J \(String(repeating: "x", count: 39))…\n"), "\(line)")
    }

    @Test func followOfARemovedJournal() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let running = try shop.start(["log", "j", "--follow", "--json", "--from", "4"])
        #expect(try running.waitForOutput(containing: "\n"))
        try FileManager.default.removeItem(atPath: shop.path("j"))
        let ended = try running.wait()
        #expect(ended.status == 2)
        #expect(ended.error.contains("no_journal") && ended.error.contains("was removed or replaced"))
    }

    @Test(arguments: [SIGINT, SIGTERM]) func follow(_ signal: Int32) throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let running = try shop.start(["log", "j", "--follow", "--json", "--from", "4"])
        #expect(try running.waitForOutput(containing: #""content":"third""#))
        try shop.run("add", "j", "a/1", "while it follows")
        #expect(try running.waitForOutput(containing: #""content":"while it follows""#))
        try shop.run("flush", "j", "and again")
        #expect(try running.waitForOutput(containing: #""label":"and again""#))
        running.send(signal)
        let result = try running.wait()
        #expect(result.status == 0)
        #expect(result.lines.count == 3)
        #expect(result.error == "")
    }

    @Test func showInAPipe() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "--role", "user", input: "red \u{1B}[31m\nnext")
        try shop.run(
            "add", "j", "c", "--metadata", "k=v", "--role", "assistant",
            input: String(repeating: "word ", count: 60))
        let shown = try shop.run("show", "j", "c").out
        #expect(shown.contains("  user       red \u{1B}[31m\n"), "as it is")
        #expect(shown.contains("\n                                    next\n"), "aligned")
        #expect(shown.contains(String(repeating: "word ", count: 60)), "not wrapped")
        #expect(shown.contains(#"{"k":"v"}"#))
    }

    /// On a terminal nothing that a memory holds is obeyed.
    @Test func showOnATerminal() throws {
        let shop = try Workshop()
        guard try shop.shell("command -v script && script --version").out.contains("util-linux") else {
            print("skipped: no util-linux `script` to make a terminal with")
            return
        }
        try shop.run("add", "j", "c", "--role", "user", input: "red \u{1B}[31m \u{9B}2J\u{202E}\nnext \u{7}")
        try shop.run("add", "j", "c", input: String(repeating: "word ", count: 60))
        let shown = try shop.shell(
            #"NO_COLOR=1 TERM=xterm script -qec "stty cols 60; '$T' show j c" /dev/null < /dev/null"#
        ).out
        #expect(shown.contains(#"red \u001b[31m \u009b2J\u202e"#), "\(shown)")
        #expect(shown.contains(#"next \u0007"#))
        #expect(!shown.contains("\u{1B}"), "NO_COLOR")
        #expect(shown.components(separatedBy: "\r\n").allSatisfy { $0.count <= 60 })
        let coloured = try shop.shell(
            #"unset NO_COLOR; TERM=xterm script -qec "stty cols 60; '$T' show j c" /dev/null < /dev/null"#
        ).out
        #expect(coloured.contains("\u{1B}[36muser"))
        #expect(!coloured.contains("\u{1B}[31m"))
    }
}
