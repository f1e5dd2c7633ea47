import JournalTesting
import Testing

/// A small part of what Tools/crash-explorer does for minutes.
@Suite("The crash explorer")
struct CrashExplorerTests {
    @Test(
        "finds nothing wrong with what a short workload leaves", arguments: ["", "a", "ao", "as"])
    func short(_ text: String) throws {
        let report = CrashExplorer().explore(try #require(CrashWorkload(text)), CrashExplorer.Settings())
        #expect(report.failures.map(\.description) == [])
        #expect(report.disks > 50)
        #expect(report.secondCrashes > 0)
        #expect(report.faults > 5)
    }

    @Test("does a longer one the same each time, at each of its steps")
    func long() {
        var settings = CrashExplorer.Settings()
        settings.onlyLastStep = false
        settings.faults = false
        settings.kills = false
        settings.secondCrashOneOf = 0
        settings.choices = .few
        let workload = CrashWorkload.random(length: 10, seed: 3)
        let reports = (0..<2).map { _ in CrashExplorer().explore(workload, settings) }
        #expect(reports[0].failures.map(\.description) == [])
        #expect(reports[0].disks > 100)
        #expect(reports[0].disks == reports[1].disks)
    }

    @Test("does again what a script says, and nothing else")
    func replay() throws {
        var settings = CrashExplorer.Settings()
        settings.onlyLastStep = false
        settings.only = "a@end:l.l.l.l.l.l.l"
        let one = CrashExplorer().explore(try #require(CrashWorkload("a")), settings)
        #expect(one.failures.map(\.description) == [])
        #expect(one.cases >= 1)
        #expect(one.cases < 100)
        settings.only = "a@end:killed"
        let killed = CrashExplorer().explore(try #require(CrashWorkload("a")), settings)
        #expect(killed.failures.map(\.description) == [])
        #expect(killed.openings >= 3)
        settings.only = "a!2 link count Input/output error"
        #expect(CrashExplorer().explore(try #require(CrashWorkload("a")), settings).faults == 1)
    }

    @Test("examines in full what it only glanced at before, and counts no disk twice")
    func depth() throws {
        let explorer = CrashExplorer()
        let workload = try #require(CrashWorkload("ab"))
        var settings = CrashExplorer.Settings()
        settings.faults = false
        settings.kills = false
        settings.choices = .few
        settings.secondCrashOneOf = 0
        settings.fullyOneOf = .max
        let glanced = explorer.explore(workload, settings)
        #expect(glanced.failures.map(\.description) == [])
        #expect(glanced.disks > 10)
        #expect(glanced.openings == glanced.cases)
        settings.fullyOneOf = 1
        let full = explorer.explore(workload, settings)
        #expect(full.failures.map(\.description) == [])
        #expect((full.disks, full.cases) == (0, 0))
        #expect(full.openings == 3 * glanced.cases)
        // What was examined in full need not be glanced at.
        settings.fullyOneOf = .max
        #expect(explorer.explore(workload, settings).openings == 0)
        settings.secondCrashOneOf = 4
        #expect(explorer.explore(workload, settings).secondCrashes > 0)
    }

    @Test("knows a workload by its letters, and leaves out those that repeat a shorter one")
    func workloads() throws {
        #expect(try #require(CrashWorkload("abfocrspdxkel")).description == "abfocrspdxkel")
        #expect(CrashWorkload("a?") == nil)
        #expect(CrashWorkload.all(ofLength: 0).map(\.description) == [""])
        let single = CrashWorkload.all(ofLength: 1).map(\.description)
        #expect(single == ["a", "b", "f", "c", "r", "s", "p", "d", "x"])
        #expect(CrashWorkload.all(ofLength: 2).contains(try #require(CrashWorkload("ao"))))
        #expect(!CrashWorkload.all(ofLength: 2).contains(try #require(CrashWorkload("fo"))))
        #expect(CrashWorkload.random(length: 20, seed: 5) == CrashWorkload.random(length: 20, seed: 5))
    }
}
