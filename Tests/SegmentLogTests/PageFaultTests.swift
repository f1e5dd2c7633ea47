import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

/// A shared page whose next store would need a block that a full disk does not have: a store would end the process.
///
/// On btrfs that is what becomes of a page that was written back; Tools/crash-tests/power-cuts fills a real one.
@Suite("Without a block for the shared page")
struct PageFaultTests {
    /// The mapping says that a store would fail, and a write to the same page says why.
    private func fill(_ disk: SimulatedDisk, times: Int = 1) {
        disk.fail(.reservePage, afterCalls: 0, times: times, with: .init(.badAddress))
        disk.fail(.write, at: paths.lock, afterCalls: 0, times: times, with: .noSpace)
    }

    @Test("an append is refused before anything is written, and goes on when there is space")
    func beforeAppending() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(3)
        fill(disk, times: 2)
        for _ in 0..<2 { #expect(logError { try log.add() }?.kind == .noSpace) }
        #expect(log.poison == nil)
        #expect(try log.checkPrefix() == 3)
        #expect(try log.add() == 4)
        #expect(try log.checkPrefix() == 4)
    }

    @Test("what is durable and cannot be shown to others is of unknown outcome, and there when opened again")
    func afterSyncing() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(3)
        try log.writeNext()
        fill(disk)
        #expect(logError { try log.sync() }?.kind == .outcomeUnknown)
        #expect(logError { try log.add() }?.kind == .poisoned)
        #expect(try log.checkPrefix() == 3)
        try log.close()
        #expect(try disk.open().checkPrefix() == 4)
    }

    @Test("a page that the write makes right again is used")
    func rightAgain() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        disk.failNext(.reservePage, with: .init(.badAddress))
        #expect(try log.add() == 1)
    }

    @Test("opening is refused, and reading goes on")
    func atOpening() throws {
        let disk = SimulatedDisk()
        try disk.open().add(3)
        let found = disk.crash(keeping: .everything)
        try found.open().close()
        fill(found)
        #expect(logError { _ = try found.open() }?.kind == .noSpace)
        #expect(try found.openForReading().checkPrefix() == 3)
        #expect(try found.open().checkPrefix() == 3)
    }

    @Test("the first append after a clean close is refused while the record cannot be taken back")
    func takingTheRecordBack() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(3)
        try log.close()
        let again = try disk.open()
        disk.failNext(.write, at: paths.lock, with: .noSpace)
        #expect(logError { try again.add() }?.kind == .noSpace)
        #expect(again.poison == nil)
        // The record still stands for the end that it names.
        #expect(try disk.copy().open().report.ending == .clean)
        #expect(try again.add() == 4)
        #expect(try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == 4)
    }
}
