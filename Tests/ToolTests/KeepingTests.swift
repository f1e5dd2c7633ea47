import Foundation
import Testing

/// Erasing, looking back, backups and repair from the shell.
@Suite(.timeLimit(.minutes(60))) struct KeepingTests {
    /// The export's digest without the memories of one conversation.
    private func digest(_ shop: Workshop, _ journal: String = "j") throws -> String {
        try shop.shell("\"$T\" export \(journal) | sha256sum").out
    }

    private func holds(_ shop: Workshop, _ word: String) throws -> Bool {
        try shop.shell("grep -r -l --text \(word) j").out != ""
    }

    private func fill(_ shop: Workshop) throws {
        try shop.run("add", "j", "kept", "stays", "--key", "k0")
        try shop.run(
            "add", "j", "kept", "canary-content", "--key", "canary-key", "--role", "canary-role",
            "--metadata", "x=canary-metadata", "--mime-type", "text/canary-mime")
        try shop.run("add", "j", "canary-name", "another")
        try shop.run("snapshot", "j")
    }

    @Test func erase() throws {
        let shop = try Workshop()
        try fill(shop)
        try shop.run("forget", "j", "2")
        #expect(try shop.run("clear", "j", "canary-name").error.contains("compact --erase"))
        let before = try digest(shop)
        // The snapshot stores what is this short as it is.
        #expect(try holds(shop, "canary"))
        let planned = try shop.run("compact", "j", "--erase", "--dry-run")
        #expect(planned.out.contains("would be erased: 2 memories, 1 conversations' names"))
        #expect(try shop.run("log", "j", "--json").lines.count == 5)
        let done = try shop.run("compact", "j", "--erase", "--receipt", "\(shop.path("receipt"))", "--json")
        #expect(done.status == 0 && done.out.contains(#""through":5"#))
        let receipt = String(decoding: try shop.read("receipt"), as: UTF8.self)
        #expect(receipt.contains(#""memories":2"#) && receipt.contains(#""sequence":6,"through":5"#))
        for sequence in [2, 3, 5] { #expect(receipt.contains("\"sequence\":\(sequence)}")) }
        #expect(
            receipt.contains(#"{"file":"log/00000000000000000001-00000003.segment","kind":"added","leaf":""#))
        #expect(try !holds(shop, "canary"))
        #expect(try digest(shop) == before)
        #expect(try shop.run("verify", "j").status == 0)
        #expect(try shop.run("replay", "j", "--from-scratch", "--verify").status == 0)
        let again = try shop.run(
            "add", "j", "kept", "canary-content", "--key", "canary-key", "--role", "canary-role",
            "--metadata", "x=canary-metadata", "--mime-type", "text/canary-mime", "--json")
        #expect(again.out.hasPrefix(#"{"conversation":"kept","erased":true,"recorded":"#))
        #expect(again.out.contains(#""replayed":true,"sequence":2}"#))
        let log = try shop.run("log", "j", "--json")
        #expect(log.out.contains(#"{"conversation":"kept","erasure":6,"kind":"erased","leaf":""#))
        #expect(log.out.contains(#""kind":"erasure_begun""#) && log.out.contains(#""kind":"erasure_done""#))
        #expect(try shop.run("compact", "j", "--erase").out.contains("nothing to erase"))
        let history = try shop.run("history", "j", "2", "--json")
        #expect(
            history.lines.count == 3 && history.out.contains(#"{"change":"erased","conversation":"kept""#))
        #expect(try shop.run("compact", "j", "--receipt", "r").status == 64)
        #expect(
            try shop.run("compact", "j", "--erase", "--receipt", "/nowhere/r").error.contains(
                "nothing was done"))
    }

    @Test func historyAndDiff() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "a", "one")
        try shop.run("add", "j", "a", "two")
        try shop.run("flush", "j", "start")
        try shop.run("replace", "j", "2", "two, better")
        try shop.run("forget", "j", "1")
        try shop.run("add", "j", "a", "three")
        let replaced = try shop.run("history", "j", "2")
        #expect(replaced.out.contains("added to a") && replaced.out.contains("replaced by 5"))
        #expect(try shop.run("history", "j", "5").out.contains("added to a, in the place of 2"))
        #expect(try shop.run("history", "j", "1").out.contains("forgotten"))
        let none = try shop.run("history", "j", "3", "--json")
        #expect(none.status == 2 && none.error.contains(#""code":"no_such_memory""#))
        let diff = try shop.run("diff", "j", "a", "start", "7")
        #expect(diff.lines.map { $0.prefix(3) } == ["- 1", "- 2", "+ 5", "+ 7"])
        let backwards = try shop.run("diff", "j", "a", "7", "start", "--json")
        #expect(backwards.lines.count == 4)
        #expect(backwards.lines[0].hasPrefix(#"{"change":"added","memory":{"content":"one","#))
        #expect(try shop.run("diff", "j", "a", "7", "7").error.contains("Nothing changed"))
        #expect(try shop.run("diff", "j", "a", "never", "7").status == 2)
    }

    @Test func backup() throws {
        let shop = try Workshop()
        try fill(shop)
        #expect(try shop.run("backup", "j", "copy").out.hasPrefix("backup of sequence 3: "))
        #expect(try digest(shop) == digest(shop, "copy"))
        try shop.run("add", "j", "kept", "more")
        let next = try shop.run("backup", "j", "copy", "--json")
        #expect(
            next.out.contains(#""files_kept":1,"files_written":1"#) && next.out.contains(#""sequence":4"#))
        try shop.run("forget", "j", "2")
        try shop.run("clear", "j", "canary-name")
        try shop.run("compact", "j", "--erase")
        #expect(try shop.shell("grep -r -l --text canary copy").out != "")
        #expect(try shop.run("backup", "j", "copy").out.contains("removed from the copy: log/"))
        #expect(try shop.shell("grep -r -l --text canary copy").out == "")
        #expect(try digest(shop) == digest(shop, "copy"))
        #expect(try shop.run("verify", "copy").status == 0)
        try shop.run("add", "copy", "kept", "of the copy")
        let diverged = try shop.run("backup", "j", "copy", "--json")
        #expect(diverged.status == 2 && diverged.error.contains("written to"))
        #expect(try shop.run("backup", "j", "j/inside").status == 2)
    }

    @Test func repair() throws {
        let shop = try Workshop()
        for number in 1...6 { try shop.run("add", "j", "a", "memory \(number)") }
        #expect(try shop.run("repair", "j").out == "healthy: there is nothing to repair\n")
        var bytes = try shop.read("j/log/00000000000000000001-00000001.segment")
        bytes[1024 + 70] ^= 1
        try shop.write(bytes, to: "j/log/00000000000000000001-00000001.segment")
        let planned = try shop.run("repair", "j")
        #expect(planned.status == 1 && planned.out.contains("would be lost: sequences "))
        #expect(try shop.run("verify", "j").status == 1)
        let done = try shop.run("repair", "j", "--yes", "--json")
        #expect(
            done.status == 0
                && done.out.contains(
                    #""dry_run":false,"forgotten_again":0,"healthy":true,"lost":[{"first_sequence":"#)
        )
        let verified = try shop.run("verify", "j")
        #expect(verified.status == 0 && verified.out.contains("known loss: sequences "))
        #expect(try shop.run("log", "j", "--json").out.contains(#""kind":"lost""#))
        // New events get new sequences.
        let added = try shop.run("add", "j", "a", "new", "--json").out
        let sequence = try Int(String(#require(added.firstMatch(of: #/"sequence":([0-9]+)/#)).1))
        #expect(sequence ?? 0 > 6)
        #expect(try shop.shell("ls j/damaged").lines.count == 1)
    }

    @Test("a kill at any moment of an erasure leaves the same memories, and the next one finishes it")
    func kills() throws {
        let shop = try Workshop()
        var lines = ""
        for number in 0..<4000 {
            let word = number % 2 == 0 ? "canary" : "kept"
            lines += "{\"content\":\"\(word) \(number)\",\"conversation\":\"c\(number % 7)\"}\n"
        }
        try shop.write(lines, to: "lines")
        try shop.shell("\"$T\" import j lines --batch 40")
        try shop.run("compact", "j")
        try shop.shell("\"$T\" forget j $(seq 1 2 3999) > forgotten")
        let before = try digest(shop)
        var killed = 0
        for delay in stride(from: 0, to: 60_000, by: 6_000) {
            let process = try shop.start(["compact", "j", "--erase"])
            usleep(UInt32(delay))
            process.send(SIGKILL)
            let status = try process.wait().status
            #expect(status == 0 || status == SIGKILL, "it ended otherwise than by itself or killed")
            if status != 0 { killed += 1 }
            #expect(try digest(shop) == before)
            #expect(try shop.run("verify", "j").status == 0)
        }
        #expect(killed > 0)
        #expect(try shop.run("compact", "j", "--erase").status == 0)
        #expect(try digest(shop) == before)
        let log = try shop.run("log", "j", "--json")
        #expect(log.out.contains("kept 3999") && !log.out.contains("canary"))
    }
}
