import JournalFileSystem
import JournalTesting
import Synchronization
import SystemPackage
import Testing

@testable import AgentJournal

/// The engine: group commit, failures, sharing, closing.
@Suite struct EngineTests {
    @Test func manyAddersShareSyncsAndSequencesAreGapless() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        disk.resetCalls()
        let receipts = try await withThrowingTaskGroup(of: [Receipt].self) { group in
            for adder in 0..<16 {
                group.addTask {
                    var own: [Receipt] = []
                    for index in 0..<50 {
                        own.append(try await journal.conversation("c\(adder)").add(.text("\(index)")))
                    }
                    return own
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(receipts.map(\.sequence)) == Set(1...800))
        for adder in 0..<16 {
            #expect(try await journal.texts("c\(adder)") == (0..<50).map(String.init))
        }
        #expect(disk.callCounts[.syncData, default: 0] <= 801)
        try await journal.close()
    }

    @Test func aReceiptIsOnlyGivenForWhatAPowerCutKeeps() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        for index in 0..<20 {
            try await journal.conversation("a").add(.text("\(index)"))
            let after = try await Journal.open(disk.crash(keeping: .nothingUnsynced), create: .never)
            #expect(try await after.texts("a") == (0...index).map(String.init))
            try await after.close()
        }
        try await journal.close()
    }

    @Test func afterAFailedSyncTheOutcomeIsUnknownAndTheRestIsRefused() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("one")
        disk.failNext(.syncData, with: .inputOutputError)
        #expect(await code { _ = try await journal.conversation("a").add("two") } == .outcomeUnknown)
        do {
            try await journal.conversation("a").add("three")
            Issue.record("an add after a failed sync was acknowledged")
        } catch let error as JournalError {
            #expect(error.code == .notWritten)
            #expect(error.message.contains("Syncing the log failed"), "\(error)")
        }
        // Reads go on, without what was never acknowledged.
        #expect(try await journal.texts("a") == ["one"])
        // Opening again recovers, also while the old handle is still held.
        let reopened = try await Journal.open(disk)
        let texts = try await reopened.texts("a")
        #expect(texts == ["one"] || texts == ["one", "two"])
        try await reopened.conversation("a").add("four")
        // And the old handle reads what became of it.
        #expect(try await journal.texts("a") == texts + ["four"])
        try await journal.close()
        try await reopened.close()
    }

    /// With so many adders there is one commit being written while another one is synced.
    @Test func amongManyAFailedSyncTellsEachWhatIsTrue() async throws {
        for round in 0..<20 {
            let disk = SimulatedDisk()
            let journal = try await Journal.open(disk)
            try await journal.conversation("a").add("first")
            let failing = round % 7
            let outcomes = await withTaskGroup(of: [(text: String, error: JournalError.Code?)].self) {
                group in
                for adder in 0..<200 {
                    group.addTask {
                        var own: [(String, JournalError.Code?)] = []
                        for index in 0..<5 {
                            if adder == 100, index == failing {
                                disk.failNext(.syncData, with: .inputOutputError)
                            }
                            let text = "\(adder) \(index)"
                            let error = await code {
                                _ = try await journal.conversation("a").add(.text(text))
                            }
                            own.append((text, error))
                        }
                        return own
                    }
                }
                return await group.reduce(into: []) { $0 += $1 }
            }
            try? await journal.close()
            let again = try await Journal.open(disk)
            let texts = Set(try await again.texts("a"))
            for (text, error) in outcomes {
                switch error {
                case nil: #expect(texts.contains(text), "acknowledged and gone: \(text)")
                case .notWritten: #expect(!texts.contains(text), "certainly not written, and there: \(text)")
                case .outcomeUnknown: break
                default: Issue.record("\(String(describing: error))")
                }
            }
            let failed = outcomes.contains { $0.error == .outcomeUnknown }
            #expect(failed || failing > 4, "the failing sync was met")
            try await again.close()
        }
    }

    @Test func closingWaitsForWhatIsOnItsWay() async throws {
        for round in 0..<300 {
            let disk = SimulatedDisk()
            let journal = try await Journal.open(disk)
            try await journal.conversation("a").add("first")
            let adders = round % 3 == 0 ? 40 : 1
            let closer = try spawnThread(name: "closer") { try? journal.closeNow() }
            let codes = await withTaskGroup(of: JournalError.Code?.self) { group in
                for adder in 0..<adders {
                    group.addTask {
                        await code { _ = try await journal.conversation("a").add(.text("\(adder)")) }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            closer.join()
            #expect(codes.allSatisfy { $0 == nil || $0 == .closed }, "\(codes)")
            #expect(try Journal.verify(at: directory, fileSystem: disk).notes == [], "closed cleanly")
            let again = try await Journal.open(disk)
            #expect(try await again.texts("a").count == 1 + codes.count { $0 == nil })
            try await again.close()
        }
    }

    @Test func afterAFailedWriteToo() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("one")
        disk.failNext(.write, with: .shortWrite(bytes: 20))
        #expect(await code { _ = try await journal.conversation("a").add("two") } == .outcomeUnknown)
        #expect(await code { _ = try await journal.conversation("a").add("three") } == .notWritten)
        try await journal.close()
        let reopened = try await Journal.open(disk)
        #expect(try await reopened.texts("a") == ["one"])
        try await reopened.close()
    }

    @Test func aFullDiskPoisonsNothing() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        var acknowledged: [String] = []
        let noise = { (0..<60_000).map { _ in UInt8.random(in: 0...255) } }
        try await journal.conversation("a").add("first")
        acknowledged.append("first")
        disk.capacityBytes = disk.usedBytes + 100_000
        var refused = 0
        for index in 0..<20 {
            let error = await code { _ = try await journal.conversation("b").add(.bytes(noise())) }
            if let error {
                #expect(error == .diskFull)
                refused += 1
            }
            if await code({ _ = try await journal.conversation("a").add(.text("\(index)")) }) == nil {
                acknowledged.append("\(index)")
            }
        }
        #expect(refused > 0)
        #expect(try await journal.texts("a") == acknowledged)
        disk.capacityBytes = nil
        try await journal.conversation("a").add("space again")
        acknowledged.append("space again")
        try await journal.close()
        let reopened = try await Journal.open(disk)
        #expect(try await reopened.texts("a") == acknowledged)
        try await reopened.close()
    }

    @Test func twoOpensShareOneEngineAndTheLastCloseEndsIt() async throws {
        let disk = SimulatedDisk()
        let first = try await Journal.open(disk)
        let second = try await Journal.open(disk)
        try await first.conversation("a").add("one")
        #expect(try await second.texts("a") == ["one"])
        try await first.close()
        #expect(await code { _ = try await first.conversation("a").add("no") } == .closed)
        #expect(await code { _ = try await first.texts("a") } == .closed)
        try await second.conversation("a").add("two")
        try await second.close()
        try await second.close()
        let third = try await Journal.open(disk)
        #expect(try await third.texts("a") == ["one", "two"])
        try await third.close()
    }

    @Test func aReaderInAnotherProcessSeesWhatIsAcknowledgedAndFollows() async throws {
        let disk = SimulatedDisk(pid: 41)
        let writer = try await Journal.open(disk, segmentBytes: 4096)
        try await writer.conversation("a").add("one")
        var reading = options(disk.asProcess(pid: 42))
        reading.access = .readOnly
        let reader = try await Journal.open(at: directory, create: .never, options: reading)
        #expect(try await reader.texts("a") == ["one"])
        let follower = Task {
            var texts: [String] = []
            for try await event in reader.follow() {
                if case .added(let memory) = event.kind { texts.append(memory.content.text ?? "") }
                if texts.count == 200 { break }
            }
            return texts
        }
        // Incompressible, so that segments rotate.
        let texts = ["one"] + (1..<200).map { "\($0) \((0..<20).map { _ in UInt64.random(in: 0 ... .max) })" }
        for text in texts.dropFirst() {
            try await writer.conversation("a").add(.text(text))
        }
        #expect(try await reader.texts("a") == texts)
        #expect(try await follower.value == texts)
        #expect(await code { _ = try await reader.conversation("a").add("no") } == .closed)
        try await reader.close()
        try await writer.close()
    }

    @Test func followingEndsWithTheTask() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        try await journal.conversation("a").add("one")
        let seen = Mutex(0)
        let follower = Task {
            for try await _ in journal.follow() { seen.withLock { $0 += 1 } }
        }
        while seen.withLock({ $0 }) < 1 { await Task.yield() }
        follower.cancel()
        try await follower.value
        #expect(seen.withLock { $0 } == 1)
        try await journal.close()
    }

    @Test func followingEndsWithTheJournal() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        try await journal.conversation("a").add("one")
        let seen = Mutex(0)
        let follower = Task {
            await code { for try await _ in journal.follow() { seen.withLock { $0 += 1 } } }
        }
        while seen.withLock({ $0 }) < 1 { await Task.yield() }
        try await journal.close()
        let ending = await follower.value
        #expect(ending == nil || ending == .closed)
    }

    @Test func aCancelledAddIsEitherNotWrittenOrAcknowledged() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        var acknowledged: Set<String> = []
        for round in 0..<200 {
            let task = Task { try await journal.conversation("a").add(.text("\(round)")) }
            if round % 2 == 0 { await Task.yield() }
            task.cancel()
            do {
                _ = try await task.value
                acknowledged.insert("\(round)")
            } catch {
                #expect(error is CancellationError)
            }
        }
        #expect(Set(try await journal.texts("a")) == acknowledged)
        try await journal.close()
    }

    @Test func aRemovedDirectoryIsNoticed() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("one")
        for path in disk.paths where path.starts(with: directory) && path != directory {
            if let _ = try? disk.contents(of: path) { try disk.remove(path) }
        }
        #expect(await code { _ = try await journal.conversation("a").add("two") } == .notWritten)
        try await journal.close()
    }

    @Test func emptyBatchesAppendNothing() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        #expect(try await journal.conversation("a").add(contentsOf: []).isEmpty)
        #expect(try await journal.forget([]).isEmpty)
        #expect(try journal.view().sequence == 0)
        try await journal.close()
    }
}

/// What a reviewer found, each with its test.
@Suite struct ReviewedTests {
    @Test func aForgetTooLargeForAFrameIsRefused() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        try await journal.conversation("a").add("one")
        #expect(await code { _ = try await journal.forget(Array(1...200_000)) } == .tooLarge)
        #expect(try await journal.texts("a") == ["one"])
        try await journal.close()
    }

    @Test func openingWhileAnotherHandleClosesIsNeverBusy() async throws {
        let disk = SimulatedDisk()
        try await Journal.open(disk).close()
        await withTaskGroup(of: JournalError.Code?.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    await code {
                        for _ in 0..<20 {
                            let journal = try await Journal.open(disk)
                            try await journal.conversation("a").add("x")
                            try await journal.close()
                        }
                    }
                }
            }
            for await result in group { #expect(result == nil) }
        }
        let journal = try await Journal.open(disk)
        #expect(try await journal.texts("a").count == 160)
        try await journal.close()
    }

    @Test func afterAFailureThatPoisonsNothingTheEngineIsStillShared() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("one")
        disk.failNext(.linkCount, at: "/srv/memory/lock", with: .inputOutputError)
        #expect(await code { _ = try await journal.conversation("a").add("two") } == .notWritten)
        let second = try await Journal.open(disk)
        try await second.conversation("a").add("three")
        #expect(try await journal.texts("a") == ["one", "three"])
        try await second.close()
        try await journal.close()
    }

    @Test func followingThroughAClosedHandleEndsAlsoWhenOthersGoOn() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        let other = try await Journal.open(disk)
        try await other.conversation("a").add("one")
        let seen = Mutex(0)
        let follower = Task {
            await code { for try await _ in journal.follow() { seen.withLock { $0 += 1 } } }
        }
        while seen.withLock({ $0 }) < 1 { await Task.yield() }
        try await journal.close()
        #expect(await follower.value == nil)
        try await other.close()
    }

    @Test func limitsThatAFrameCannotHoldAreRefusedBeforeAnythingIsMade() async throws {
        let disk = SimulatedDisk()
        for bytes in [0, -1, 512 << 20, Int.max] {
            var wrong = options(disk)
            wrong.maximumContentBytes = bytes
            let opening = wrong
            #expect(
                await code { _ = try await Journal.open(at: directory, options: opening) } == .invalidArgument
            )
        }
        #expect(!disk.paths.contains { $0.starts(with: directory) })
    }

    @Test func nothingComesAfterTheHighestSequence() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        try await journal.conversation("a").add("one")
        for try await _ in journal.events(after: .max) { Issue.record("an event after the last number") }
        try await journal.close()
    }

    @Test func aRemovedSegmentIsNoticed() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        try await journal.conversation("a").add("one")
        let segment = try #require(disk.paths.first { $0.string.hasSuffix(".segment") })
        try disk.remove(segment)
        #expect(await code { _ = try await journal.conversation("a").add("two") } == .notWritten)
        try await journal.close()
    }

    @Test func aNameTooLongIsFoundBehindItsShorterSpelling() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let composed = String(repeating: "\u{E9}", count: 256)
        let decomposed = String(repeating: "e\u{301}", count: 256)
        #expect(
            await code { _ = try await journal.add(contentsOf: [(composed, "x"), (decomposed, "y")]) }
                == .invalidArgument)
        #expect(try journal.view().sequence == 0)
        try await journal.close()
    }
}
