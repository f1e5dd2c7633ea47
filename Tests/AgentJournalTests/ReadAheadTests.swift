import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import AgentJournal

/// Replays that are long enough to be read ahead.
@Suite("Reading ahead")
struct ReadAheadTests {
    private static let count = 400

    /// A journal of 4 MiB of events without a snapshot, closed, and its digest.
    private func make() throws -> (disk: SimulatedDisk, digest: String) {
        let disk = SimulatedDisk()
        let journal = try Journal.openNow(at: directory, options: options(disk))
        for number in 0..<ReadAheadTests.count {
            let text = (0..<1000).map { "\(number * 7919 % 1009 + $0 * $0 % 997)" }.joined(separator: " ")
            _ = try journal.addNow([("c\(number % 7)", NewMemory(.text(text + String(text.prefix(6000)))))])
        }
        let digest = try journal.view().digest()
        try journal.closeNow()
        #expect(!disk.paths.contains { $0.string.contains("/snapshots/") }, "there is all to be replayed")
        return (disk, digest)
    }

    @Test("the state is the same, now and at any point")
    func same() async throws {
        let (disk, digest) = try make()
        let journal = try Journal.openNow(at: directory, create: .never, options: options(disk))
        #expect(try journal.view().digest() == digest)
        let all = try journal.eventsNow()
        #expect(all.map(\.sequence) == Array(1...UInt64(ReadAheadTests.count)))
        // One that ends while more was read already.
        for sequence: UInt64 in [1, 150, 399] {
            let past = try await journal.view(at: .sequence(sequence))
            #expect(try (0..<7).reduce(0) { try $0 + past.memories(in: "c\($1)").count } == Int(sequence))
        }
        let date = all[200].recorded
        let past = try await journal.view(at: .date(date))
        #expect(try past.memory(201) != nil && past.sequence < UInt64(ReadAheadTests.count))
        try journal.closeNow()
    }

    @Test("damage far behind is told with its place, and stops nothing before it")
    func damaged() throws {
        let (disk, _) = try make()
        let path = try #require(disk.paths.last { $0.string.contains("/log/") })
        try disk.corrupt(path, at: try disk.contents(of: path).count * 9 / 10, xor: 1)
        do {
            _ = try Journal.openNow(at: directory, create: .never, options: options(disk))
            Issue.record("opened in spite of damage")
        } catch {
            #expect(error.code == .damaged && error.path == path)
            let lost = try #require(error.sequences)
            #expect(lost.lowerBound > 100 && lost.upperBound <= UInt64(ReadAheadTests.count))
        }
    }
}
