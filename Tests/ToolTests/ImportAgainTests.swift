import Foundation
import Testing

/// Importing again: keys, what comes twice under one, and going on after a stop.
@Suite(.timeLimit(.minutes(60))) struct ImportAgainTests {
    private func lines(_ contents: [String], id: Int? = nil) -> String {
        contents.map {
            #"{"conversation":"c","content":"\#($0)"\#(id.map { ",\"id\":\($0)" } ?? "")}"# + "\n"
        }.joined()
    }

    private func contents(_ shop: Workshop, _ journal: String) throws -> [String] {
        try shop.run("export", journal).lines.compactMap { line in
            line.firstMatch(of: #/"content":"([^"]*)"/#).map { String($0.1) }
        }
    }

    /// A stop says which lines are in and how to go on; going on so, nothing is there twice and nothing is missing.
    @Test(arguments: ["1", "5", "500"]) func goingOn(_ batch: String) throws {
        let shop = try Workshop()
        let good = (1...12).map { "m\($0)" }
        let bad = lines(good).replacing(#""m11""#, with: #""\ud800""#)
        let stopped = try shop.run("import", "j", "--batch", batch, input: bad)
        #expect(stopped.status == 2)
        let next = stopped.error.firstMatch(of: #/--from-line (\d+) besides/#).map { String($0.1) }
        #expect((next == nil) == (batch == "500"), "\(stopped.error)")
        #expect(
            try shop.run("import", "j", "--batch", batch, "--from-line", next ?? "1", input: lines(good))
                .status == 0)
        #expect(try contents(shop, "j") == good)
    }

    @Test func goingOnInADocument() throws {
        let shop = try Workshop()
        let text = #"[{"content":"1"},\#n{"content":"2"},\#n{"role":7,"content":"3"}]"#
        let stopped = try shop.run(
            "import", "j", "--format", "json", "--conversation", "c", "--batch", "1", input: text)
        #expect(stopped.error.contains("all to record 2. To go on, give --from-line 3"), "\(stopped.error)")
        let mended = text.replacing(#""role":7"#, with: #""role":"user""#)
        try shop.run(
            "import", "j", "--format", "json", "--conversation", "c", "--from-line", "3", input: mended)
        #expect(try contents(shop, "j") == ["1", "2", "3"])
    }

    /// With keys a repeated import needs no such care, and the error says so.
    @Test func goingOnWithKeys() throws {
        let shop = try Workshop()
        let bad = lines(["1", "2", "1", #"\ud800"#, "1"])
        let stopped = try shop.run("import", "j", "--batch", "1", "--key-of-content", input: bad)
        #expect(stopped.error.contains("not added again"), "\(stopped.error)")
        let all = ["1", "2", "1", "4", "1"]
        try shop.run("import", "j", "--key-of-content", input: lines(all))
        #expect(try contents(shop, "j") == all)
        // What is passed over counts for the ordinals of equal lines.
        let rest = try shop.run(
            "import", "j", "--key-of-content", "--from-line", "4", input: bad.replacing(#"\ud800"#, with: "4")
        )
        #expect(rest.out.hasPrefix("2 lines: 0 added, 2 already there"), "\(rest.error)")
    }

    /// Keys of contents: equal lines stay several memories, and a repeated import adds none.
    @Test func keysOfContents() throws {
        let shop = try Workshop()
        let first = #"""
            {"conversation":"c","content":"yes","sequence":1}
            {"content":"yes","conversation":"c"}
            {"conversation":"d","content":"yes"}
            {"conversation":"c","content":"yes","n":1}
            {"conversation":"c","content":"no","idempotency_key":"own"}
            """#
        for round in 0..<3 {
            let result = try shop.run(
                "import", "j", "--key-of-content", "--batch", "\(round + 1)", input: first)
            #expect(result.out.hasPrefix("5 lines: \(round == 0 ? 5 : 0) added"), "\(result.error)")
            #expect(!result.error.contains("already, without keys"))
        }
        let keys = try shop.run("export", "j").out.matches(of: #/"idempotency_key":"([^"]*)"/#).map { $0.1 }
        #expect(keys.count == 5 && keys.contains("own") && keys.count { $0.hasPrefix("content:") } == 4)
        #expect(Set(keys).count == 4 || Set(keys).count == 5)
    }

    /// Lines without the member that --key-field names have no key, which is told, or one of their content.
    @Test func someLinesWithoutKeys() throws {
        let shop = try Workshop()
        let text = lines(["1"], id: 1) + lines(["2"]) + #"{"conversation":"c","content":"3","id":null}"#
        let result = try shop.run("import", "j", "--key-field", "id", input: text)
        #expect(result.status == 0 && result.error.contains(#"2 of 3 lines have no "id""#), "\(result.error)")
        #expect(
            try shop.run("import", "j", "--key-field", "id", input: text).out.hasPrefix(
                "3 lines: 2 added, 1 already"))
        for added in [3, 0] {
            let both = try shop.run("import", "k", "--key-field", "id", "--key-of-content", input: text)
            #expect(both.out.hasPrefix("3 lines: \(added) added"), "\(both.error)")
        }
    }

    /// A record that comes again with one more member in its metadata is passed over and told; another content stops.
    @Test func withoutAPolicy() throws {
        let shop = try Workshop()
        let again = #"{"conversation":"c","content":"1","id":1,"slug":"s"}"#
        for batch in ["1", "500"] {
            let result = try shop.run(
                "import", "j\(batch)", "--key-field", "id", "--batch", batch,
                input: lines(["1"], id: 1) + again)
            #expect(result.status == 0, "\(result.error)")
            #expect(
                result.error.contains("came again under a key with other metadata only"), "\(result.error)")
            #expect(try shop.run("export", "j\(batch)").lines.count == 1)
            let other = try shop.run("import", "j\(batch)", "--key-field", "id", input: lines(["2"], id: 1))
            #expect(other.status == 2 && other.error.contains("--on-conflict skip"), "\(other.error)")
            let role = #"{"conversation":"c","content":"1","role":"user","id":1}"#
            #expect(try shop.run("import", "j\(batch)", "--key-field", "id", input: role).status == 2)
        }
        let strict = try shop.run(
            "import", "k", "--key-field", "id", "--on-conflict", "stop", input: lines(["1"], id: 1) + again)
        #expect(strict.status == 2 && strict.error.contains("line 2: "), "\(strict.error)")
        #expect(try shop.run("import", "k", "--on-conflict", "ask", input: "").status == 64)
    }

    /// However often and in whatever batches: the first stays, or the newest is there.
    @Test(arguments: [
        ["A", "B"], ["A", "B", "A"], ["A", "B", "B"], ["A", "B", "A", "B"], ["A", "A", "B", "C", "A"],
    ])
    func policies(_ versions: [String]) throws {
        let shop = try Workshop()
        let text = lines(["before"]) + lines(versions, id: 1) + lines(["other"], id: 2)
        for batch in ["1", "2", "500"] {
            for _ in 0..<2 {
                let skip = [
                    "import", "s\(batch)", "--key-field", "id", "--on-conflict", "skip", "--batch", batch,
                    "--key-of-content",
                ]
                #expect(try shop.start(skip, input: Data(text.utf8)).wait().status == 0)
                #expect(try contents(shop, "s\(batch)") == ["before", "A", "other"])
                let replace = [
                    "import", "r\(batch)", "--key-field", "id", "--on-conflict", "replace", "--batch", batch,
                    "--key-of-content",
                ]
                #expect(try shop.start(replace, input: Data(text.utf8)).wait().status == 0)
                #expect(try contents(shop, "r\(batch)") == ["before", versions.last!, "other"])
            }
        }
    }

    /// A later file's newest version takes the place of what an earlier import put there; what was forgotten stays so.
    @Test func replacingAcrossImports() throws {
        let shop = try Workshop()
        func bring(_ version: String) throws -> Outcome {
            try shop.run(
                "import", "j", "--key-field", "id", "--on-conflict", "replace", input: lines([version], id: 1)
            )
        }
        for version in ["A", "B", "C"] { #expect(try bring(version).status == 0) }
        #expect(try contents(shop, "j") == ["C"])
        #expect(try shop.run("forget", "j", "5").status == 0)
        let late = try bring("D")
        #expect(late.status == 0 && late.error.contains("forgotten"), "\(late.error)")
        #expect(try contents(shop, "j") == [])
    }

    /// What was imported before without keys is told before it is added again.
    @Test func importedTwiceWithoutKeys() throws {
        let shop = try Workshop()
        let text = lines((1...30).map { "m\($0)" })
        try shop.write(text, to: "lines")
        #expect(!(try shop.run("import", "j", "lines").error.contains("already")))
        try shop.run("add", "j", "c", "and more")
        let again = try shop.run("import", "j", "lines")
        #expect(again.status == 0)
        #expect(
            again.error.contains(
                #"The first 10 lines are in conversation "c" already, without keys (sequence 1 to 10)"#),
            "\(again.error)")
        #expect(
            try shop.run("import", "j", "lines", "--key-of-content").error.contains("already, without keys"))
        #expect(!(try shop.run("import", "j", input: lines(["m1", "another"])).error.contains("already")))
        // Its own time tells one "yes" from another.
        let timed = { (second: Int) in
            #"{"conversation":"t","content":"yes","timestamp":"2025-01-01T00:00:0\#(second)Z"}"#
        }
        try shop.run("import", "j", input: timed(1))
        #expect(!(try shop.run("import", "j", input: timed(2)).error.contains("already")))
    }
}
