import JournalFileSystem
import JournalTesting
import Logging
import SystemPackage

@testable import AgentJournal

/// What must hold of a journal as a whole, whatever is in its files.
struct JournalChecks {
    let disk: SimulatedDisk
    /// The snapshot's checksums were made right, so that it may say anything. `verify` compares checksums alone; and which
    /// of its entries are found wrong, so that the log serves instead, depends on which are read. So it is only asked that all
    /// goes on with the same sequences, or is damaged.
    var hasCraftedSnapshot = false

    /// What opening a journal and reading all of it gives.
    enum Outcome: Equatable {
        case state(digest: String, sequence: UInt64)
        case refused(String)

        var isRefused: Bool { if case .refused = self { true } else { false } }
    }

    private static let expected: Set<JournalError.Code> = [
        .damaged, .unsupported, .noJournal, .notAJournal, .noSuchPoint,
    ]

    private func options(_ disk: SimulatedDisk, _ access: Journal.Access) -> Journal.Options {
        var options = Journal.Options()
        options.fileSystem = disk
        options.access = access
        options.logger = Logger(label: "fuzz", factory: { _ in SwiftLogNoOpLogHandler() })
        options.clock = { Timestamp(clampingMicrosecondsSince1970: 1_900_000_000_000_000) }
        options.random = { 0x0123_4567_89AB_CDEF }
        return options
    }

    /// Opens, calls `body`, closes, and says what was there.
    func outcome(
        _ disk: SimulatedDisk, _ access: Journal.Access, then body: (Journal) throws -> Void = { _ in }
    ) throws -> Outcome {
        do {
            let journal = try Journal.openNow(
                at: Golden.directory, create: .never, options: options(disk, access))
            do {
                let view = try journal.view()
                let found = Outcome.state(digest: try view.digest(), sequence: view.sequence)
                try body(journal)
                try journal.closeNow()
                return found
            } catch {
                try journal.closeNow()
                throw error
            }
        } catch let error as JournalError {
            expect(JournalChecks.expected.contains(error.code), "damage is called that: \(error)")
            return .refused(error.code.rawValue)
        }
    }

    func verify(_ disk: SimulatedDisk) -> VerifyReport? {
        do throws(JournalError) {
            return try Journal.verify(at: Golden.directory, fileSystem: disk)
        } catch {
            expect(JournalChecks.expected.contains(error.code), "damage is called that: \(error)")
            return nil
        }
    }

    func check() throws {
        let before = try disk.everything
        let report = verify(disk)
        let forReading = try outcome(disk, .readOnly)
        try checkSalvage(report)
        expectSame(try disk.everything, before, "whoever only reads changes nothing")
        let written = disk.copy()
        let forWriting = try outcome(written, .readWrite)
        if case .refused = forWriting {
            expect(
                forReading.isRefused || hasCraftedSnapshot,
                "what opens for reading opens for writing: \(forReading) \(forWriting)")
        } else if !forReading.isRefused {
            expectAlike(forWriting, forReading, "both show the same")
        }
        if report?.isHealthy == true, !hasCraftedSnapshot {
            expect(!forReading.isRefused, "what verifies opens: \(forReading)")
            expect(!forWriting.isRefused, "what verifies opens for writing: \(forWriting)")
        }
        guard !forWriting.isRefused else { return }
        expectAlike(try outcome(written, .readOnly), forWriting, "closed and read")
        if report?.isHealthy == true {
            expect(verify(written)?.isHealthy == true, "what was healthy stays so")
        }
        try checkGoingOn(written, forWriting)
    }

    private func expectAlike(_ a: Outcome, _ b: Outcome, _ what: String) {
        guard hasCraftedSnapshot else { return expectSame(a, b, what) }
        if case .state(_, let one) = a, case .state(_, let other) = b { expectSame(one, other, what) }
    }

    private func checkSalvage(_ report: VerifyReport?) throws {
        var count: UInt64 = 0
        var last: UInt64 = 0
        do {
            let salvaged = try Journal.salvage(at: Golden.directory, fileSystem: disk) { event in
                count += 1
                expect(event.sequence > last, "events come in order")
                last = event.sequence
            }
            expectSame(salvaged, report ?? salvaged, "salvage reports what verify reports")
            expect(count <= salvaged.events, "no more events than there are")
            let (view, _) = try Journal.salvagedView(at: Golden.directory, fileSystem: disk)
            _ = try view.digest()
        } catch let error as JournalError {
            expect(JournalChecks.expected.contains(error.code), "damage is called that: \(error)")
        }
    }

    /// Adding goes on, is there after a power cut, and the rest is as it was.
    private func checkGoingOn(_ disk: SimulatedDisk, _ before: Outcome) throws {
        guard case .state(_, let sequence) = before else { return }
        let added = try outcome(disk, .readWrite) { journal in
            let receipts = try journal.submitAndWait(
                try Append.add(
                    [("fuzz", NewMemory("one more"))], expecting: nil, limits: try journal.engine.limits))
            expectSame(receipts.map(\.sequence), [sequence + 1], "the next sequence")
        }
        expectAlike(added, before, "opened again")
        if added.isRefused { return }
        let cut = disk.crash(keeping: .nothingUnsynced)
        guard case .state(_, let last) = try outcome(cut, .readOnly) else {
            expect(hasCraftedSnapshot, "what was added opens")
            return
        }
        expectSame(last, sequence + 1, "what was added is there")
    }
}
