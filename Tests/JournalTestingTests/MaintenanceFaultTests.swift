import JournalTesting
import Testing

/// A small part of what `crash-explorer maintain` does for minutes.
@Suite("Maintenance with a failing call")
struct MaintenanceFaultTests {
    @Test(
        "whatever call fails, with whatever error, the journal reads as before",
        arguments: ["bosD", "bosM", "bosbd"])
    func everyCall(_ text: String) throws {
        var settings = CrashExplorer.Settings()
        settings.everyError = true
        settings.cutAfterFaultOneOf = 50
        let report = CrashExplorer().fail(try #require(CrashWorkload(text)), settings)
        #expect(report.failures.map(\.description) == [])
        #expect(report.faults > 200)
        #expect(report.cases > 10)
    }

    @Test("the workloads do each maintenance, with each of its options")
    func options() {
        let last = Set(CrashWorkload.maintenance.compactMap { $0.description.last })
        #expect(last.isSuperset(of: "rspdzDmMx"))
    }
}
