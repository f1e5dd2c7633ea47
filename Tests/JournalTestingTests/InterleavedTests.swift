import JournalTesting
import Testing

/// A small part of what `crash-explorer interleave` does for minutes.
@Suite("Processes that overtake one another")
struct InterleavedTests {
    @Test(
        "keep the promises, wherever one is overtaken or killed, and the power goes",
        arguments: zip(["(a|a)", "ab(a|t)", "a(d|b)", "(a|r|a)"], [11, 11, 83, 601]))
    func interleaved(_ text: String, oneOf: Int) throws {
        var settings = CrashExplorer.Settings()
        settings.choices = .few
        settings.secondCrashOneOf = 0
        settings.stopOneOf = oneOf
        settings.fullyOneOf = 64
        let report = CrashExplorer().explore(try #require(InterleavedWorkload(text)), settings)
        #expect(report.failures.map(\.description) == [])
        #expect(report.schedules > 2)
        #expect(report.disks > 20)
    }

    @Test("are written with a letter for each step, of those that can be done beside others")
    func workloads() throws {
        for text in ["(a|a)", "ab(d|t)", "arsab(p|s|x)"] {
            #expect(try #require(InterleavedWorkload(text)).description == text)
        }
        for text in ["", "a", "(a)", "ab(a|k)", "ab(a|e)", "ab(ab|c)", "ab(a|?)", "(a|a", "a)a|a("] {
            #expect(InterleavedWorkload(text) == nil, "\(text)")
        }
        #expect(InterleavedWorkload.pairs.count > 200)
        #expect(Set(InterleavedWorkload.pairs).count == InterleavedWorkload.pairs.count)
        #expect(InterleavedWorkload.triples.allSatisfy { $0.steps.count == 3 })
    }

    @Test("are stopped again where a script says")
    func replay() throws {
        var settings = CrashExplorer.Settings()
        settings.choices = .few
        settings.only = "(a|a)#9k"
        let report = CrashExplorer().explore(try #require(InterleavedWorkload("(a|a)")), settings)
        #expect(report.failures.map(\.description) == [])
        // Without being stopped, to count the accesses; and as it says.
        #expect(report.schedules == 2)
    }
}
