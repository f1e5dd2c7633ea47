import Foundation
import Testing

/// The README's examples of the tool, as they stand there.
@Suite(.timeLimit(.minutes(60))) struct ReadmeTests {
    /// Whoever tries the tool tries it again: each line runs twice on one directory.
    @Test func theToolsLinesRunTwice() throws {
        let shop = try Workshop()
        try shop.write(
            #"{"conversation":"support/user-7","role":"user","content":"likes tea","id":"m1"}"# + "\n",
            to: "history.jsonl")
        let lines = try Self.lines()
        #expect(lines.count >= 15)
        for time in 1...2 {
            for line in lines {
                let follows = line.contains("--follow")
                let outcome = follows ? try Self.follow(line, shop) : try shop.shell(Self.command(line))
                #expect(outcome.status == 0, "\(line), time \(time): \(outcome.error)")
            }
            #expect(try shop.run("export", "DIR").lines.count == 2, "the second time adds nothing")
        }
        let found = try shop.shell(
            Self.command(try #require(lines.first { $0.contains("show") && $0.contains("--key") })))
        #expect(found.out.contains("prefers email"))
    }

    /// The lines of the section on the tool that call it, without their comments.
    private static func lines() throws -> [String] {
        let text = try String(contentsOf: Workshop.package.appending(path: "README.md"), encoding: .utf8)
        let section = try #require(text.components(separatedBy: "\n## The tool\n").dropFirst().first)
            .components(separatedBy: "\n## ")[0]
        return section.components(separatedBy: "\n").filter { $0.hasPrefix("    agent-journal ") }
            .map { $0.components(separatedBy: " #")[0].trimmingCharacters(in: .whitespaces) }
    }

    private static func command(_ line: String) -> String {
        "\"$T\"" + line.dropFirst("agent-journal".count)
    }

    /// One that follows ends when it is interrupted.
    private static func follow(_ line: String, _ shop: Workshop) throws -> Outcome {
        let running = try shop.start(line.split(separator: " ").dropFirst().map(String.init))
        #expect(try running.waitForOutput(containing: "prefers email"))
        running.send(SIGINT)
        return try running.wait()
    }
}
