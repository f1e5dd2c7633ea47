import Foundation
import Testing

@Suite(.timeLimit(.minutes(60))) struct AddTests {
    /// stdin is kept byte for byte, also a newline at its end, and an empty one when that is asked for.
    @Test func textFromInput() throws {
        let shop = try Workshop()
        for text in [
            "plain", "with newline\n", "\n\n", "", "tab\tcr\r\n", "e\u{301} and \u{E9}", "\u{0}\u{1B}[31m",
        ] {
            let added = try shop.run("add", "j", "c", "--empty", input: text)
            #expect(added.status == 0, "\(added.error)")
        }
        let contents = try shop.run("export", "j").lines
        #expect(contents.count == 7)
        #expect(contents[1].hasPrefix(#"{"content":"with newline\n","#))
        #expect(contents[3].hasPrefix(#"{"content":"","#))
        #expect(contents[4].hasPrefix(#"{"content":"tab\tcr\r\n","#))
        #expect(Array(contents[5].utf8).starts(with: Array("{\"content\":\"e\u{301} and \u{E9}\",".utf8)))
        #expect(contents[6].hasPrefix(#"{"content":"\u0000\u001b[31m","#))
    }

    @Test func bytesFromInput() throws {
        let shop = try Workshop()
        let refused = try shop.run("add", "j", "c", bytes: [0xFF, 0xFE])
        #expect(refused.status == 2)
        #expect(refused.error.contains("--mime-type"))
        #expect(!FileManager.default.fileExists(atPath: shop.path("j")), "nothing was made for it")

        try shop.run("add", "j", "c", "--mime-type", "image/png", bytes: [0xFF, 0xFE, 0x0A])
        try shop.run("add", "j", "c", "--mime-type", "application/octet-stream", input: "text")
        try shop.run("add", "j", "c", "--mime-type", "text/markdown", input: "# x\n")
        try shop.run(
            "add", "j", "c", "--mime-type", "Application/JSON; charset=utf-8", input: "{ \"b\": 1.0 }\n")
        #expect(try shop.run("add", "j", "c", "--mime-type", "application/json", bytes: [0xFF]).status == 2)
        let lines = try shop.run("export", "j").lines.map { Outcome.mask($0) }
        #expect(
            lines == [
                #"{"content_base64":"//4K","conversation":"c","mime_type":"image/png","sequence":1,"timestamp":"TIME"}"#,
                #"{"content_base64":"dGV4dA==","conversation":"c","mime_type":"application/octet-stream","sequence":2,"timestamp":"TIME"}"#,
                ##"{"content":"# x\n","conversation":"c","mime_type":"text/markdown","sequence":3,"timestamp":"TIME"}"##,
                #"{"content":"{ \"b\": 1.0 }\n","conversation":"c","mime_type":"Application/JSON; charset=utf-8","sequence":4,"timestamp":"TIME"}"#,
            ])
        #expect(try shop.run("show", "j", "c").out.contains("<image/png, 3 bytes>"))
    }

    @Test func metadata() throws {
        let shop = try Workshop()
        try shop.run(
            "add", "j", "c", "x", "--metadata", "a=b=c", "--metadata", "n=1", "--metadata-json",
            #"{"z":[1, 2]}"#)
        #expect(try shop.run("export", "j").out.contains(#""metadata":{"a":"b=c","n":"1","z":[1,2]}"#))
    }

    @Test func textThatLooksLikeAnOption() throws {
        let shop = try Workshop()
        #expect(try shop.run("add", "j", "c", "--", "--json").status == 0)
        #expect(try shop.run("export", "j").out.hasPrefix(#"{"content":"--json","#))
    }

    @Test func keysAndExpectations() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "one", "--key", "k")
        let conflict = try shop.run("add", "j", "c", "two", "--key", "k", "--json")
        #expect(conflict.status == 2)
        #expect(conflict.error.hasPrefix(#"{"error":{"code":"key_conflict","message":""#))
        #expect(conflict.out == "")
        #expect(try shop.run("add", "j", "c", "two", "--expect", "1").status == 0)
        let late = try shop.run("add", "j", "c", "three", "--expect", "1", "--json")
        #expect(late.status == 2)
        #expect(late.error.contains(#""code":"unexpected_sequence""#))
        #expect(try shop.run("add", "j", "new", "first", "--expect", "0").status == 0)
        #expect(try shop.run("export", "j").lines.count == 3)
    }

    @Test func replaceKeepsNothingWhereThatIsAskedFor() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "old", "--role", "user", "--mime-type", "text/x", "--metadata", "a=1")
        try shop.run("add", "j", "c", "later")
        #expect(try shop.run("replace", "j", "1", "new", "--keep-nothing").status == 0)
        #expect(
            try shop.run("show", "j", "c", "--json").masked
                == #"{"content":"later","conversation":"c","sequence":2,"timestamp":"TIME"}"# + "\n"
                + #"{"content":"new","conversation":"c","sequence":4,"timestamp":"TIME"}"# + "\n")
        try shop.run("replace", "j", "4", "newer", "--keep-nothing", "--role", "tool", "--key", "k")
        #expect(
            try shop.run(
                "replace", "j", "4", "newer", "--keep-nothing", "--role", "tool", "--key", "k", "--json"
            )
            .out.contains(#""replayed":true"#))
        #expect(try shop.run("show", "j", "c", "--json").lines.last?.contains(#""role":"tool""#) == true)
    }

    @Test func aMemoryIsFoundByItsKey() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let found = try shop.run("show", "j", "a/1", "--key", "k1", "--json")
        #expect(found.status == 0 && found.lines.count == 1 && found.out.hasPrefix(#"{"content":"first","#))
        #expect(try shop.run("show", "j", "a/1", "--key", "k1").out.contains("first"))
        for (name, key) in [("a/1", "k2"), ("b/2", "k1"), ("new", "k1")] {
            let none = try shop.run("show", "j", name, "--key", key, "--json")
            #expect(none.status == 2 && none.out == "" && none.error.contains("No memory was added"))
            #expect(none.error.contains(#""code":"no_such_memory""#))
        }
        try shop.run("replace", "j", "1", "other")
        let gone = try shop.run("show", "j", "a/1", "--key", "k1")
        #expect(gone.status == 2 && gone.out == "")
        #expect(gone.error.contains("sequence 1, is forgotten or replaced since"))
        #expect(try shop.run("show", "j", "a/1", "--key", "k1", "--at", "start").out.contains("first"))
        try shop.run("compact", "j", "--erase")
        #expect(try shop.run("show", "j", "a/1", "--key", "k1").error.contains("is erased since"))
        #expect(try shop.run("show", "j", "--key", "k1").status == 64)
        #expect(try shop.run("show", "j", "a/1", "--key", "k1", "--last", "1").status == 64)
    }

    @Test func replaceKeepsWhatIsNotGiven() throws {
        let shop = try Workshop()
        try shop.run(
            "add", "j", "c", "old", "--role", "user", "--mime-type", "text/plain", "--metadata", "a=1")
        #expect(try shop.run("replace", "j", "1", "new", "--key", "r1", "--json").status == 0)
        let repeated = try shop.run("replace", "j", "1", "new", "--key", "r1", "--json")
        #expect(
            repeated.masked == #"{"conversation":"c","recorded":"TIME","replayed":true,"sequence":3}"# + "\n")
        #expect(
            try shop.run("export", "j").masked
                == #"{"content":"new","conversation":"c","idempotency_key":"r1","metadata":{"a":"1"},"mime_type":"text/plain","role":"user","sequence":3,"timestamp":"TIME"}"#
                + "\n")
        let gone = try shop.run("replace", "j", "1", "newer", "--json")
        #expect(gone.status == 2)
        #expect(gone.error.contains(#""code":"no_such_memory""#))
        #expect(try shop.run("forget", "j", "3", "1").status == 2, "all or none")
        #expect(try shop.run("export", "j").lines.count == 1)
        #expect(try shop.run("forget", "j", "3").error.contains("compact --erase"))
        #expect(try shop.run("export", "j").out == "")
    }
}
