import Foundation
import Testing

/// What people bring to `import`: lines of other programs, documents, packed files.
@Suite(.timeLimit(.minutes(60))) struct ImportFormsTests {
    /// Lines of other programs, which have their content elsewhere: it is told, with where it may be.
    @Test(arguments: [
        (
            #"{"type":"user","message":{"role":"user","content":"hello"},"uuid":"u1"}"#,
            "--content-field message.content --role-field message.role"
        ),
        (
            #"{"payload":{"role":"user","content":[{"type":"input_text","text":"hello"}]}}"#,
            "--content-field payload.content --role-field payload.role"
        ),
        (#"{"type":"human","data":{"content":"hello","type":"human"}}"#, "--content-field data.content"),
        (#"{"role":"user","text":"hello"}"#, "--content-field text"),
        (#"{"from":"human","value":"hello"}"#, "--content-field value --role-field from"),
        (#"{"messages":[{"role":"user","content":"hello"}]}"#, "jq -c '.messages[]'"),
        (#"{"data":{"turns":[{"content":"hello"}]}}"#, "jq -c '.data.turns[]'"),
    ])
    func withoutContent(_ line: String, _ hint: String) throws {
        let shop = try Workshop()
        let result = try shop.run("import", "j", "--conversation", "c", input: "\(line)\n\(line)\n")
        #expect(result.status == 0)
        #expect(result.error.contains("2 of 2 lines have no content"), "\(result.error)")
        #expect(result.error.contains("line 1: {") && result.error.contains(hint), "\(result.error)")
        #expect(
            try shop.run("import", "k", "--conversation", "c", "--json", input: line).out.contains(
                #""without_content":1"#))
    }

    /// Calls of tools, which stand in a content's place, are no want.
    @Test func callsNeedNoContent() throws {
        let shop = try Workshop()
        let result = try shop.run(
            "import", "j", "--conversation", "c",
            input: #"{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}"#)
        #expect(result.status == 0 && !result.error.contains("content"), "\(result.error)")
    }

    @Test func fieldsOfOtherNames() throws {
        let shop = try Workshop()
        let lines = #"""
            {"type":"user","message":{"role":"user","content":"hello"},"sessionId":"s1","uuid":"u1","created_at":1740821400.25}
            {"message":{"role":"assistant","content":[{"type":"text","text":"hi"}],"id":"m"},"sessionId":7,"uuid":"u2","created_at":"1740821401"}
            {"conversation":"c","role":"tool","content":"24 degrees","uuid":"u3","created_at":"2025-03-01T10:30:02+01:00"}
            """#
        let result = try shop.run(
            "import", "j", "--content-field", "message.content", "--role-field", "message.role",
            "--conversation-field", "sessionId", "--time-field", "created_at", "--time-unit", "s",
            "--key-field", "uuid",
            input: lines)
        #expect(result.status == 0 && !result.error.contains("no "), "\(result.error)")
        #expect(
            try shop.run("export", "j").out == #"""
                {"content":[{"text":"hi","type":"text"}],"conversation":"7","idempotency_key":"u2","metadata":{"message":{"id":"m"},"uuid":"u2"},"role":"assistant","sequence":2,"timestamp":"2025-03-01T09:30:01.000000Z"}
                {"content":"24 degrees","conversation":"c","idempotency_key":"u3","metadata":{"uuid":"u3"},"role":"tool","sequence":3,"timestamp":"2025-03-01T09:30:02.000000Z"}
                {"content":"hello","conversation":"s1","idempotency_key":"u1","metadata":{"type":"user","uuid":"u1"},"role":"user","sequence":1,"timestamp":"2025-03-01T09:30:00.250000Z"}

                """#)
        #expect(try shop.run("import", "j", "--content-field", "a..b", input: "").status == 64)
    }

    @Test(arguments: [
        ("1740821400", "s", "2025-03-01T09:30:00.000000Z"),
        ("1740821400123", "ms", "2025-03-01T09:30:00.123000Z"),
        ("1740821400123456", "us", "2025-03-01T09:30:00.123456Z"),
        ("1740821400.1234569", "s", "2025-03-01T09:30:00.123456Z"),
        ("1.7408214e9", "s", "2025-03-01T09:30:00.000000Z"),
        ("174082140012e-1", "ms", "1970-07-21T11:36:54.001200Z"),
        ("-0.0000001", "s", "1969-12-31T23:59:59.999999Z"),
        ("0", "s", "1970-01-01T00:00:00.000000Z"), ("0.000e5", "ms", "1970-01-01T00:00:00.000000Z"),
    ])
    func numberOfATime(_ number: String, _ unit: String, _ time: String) throws {
        let shop = try Workshop()
        let line = #"{"conversation":"c","content":"x","timestamp":\#(number)}"#
        let result = try shop.run("import", "j", "--time-unit", unit, input: line)
        #expect(result.status == 0, "\(result.error)")
        #expect(try shop.run("export", "j").out.contains(time))
        #expect(result.error.contains("unlikely time") == !time.hasPrefix("2025"))
    }

    /// A number whose unit is not said, or that is no time in it, is never guessed.
    @Test func numberThatIsNoTime() throws {
        let shop = try Workshop()
        func time(_ number: String, _ unit: String...) throws -> Outcome {
            try shop.start(
                ["import", "j"] + unit,
                input: Data(#"{"conversation":"c","content":"x","timestamp":\#(number)}"#.utf8)
            ).wait()
        }
        for number in ["1740821400", #""1740821400""#] {
            let unsaid = try time(number)
            #expect(unsaid.status == 2)
            #expect(
                unsaid.error.contains("--time-unit s makes it 2025-03-01T09:30:00.000000Z"), "\(unsaid.error)"
            )
        }
        for number in ["1740821400123", "1e400", "123456789012345678901234567890"] {
            let beyond = try time(number, "--time-unit", "s")
            #expect(beyond.status == 2 && beyond.error.contains("years 0001 to 9999"), "\(beyond.error)")
        }
        #expect(try time("1", "--time-unit", "h").status == 64)
    }

    /// null is as good as not there.
    @Test(arguments: [
        "role", "mime_type", "metadata", "timestamp", "idempotency_key", "content_base64", "conversation",
        "id",
    ])
    func null(_ member: String) throws {
        let shop = try Workshop()
        let result = try shop.run(
            "import", "j", "--conversation", "c", "--key-field", "id",
            input: #"{"content":"x","\#(member)":null}"#)
        #expect(result.status == 0, "\(result.error)")
        #expect(try shop.run("export", "j").out.hasPrefix(#"{"content":"x","conversation":"c","#))
    }

    // MARK: Documents

    /// Arrays and objects that follow one another, on lines and as a document.
    @Test(arguments: [
        "[\n  {\"content\": \"1\"},\n  {\n\"content\": \"2\"}\n]\n",
        "{\n\"content\":\"1\"\n}\n{\"content\":\n\"2\"}",
        #"[{"content":"1"},{"content":"2"}]"#, #"{"content":"1"}{"content":"2"}"#,
        "[]\n[{\"content\":\"1\"}]\n\n[{\"content\":\"2\"}]", "{\"content\":\"1\"}\n{\"content\":\"2\"}\n",
    ])
    func document(_ text: String) throws {
        let shop = try Workshop()
        let result = try shop.run("import", "j", "--format", "json", "--conversation", "c", input: text)
        #expect(result.out == "2 records: 2 added, 0 already there, in 1 conversations\n", "\(result.error)")
        try shop.write(text, to: "text")
        let slowly = try shop.shell(
            "dd if=text bs=1 2>/dev/null | \"$T\" import k --format json --conversation c")
        #expect(slowly.out == result.out)
        #expect(try shop.run("export", "j").out.contains(#"{"content":"2","conversation":"c","sequence":2,"#))
    }

    @Test func severalOnALine() throws {
        let shop = try Workshop()
        let text = #"""
            [{"content":"1"},{"content":"2"}]
            {"content":"3"} {"content":"4"}
            {"content":"5"}
            """#
        let result = try shop.run("import", "j", "--batch", "1", "--conversation", "c", input: text)
        #expect(result.out == "5 lines: 5 added, 0 already there, in 1 conversations\n", "\(result.error)")
        let bad = try shop.run("import", "k", "--conversation", "c", input: #"[{"content":"1"},{"role":7}]"#)
        #expect(bad.status == 2 && bad.error.contains("line 1: element 2: "), "\(bad.error)")
        #expect(
            try shop.run("import", "k", "--conversation", "c", input: #"[{"content":"1"},7]"#).status == 2)
        #expect(
            try shop.run("import", "k", "--conversation", "c", input: #"{"content":"1"}{"content":"#).status
                == 2)
    }

    /// What is no lines is named for what it is, with what makes lines of it.
    @Test(arguments: [
        ("[\n  {\"content\": \"x\"}\n]\n", "a JSON array over several lines", "jq -c '.[]' FILE"),
        ("[{\n\"content\": \"x\"\n}]\n", "a JSON array over several lines", "--format json"),
        (
            "{\n  \"history\": [\n    {\"content\": \"x\"}\n  ]\n}\n", "a JSON object over several lines",
            "jq -c '.history[]' FILE"
        ),
        ("{\n  \"content\": \"x\"\n}\n", "a JSON object over several lines", "--format json"),
        ("{\"content\":\"cut\n{\"content\":\"x\"}\n", "does not end", "close it"),
        ("{\"a\":{\n{\"content\":\"x\"}\n", "cut short", "input ends"),
        ("{\"content\":[1", "cut short", "input ends"),
    ])
    func documentAsLines(_ text: String, _ name: String, _ hint: String) throws {
        let shop = try Workshop()
        let result = try shop.run("import", "j", "--conversation", "c", input: text)
        #expect(result.status == 2)
        #expect(
            result.error.contains(name) && result.error.contains(hint),
            "\(result.error)")
        #expect(result.error.contains("cut short") == (name == "cut short"))
    }

    @Test(arguments: [
        (#"[{"content":"1"},]"#, "record 2 (line 1): a comma"),
        ("[{\"content\":\"1\"}\n", "record 2 (line 2): the input ends"),
        ("[{\"content\":\"1\"}\n{\"content\":\"2\"}]", "record 2 (line 2): a comma or ]"),
        ("[{\"content\":\"1\"},\n7]", "record 2 (line 2): it is a number"),
        ("[\n\n{\"content\":", "record 1 (line 3): "),
        ("]", "record 1 (line 1): "),
    ])
    func brokenDocument(_ text: String, _ message: String) throws {
        let shop = try Workshop()
        let result = try shop.run("import", "j", "--format", "json", "--conversation", "c", input: text)
        #expect(result.status == 2 && result.error.contains(message), "\(result.error)")
    }

    // MARK: Packed, and other encodings

    @Test func zerosBehindGzip() throws {
        let shop = try Workshop()
        let lines = (1...2000).map { #"{"conversation":"c","content":"memory \#($0)"}"# + "\n" }.joined()
        try shop.write(lines, to: "lines")
        try shop.shell(
            "gzip -k lines; (cat lines.gz; head -c 100000 /dev/zero) > zeros.gz; (cat zeros.gz lines.gz) > both.gz; "
                + "(cat lines.gz; echo more) > more.gz")
        #expect(try shop.run("import", "j", "zeros.gz").out.hasPrefix("2000 lines: 2000 added"))
        #expect(try shop.run("import", "k", "both.gz").out.hasPrefix("4000 lines: 4000 added"))
        #expect(
            try shop.shell("dd if=zeros.gz bs=1 2>/dev/null | \"$T\" import l").out.hasPrefix(
                "2000 lines: 2000 added"))
        #expect(try shop.run("import", "m", "more.gz").error.contains("other bytes behind its end"))
    }

    /// Other forms are told by their names, with the command to pipe through.
    @Test(
        arguments: [
            ([0x28, 0xB5, 0x2F, 0xFD, 0x04], "zstd -dc FILE |"),
            ([0x50, 0x2A, 0x4D, 0x18, 4], "zstd -dc FILE |"),
            ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "xz -dc FILE |"),
            (Array("BZh91AY".utf8), "bzip2 -dc FILE |"),
            ([0x04, 0x22, 0x4D, 0x18], "lz4 -dc FILE |"), (Array("PK\u{3}\u{4}".utf8), "unzip -p FILE |"),
            ([0xFF, 0xFE, 0x7B, 0x00], "iconv -f UTF-16 -t UTF-8 FILE |"),
            (Array("SQLite format 3\0".utf8), "a database of SQLite"),
        ] as [([UInt8], String)])
    func otherForms(_ magic: [UInt8], _ hint: String) throws {
        let shop = try Workshop()
        try shop.write(Data(magic + [UInt8](repeating: 7, count: 300)), to: "FILE")
        let file = try shop.run("import", "j", "FILE", "--json")
        #expect(file.status == 2 && file.error.contains(hint), "\(file.error)")
        #expect(file.error.contains(#""code":"unsupported_input""#))
        #expect(try shop.shell("\"$T\" import j < FILE").error.contains("stdin is "))
        try shop.shell("gzip -c FILE > packed.gz")
        #expect(try shop.run("import", "j", "packed.gz").error.contains("within gzip"))
        #expect(!FileManager.default.fileExists(atPath: shop.path("j")))
    }

    @Test func byteOrderMark() throws {
        let shop = try Workshop()
        let line = #"{"conversation":"c","content":"x"}"#
        #expect(try shop.run("import", "j", input: "\u{FEFF}\(line)\n").out.hasPrefix("1 line: 1 added"))
        #expect(
            try shop.run("import", "j", "--format", "json", input: "\u{FEFF}[\(line)]").out.hasPrefix(
                "1 record: 1 added"))
    }

    /// Half a surrogate pair: named, with what can be done; replaced where that is asked for.
    @Test func surrogates() throws {
        let shop = try Workshop()
        let good = #"{"conversation":"c","content":"\ud83d\ude00 \\ud800"}"#
        for half in [#"a\ud800b"#, #"\udfff"#, #"\ud800\ud800"#, #"\ud800\n"#, #"\\\uDC00"#] {
            let text = "\(good)\n" + #"{"conversation":"c","content":"\#(half)"}"#
            let refused = try shop.run("import", "j", input: text)
            #expect(refused.status == 2)
            #expect(
                refused.error.contains("line 2: ") && refused.error.contains("--replace-surrogates"),
                "\(refused.error)")
            let result = try shop.run("import", "k", "--replace-surrogates", input: text)
            #expect(
                result.status == 0 && result.error.contains("1 of 2 lines held halves"), "\(result.error)")
        }
        #expect(
            try shop.run("show", "k", "c", "--json").out.contains("a\u{FFFD}b"))
        #expect(try shop.run("show", "k", "c", "--json").out.contains(#""😀 \\ud800""#))
    }
}
