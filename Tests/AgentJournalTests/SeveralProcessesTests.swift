import JournalFileSystem
import JournalTesting
import Testing

@testable import AgentJournal
@testable import SegmentLog

/// Several processes of a simulated machine, each with an engine of its own.
@Suite("Several processes with one memory")
struct SeveralProcessesTests {
    private let disk = SimulatedDisk(pid: 1)

    private func open(
        _ pid: Int32, segmentBytes: Int = 64 << 20, _ change: (inout Journal.Options) -> Void = { _ in }
    ) throws -> Journal {
        var options = options(pid == 1 ? disk : disk.asProcess(pid: pid), segmentBytes: segmentBytes)
        options.lockTimeout = .milliseconds(200)
        change(&options)
        return try Journal.openNow(at: directory, options: options)
    }

    private func texts(_ journal: Journal, _ name: String = "a") throws -> [String] {
        try journal.view().memories(in: name)
            .map { $0.content.text ?? "?" }
    }

    @Test("each reads at once what the other was acknowledged, and writes behind it")
    func together() throws {
        let (first, second) = (try open(1, segmentBytes: 4096), try open(2, segmentBytes: 4096))
        var expected: [String] = []
        for number in 1...300 {
            let journal = number % 3 == 0 ? first : second
            let receipt = try journal.addNow([("a", NewMemory(.text("number \(number)")))])[0]
            #expect(receipt.sequence == UInt64(number))
            expected.append("number \(number)")
            if number % 7 == 0 {
                #expect(try texts(first) == expected)
                #expect(try texts(second) == expected)
            }
        }
        #expect(disk.paths.filter { $0.string.hasSuffix(".segment") }.count > 3)
        try first.closeNow()
        _ = try second.addNow([("a", NewMemory(.text("last")))])
        try second.closeNow()
        let again = try open(3)
        #expect(again.openingReport.ending == .clean)
        #expect(try texts(again) == expected + ["last"])
        try again.closeNow()
    }

    /// Asks from an actor, on which what is known is answered.
    private actor Asker {
        func last(_ conversation: Conversation) async throws -> UInt64 {
            try await conversation.lastSequence()
        }
    }

    @Test("an actor is told the last sequence: what is known, what another added, what a snapshot has")
    func lastSequence() async throws {
        let (first, second) = (try open(1), try open(2))
        let (asker, conversation) = (Asker(), second.conversation("a"))
        #expect(try await asker.last(conversation) == 0)
        for number in 1...3 as ClosedRange<UInt64> {
            _ = try first.addNow([("a", NewMemory(.text("number \(number)")))])
            #expect(try await asker.last(conversation) == number)
            #expect(second.knownLastSequence(of: "a") == number)
        }
        try await second.snapshot()
        try second.closeNow()
        let third = try open(3)
        #expect(third.knownLastSequence(of: "a") == nil, "it lies in the snapshot")
        #expect(try await asker.last(third.conversation("a")) == 3)
        let reader = try open(4) { $0.access = .readOnly }
        #expect(reader.knownLastSequence(of: "a") == nil, "it is open for reading only")
        #expect(try await asker.last(reader.conversation("a")) == 3)
        try reader.closeNow()
        _ = try third.addNow([("b", NewMemory(.text("of another")))])
        #expect(third.knownLastSequence(of: "b") == 4)
        let box = try third.engine.box
        #expect(box.knownLastSequence(of: "b", at: 3) == nil, "it is not visible")
        #expect(box.withLock { _ in third.knownLastSequence(of: "b") } == nil, "another is at the state")
        #expect(try await asker.last(third.conversation("a")) == 3)
        #expect(try await asker.last(third.conversation("nobody")) == 0)
        try third.closeNow()
        await #expect { _ = try await asker.last(third.conversation("a")) } throws: {
            ($0 as? JournalError)?.code == .closed
        }
        try first.closeNow()
    }

    @Test("an empty conversation that is cleared again was last changed by that, whatever comes next")
    func clearedAgain() throws {
        let journal = try open(1)
        _ = try journal.addNow([("a", NewMemory(.text("one")))])
        for _ in 0..<3 { _ = try journal.clearNow("a") }
        _ = try journal.addNow([("a", NewMemory(.text("two")))])
        for bound in 1...5 as ClosedRange<UInt64> {
            #expect(try journal.engine.box.lastSequence(of: "a", at: bound) == bound)
        }
        try journal.closeNow()
    }

    @Test("a log that read what others wrote is gone when it is closed")
    func released() throws {
        let first = try open(1)
        weak var log: SegmentLog?
        do {
            let second = try open(2)
            log = try second.segmentLog
            _ = try first.addNow([("a", NewMemory(.text("one")))])
            #expect(try texts(second) == ["one"])
            _ = try second.addNow([("a", NewMemory(.text("two")))])
            #expect(try texts(first) == ["one", "two"])
            try second.closeNow()
        }
        #expect(log == nil)
        try first.closeNow()
    }

    @Test("keys and expected sequences hold between them")
    func keys() throws {
        let (first, second) = (try open(1), try open(2))
        let memory = NewMemory(.text("once"), idempotencyKey: "k")
        let receipt = try first.addNow([("a", memory)])[0]
        let again = try second.addNow([("a", memory)])[0]
        #expect(again.sequence == receipt.sequence && again.isReplayed)
        #expect(throws: JournalError.self) {
            try second.addNow([("a", NewMemory(.text("other"), idempotencyKey: "k"))])
        }
        let expecting = try Append.add(
            NewMemory(.text("two")), to: "a", expecting: receipt.sequence, limits: try first.engine.limits)
        _ = try second.submitAndWait(expecting)
        do {
            _ = try first.submitAndWait(expecting)
            Issue.record("two processes appended behind the same event")
        } catch let error as JournalError {
            #expect(error.code == .unexpectedSequence)
        }
        try first.closeNow()
        try second.closeNow()
    }

    @Test("what is refused or there already is left out of what was compressed before the append")
    func ahead() throws {
        let (first, second) = (try open(1), try open(2))
        let limits = try first.engine.limits
        func appends(_ texts: [String], keys: [Int: String] = [:], expecting: [Int: UInt64] = [:]) throws
            -> [Append]
        {
            try texts.enumerated().map { index, text in
                try Append.add(
                    NewMemory(.text(text), idempotencyKey: keys[index]), to: "a", expecting: expecting[index],
                    limits: limits)
            }
        }
        var expected: [String] = []
        func check(_ appends: [Append], _ outcomes: [Int: String], _ texts: [String]) throws {
            // The first then goes on behind another's events.
            let text = "of the second, \(expected.count)"
            _ = try second.addNow([("a", NewMemory(.text(text), idempotencyKey: text))])
            let results = try first.engine.commit(appends).map { result in
                do {
                    return try result.get().map { $0.isReplayed ? "replayed" : "\($0.sequence)" }.joined()
                } catch let error as JournalError {
                    return "\(error.code)"
                }
            }
            expected.append(text)
            var sequence = expected.count
            for (index, text) in texts.enumerated() {
                if let outcome = outcomes[index] {
                    #expect(results[index] == outcome)
                    continue
                }
                sequence += 1
                #expect(results[index] == "\(sequence)")
                expected.append(text)
            }
            #expect(try self.texts(first) == expected)
            #expect(try self.texts(second) == expected)
        }
        // So much that it is compressed under load too.
        let many = (0..<30).map { "one of many, number \($0)" + String(repeating: ".", count: 600) }
        try check(appends(many), [:], many)
        try check(appends(many, expecting: [11: 1]), [11: "unexpected_sequence"], many)
        let known = "of the second, \(expected.count)"
        try check(
            appends([known] + many, keys: [0: known, 5: known]), [0: "replayed", 5: "key_conflict"],
            [known] + many)
        try check(appends(many, keys: [3: "twice", 9: "twice"]), [9: "key_conflict"], many)
        let again = try appends(many, keys: [3: "twice"])
        try check([again[3]], [0: "replayed"], ["nothing"])
        let nothing = try Append.forget([], limits: limits)
        try check([again[0], nothing, again[1]], [1: ""], [many[0], "nothing", many[1]])
        try first.closeNow()
        try second.closeNow()
        #expect(try texts(open(3)) == expected)
    }

    @Test("one whose append is refused lets go of what another erased all the same")
    func erasedElsewhere() throws {
        let (first, second) = (try open(1), try open(2))
        func last(_ name: String) throws -> UInt64 {
            try second.engine.read { (box, bound) throws(JournalError) in
                try box.lastSequence(of: name, at: bound)
            }
        }
        _ = try first.addNow([("a", NewMemory(.text("stays"))), ("gone", NewMemory(.text("secret")))])
        #expect(try texts(second, "gone") == ["secret"] && last("gone") == 2)
        _ = try first.forgetNow([2])
        _ = try first.compactNow(keepingHistory: .all, erasingForgotten: true)
        let stopped = try disk.openFile(first.segmentLog.paths.lock, .readWrite)
        #expect(try stopped.lock(LockFile.writerRange, .exclusive, wait: false))
        do {
            _ = try second.addNow([("a", NewMemory(.text("refused")))])
            Issue.record("it was added while another held the writer range")
        } catch let error as JournalError {
            #expect(error.code == .busy)
        }
        #expect(try last("gone") == 0 && last("a") == 1)
        try stopped.unlock(LockFile.writerRange)
        _ = try second.addNow([("a", NewMemory(.text("added")))])
        #expect(try texts(first) == ["stays", "added"])
        try first.closeNow()
        try second.closeNow()
    }

    @Test("one that slept through compactions goes on, and so does one whose segments were packed")
    func compacted() throws {
        let (first, second) = (try open(1, segmentBytes: 2000), try open(2, segmentBytes: 2000))
        _ = try second.addNow([("a", NewMemory(.text("zero")))])
        for round in 1...3 {
            for number in 1...50 { _ = try first.addNow([("a", NewMemory(.text("\(round) \(number)")))]) }
            _ = try first.compactNow(keepingHistory: round == 2 ? .none : .all)
        }
        let expected = try texts(first)
        #expect(expected.count == 151)
        // It catches up to append, and by reading.
        let third = try open(3, segmentBytes: 2000)
        #expect(try texts(third) == expected)
        _ = try second.addNow([("a", NewMemory(.text("after")))])
        #expect(try texts(second) == expected + ["after"])
        #expect(try texts(first) == expected + ["after"])
        // And compacts what the others wrote.
        _ = try second.compactNow(keepingHistory: .none)
        _ = try first.addNow([("a", NewMemory(.text("end")))])
        for journal in [first, second, third] { #expect(try texts(journal) == expected + ["after", "end"]) }
        for journal in [first, second, third] { try journal.closeNow() }
        #expect(try texts(try open(4)) == expected + ["after", "end"])
    }

    @Test("one that looks at nothing while another lets history go says so when it is asked")
    func letGoBeside() throws {
        let (first, second) = (try open(1), try open(2))
        _ = try first.addNow([("a", NewMemory(.text("one")))])
        #expect(try texts(second) == ["one"])
        _ = try first.compactNow(keepingHistory: .none)
        #expect(try second.firstSequence == first.firstSequence && first.firstSequence > 1)
        #expect(try !second.reachesBack)
        for point in [Point.sequence(0), .date(.earliest)] {
            for journal in [first, second] {
                let error = #expect(throws: JournalError.self) { _ = try journal.pastView(at: point) }
                #expect(error?.code == .noSuchPoint)
            }
        }
        for journal in [first, second] { try journal.closeNow() }
    }

    @Test(
        "one that is killed anywhere in an append leaves the others working, with all that was acknowledged")
    func killed() throws {
        // How many calls two appends of the second process make.
        func calls() throws -> Int {
            let disk = SimulatedDisk(pid: 1)
            let one = try Journal.openNow(at: directory, options: options(disk))
            let other = disk.asProcess(pid: 2)
            let two = try Journal.openNow(at: directory, options: options(other))
            _ = try one.addNow([("a", NewMemory(.text("one")))])
            let before = disk.calls.count
            _ = try two.addNow([("a", NewMemory(.text("two")))])
            _ = try two.addNow([("a", NewMemory(.text("three")))])
            return disk.calls.count - before
        }
        let count = try calls()
        #expect(count > 20)
        for index in 0..<count {
            let disk = SimulatedDisk(pid: 1)
            let one = try Journal.openNow(at: directory, options: options(disk))
            let other = disk.asProcess(pid: 2)
            let two = try Journal.openNow(at: directory, options: options(other))
            _ = try one.addNow([("a", NewMemory(.text("one")))])
            disk.fail(nil, afterCalls: index, times: .max, with: .inputOutputError)
            var acknowledged = ["one"]
            for text in ["two", "three"] {
                if (try? two.addNow([("a", NewMemory(.text(text)))])) != nil { acknowledged.append(text) }
            }
            disk.cancelFaults()
            other.kill()
            // The survivor reads and writes on.
            #expect(try texts(one).starts(with: acknowledged), "call \(index)")
            _ = try one.addNow([("a", NewMemory(.text("after")))])
            let now = try texts(one)
            #expect(now.starts(with: acknowledged) && now.last == "after", "call \(index)")
            #expect(now.count <= acknowledged.count + 2, "call \(index)")
            let found = try Journal.openNow(
                at: directory, options: options(disk.crash(keeping: .nothingUnsynced)))
            #expect(try texts(found) == now, "call \(index)")
        }
    }

    @Test("who failed to write reads what another wrote in its place")
    func failedWrite() throws {
        let (first, second) = (try open(1), try open(2))
        _ = try first.addNow([("a", NewMemory(.text("one")))])
        disk.failNext(.write, with: .inputOutputError)
        #expect(throws: JournalError.self) { try first.addNow([("a", NewMemory(.text("not written")))]) }
        #expect(try texts(first) == ["one"])
        _ = try second.addNow([("a", NewMemory(.text("two")))])
        #expect(try texts(second) == ["one", "two"])
        #expect(try texts(first) == ["one", "two"])
    }

    @Test("a failed sync in one is not built on by the other")
    func failedSync() throws {
        let (first, second) = (try open(1), try open(2))
        _ = try first.addNow([("a", NewMemory(.text("one")))])
        disk.failNext(.syncData, with: .inputOutputError)
        #expect(throws: JournalError.self) { try first.addNow([("a", NewMemory(.text("lost?")))]) }
        let before = try texts(second)
        #expect(before == ["one"])
        _ = try second.addNow([("a", NewMemory(.text("two")))])
        let now = try texts(second)
        #expect(now == ["one", "lost?", "two"] || now == ["one", "two"])
        // The failed one reads what became of it.
        #expect(try texts(first) == now)
        let found = try Journal.openNow(
            at: directory, options: options(disk.crash(keeping: .nothingUnsynced)))
        #expect(try texts(found) == now)
    }
}
