import JournalFileSystem
import JournalTesting
import Testing

@testable import AgentJournal

@Suite("What is salvaged of a journal without its history") struct SalvagedSnapshotTests: OnSnapshots {
    @Test("what is salvaged of a journal without its history is what the snapshot and the log have")
    func salvaging() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<20 { try await journal.conversation("a").add("\(number)") }
        try await journal.compact(keepingHistory: .none)
        let before = try journal.view().digest()
        try await journal.conversation("a").forget(1)
        try await journal.conversation("a").add("later")
        let digest = try journal.view().digest()
        try await journal.close()
        let whole = try Journal.salvagedView(at: directory, fileSystem: disk)
        #expect(try whole.view.digest() == digest)
        #expect(whole.report.problems == [])
        #expect(try Journal.salvage(at: directory, fileSystem: disk) { _ in }.problems == [])
        let past = try Journal.salvagedView(at: directory, point: .sequence(21), fileSystem: disk)
        #expect(try past.view.digest() == before)
        // The log behind the snapshot is damaged from its first frame on.
        let segment = try #require(disk.paths.last { $0.string.hasSuffix(".segment") })
        try disk.corrupt(segment, at: 1024, xor: 1)
        let rest = try Journal.salvagedView(at: directory, fileSystem: disk)
        #expect(try rest.view.count >= 20)
        #expect(rest.report.problems.map(\.kind) == ["frame"])
        for path in snapshots(disk) { try disk.remove(path) }
        let none = try Journal.salvagedView(at: directory, fileSystem: disk)
        #expect(none.report.problems.map(\.kind) == ["missing_segment", "frame"])
    }

    @Test("of a damaged snapshot that nothing else can replace, the sound blocks are salvaged")
    func salvagingBlocks() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        // Text that does not shrink, for several blocks.
        var random = Random(7)
        for number in 0..<40 {
            let bytes = (0..<8000).map { _ in UInt8.random(in: 33...126, using: &random) }
            try await journal.conversation("c\(number % 4)").add(
                .text(String(decoding: bytes, as: UTF8.self)))
        }
        try await journal.compact(keepingHistory: .none)
        try await journal.conversation("c0").forget(1)
        try await journal.conversation("c3").add("later")
        let all = try await journal.conversation("c0").memories().map(\.sequence)
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let length = try #require(try disk.status(of: path)).length
        // Any one place: the ends, the index, a block. All but the memories of one block are there.
        for offset in [0, 20, length / 3, length / 2, 2 * length / 3, length - 100, length - 30, length - 1] {
            let copy = disk.copy()
            try copy.corrupt(path, at: Int(offset), xor: 0x10)
            let (view, report) = try Journal.salvagedView(at: directory, fileSystem: copy)
            #expect(report.problems.contains { $0.kind == "snapshot" }, "\(offset)")
            let count = try view.count
            #expect((28...40).contains(count), "\(offset): \(count)")
            #expect(try view.memories(in: "c3").last?.content.text == "later")
            let rest = try view.memories(in: "c0").map(\.sequence)
            #expect(Set(rest).isSubset(of: all) && !rest.contains(1))
            let past = try Journal.salvagedView(at: directory, point: .sequence(20), fileSystem: copy).view
            #expect(try past.count > 0)
            let early = try past.conversations().flatMap { try past.memories(in: $0.name) }
            #expect(early.allSatisfy { $0.sequence <= 20 })
        }
    }
}
