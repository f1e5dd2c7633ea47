import AgentJournal
import JournalFileSystem
import Synchronization

/// Forks at random moments, many times, while threads add, read, take snapshots, open and close.
///
/// Each child makes calls through the handles that it inherited. The parent goes on, and has at the end all that was
/// acknowledged, to it or to a child.
final class Storm: Sendable {
    private let forks: Int
    private let directory: FilePath
    /// Another journal, which a thread opens and closes over and over.
    private let second: FilePath
    private let writer: Journal
    private let reader: Journal
    /// The last sequence that was acknowledged to an adder.
    private let acknowledged = Atomic<UInt64>(0)
    private let isToEnd = Atomic<Bool>(false)

    private static let adders = 3
    private static let addsOfChild = 3

    init(_ directory: FilePath, forks: Int) throws {
        self.forks = forks
        self.directory = directory
        second = FilePath(directory.string + ".second")
        writer = try Journal.openNow(at: directory, options: Journal.quiet())
        reader = try Journal.openNow(at: directory, options: Journal.quiet(.readOnly))
    }

    func run() throws -> String {
        let counts = Monitor([Int](repeating: 0, count: Storm.adders))
        var threads = try (0..<Storm.adders).map { number in
            try start("adder") { [self] in
                let count = try add(as: number)
                counts.withLock { $0[number] = count }
            }
        }
        threads.append(try start("looker") { [self] in try look() })
        threads.append(try start("opener") { [self] in try openAndClose() })

        let chosen = try forkAll()
        isToEnd.store(true, ordering: .releasing)
        for thread in threads { thread.join() }
        try writer.closeNow()
        try reader.closeNow()
        let total = try check(counts.withLock { $0 }, writingChildren: chosen)
        return "\(forks) forks, \(total) events"
    }

    // MARK: What goes on in the parent

    private func start(_ name: String, _ body: @escaping @Sendable () throws -> Void) throws -> JoinableThread
    {
        try spawnThread(name: name) {
            do { try body() } catch { end(saying: "\(name): \(error)") }
        }
    }

    private func add(as number: Int) throws -> Int {
        var count = 0
        while !isToEnd.load(ordering: .acquiring) {
            let sequence = try writer.addText("\(number)-\(count)", to: "adder-\(number)")
            acknowledged.max(sequence, ordering: .acquiringAndReleasing)
            count += 1
            if number == 0, count % 200 == 0 { _ = try writer.snapshotNow() }
            // Between syncs, too, there are moments to be forked at; and the children's openings are to stay short.
            sleep(milliseconds: Double.random(in: 0...2))
        }
        return count
    }

    /// Holds the locks that readers hold.
    private func look() throws {
        while !isToEnd.load(ordering: .acquiring) {
            let known = acknowledged.load(ordering: .acquiring)
            for journal in [writer, reader] {
                let view = try journal.view()
                try expect(
                    view.sequence >= known, "a view of \(view.sequence), and \(known) are acknowledged")
                _ = try view.memories(in: "adder-1", last: 20)
            }
            sleep(milliseconds: 1)
        }
    }

    /// Holds the registry's lock, and has descriptors opened and closed.
    private func openAndClose() throws {
        while !isToEnd.load(ordering: .acquiring) {
            try tryToOpenSecond()
            sleep(milliseconds: Double.random(in: 0...2))
        }
    }

    /// Where one process writes at a time, another may have it just now.
    private func tryToOpenSecond() throws {
        do {
            let journal = try Journal.openNow(at: second, options: Journal.quiet())
            _ = try journal.flushNow(label: nil)
            try journal.closeNow()
        } catch let error as JournalError where !SeveralWriters.areThere && error.code == .busy {
            return
        }
    }

    // MARK: Forking

    /// - Returns: the children that added.
    private func forkAll() throws -> [Int] {
        var running: [(child: Child, number: Int)] = []
        for number in 0..<forks {
            sleep(milliseconds: Double.random(in: 0...4))
            let known = acknowledged.load(ordering: .acquiring)
            let view = try writer.view()
            running.append((try Child("child \(number)") { try live(as: number, known, view) }, number))
            if running.count == 4 {
                let (child, number) = running.removeFirst()
                try child.wait("child \(number)")
            }
        }
        for (child, number) in running { try child.wait("child \(number)") }
        return (0..<forks).filter(Storm.adds)
    }

    /// Whether a child adds: every second one. Others do nothing, or only read, or open, or fork in their turn.
    private static func adds(_ number: Int) -> Bool { number % 2 == 1 }

    private func live(as number: Int, _ known: UInt64, _ view: JournalView) throws {
        let inherited = inheritedDescriptors(in: directory)
        try expect(inherited.isEmpty, "it has \(inherited)")
        try expect(.closed, "a view of before the fork") { _ = try view.memories(in: "adder-0") }
        if Storm.adds(number) { try write(as: number) }
        switch number % 8 {
        case 0: return
        case 2, 3:
            let seen = try reader.view()
            try expect(
                seen.sequence >= known, "it sees \(seen.sequence), and \(known) were acknowledged before")
            let sequences = try seen.memories(in: "adder-0").map(\.sequence)
            try expect(sequences == sequences.sorted() && !sequences.isEmpty || known < 100, "no memories")
        case 4, 5: try tryToOpenSecond()
        case 6:
            try Child("child's child") { try live(as: 2, known, view) }.wait("its child")
        default: break
        }
        try reader.closeNow()
        try writer.closeNow()
    }

    private func write(as number: Int) throws {
        guard SeveralWriters.areThere else {
            // It opened anew, and its parent's lock stands.
            return try expect(.busy, "an add beside the parent") { try writer.addText("no", to: "no") }
        }
        for index in 0..<Storm.addsOfChild {
            try writer.addText("child-\(number)-\(index)", to: "child-\(number)")
        }
        let texts = try writer.texts(in: "child-\(number)")
        try expect(texts.count == Storm.addsOfChild, "of its own adds it sees \(texts)")
    }

    // MARK: What is there at the end

    private func check(_ counts: [Int], writingChildren: [Int]) throws -> UInt64 {
        let journal = try Journal.openNow(at: directory, create: .never, options: Journal.quiet())
        for (number, count) in counts.enumerated() {
            let texts = try journal.texts(in: "adder-\(number)")
            try expect(
                count > 0 && texts == (0..<count).map { "\(number)-\($0)" }, "adder \(number): \(count)")
        }
        for number in writingChildren {
            let count = SeveralWriters.areThere ? Storm.addsOfChild : 0
            let texts = try journal.texts(in: "child-\(number)")
            try expect(texts == (0..<count).map { "child-\(number)-\($0)" }, "child \(number): \(texts)")
        }
        let last = journal.lastSequence
        try journal.closeNow()
        for path in [directory, second] {
            let report = try Journal.verify(at: path, fileSystem: PosixFileSystem())
            try expect(report.problems.isEmpty, "\(report.problems)")
        }
        return last
    }
}
