import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import AgentJournal

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Adds of a thread that does not wait.
@Suite struct EventLoopAdderTests: OnSnapshots {
    @Test func memoriesAreWrittenInTheOrderInWhichTheyWereHandedOver() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let adder = try EventLoopAdder(journal)
        #expect(!adder.isReadable() && adder.takeOutcomes(limit: 10).isEmpty)
        for number in 0..<500 {
            try adder.add(NewMemory(.text("\(number)")), to: "c", ticket: 1000 - UInt64(number))
        }
        let outcomes = adder.outcomes(500, limit: 7)
        #expect(Set(outcomes.map(\.ticket)) == Set(501...1000))
        for outcome in outcomes { #expect(try outcome.result.get().sequence == 1001 - outcome.ticket) }
        #expect(!adder.isReadable())
        #expect(try await journal.texts("c") == (0..<500).map(String.init))
        try await journal.close()
    }

    @Test func eachIsDecidedForItself() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let (adder, other) = (try EventLoopAdder(journal), try EventLoopAdder(journal))
        // In one commit, and what two loops add mixed.
        try journal.engine.betweenCommits { () throws(JournalError) in
            for number in 0..<10 {
                let memory = NewMemory(.text("\(number / 6)"), idempotencyKey: "k\(number % 6)")
                try (number % 3 == 0 ? other : adder).add(memory, to: "c", ticket: UInt64(number))
            }
        }
        let (own, others) = (adder.outcomes(6), other.outcomes(4))
        // What one commit decided is told in order.
        #expect(own.map(\.ticket) == [1, 2, 4, 5, 7, 8] && others.map(\.ticket) == [0, 3, 6, 9])
        for outcome in own + others {
            switch outcome.result {
            case .success(let receipt): #expect(outcome.ticket < 6 && receipt.sequence == outcome.ticket + 1)
            case .failure(let error):
                #expect(outcome.ticket >= 6 && (error as? JournalError)?.code == .keyConflict)
            }
        }
        try await journal.close()
    }

    @Test func whatIsTakenBackIsNotWritten() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let (adder, other) = (try EventLoopAdder(journal), try EventLoopAdder(journal))
        try journal.engine.betweenCommits { () throws(JournalError) in
            for number in 0..<6 {
                try adder.add(NewMemory(.text("\(number)")), to: "c", ticket: UInt64(number))
            }
            #expect(adder.withdraw(2) && adder.withdraw(5))
            #expect(!adder.withdraw(2), "twice")
            #expect(!other.withdraw(3), "another's")
            #expect(!adder.withdraw(7), "nobody's")
        }
        #expect(adder.outcomes(4).map(\.ticket) == [0, 1, 3, 4])
        #expect(!adder.withdraw(0), "it is written")
        #expect(!adder.isReadable() && adder.takeOutcomes(limit: 10).isEmpty)
        #expect(try await journal.texts("c") == ["0", "1", "3", "4"])
        try await journal.close()
    }

    @Test func whatIsRefusedAtOnceHasNoOutcome() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let adder = try EventLoopAdder(journal)
        let name = String(repeating: "n", count: 5000)
        #expect(await code { try adder.add("x", to: name, ticket: 1) } == .invalidArgument)
        try await journal.close()
        #expect(await code { try adder.add("x", to: "c", ticket: 2) } == .closed)
        #expect(await code { _ = try EventLoopAdder(journal) } == .closed)
        #expect(!adder.isReadable() && adder.takeOutcomes(limit: 10).isEmpty)
    }

    @Test func itKeepsNoJournalOpenAndWhatItTookIsCompleted() async throws {
        let disk = SimulatedDisk()
        let other = try await Journal.open(disk)
        var journal: Journal? = try await Journal.open(disk)
        let adder = try EventLoopAdder(journal!)
        for number in 0..<100 {
            try adder.add(NewMemory(.text("\(number)")), to: "c", ticket: UInt64(number))
        }
        journal = nil
        #expect(await code { try adder.add("x", to: "c", ticket: 100) } == .closed)
        try await other.close()
        // The engine is gone, and has told before.
        #expect(adder.takeOutcomes(limit: 1000).count == 100)
        let again = try await Journal.open(disk)
        #expect(try await again.texts("c").count == 100)
        try await again.close()
    }

    @Test func afterAFailedSyncTheOutcomeIsUnknownAndTheRestIsRefused() async throws {
        let disk = SimulatedDisk()
        let journal = try await Journal.open(disk)
        let adder = try EventLoopAdder(journal)
        disk.failNext(.syncData, with: .inputOutputError)
        for (ticket, expected) in [(UInt64(1), JournalError.Code.outcomeUnknown), (2, .notWritten)] {
            try adder.add("x", to: "c", ticket: ticket)
            let outcome = try #require(adder.outcomes(1).first)
            #expect(outcome.ticket == ticket)
            #expect(await code { _ = try outcome.result.get() } == expected)
        }
        try await journal.close()
    }

    @Test func whatADamagedSnapshotKeepsFromBeingDecidedIsNotWritten() async throws {
        let disk = SimulatedDisk()
        let journal = try await open(disk)
        for number in 0..<30 {
            try await journal.conversation("c").add("text \(number)", idempotencyKey: "\(number)")
        }
        try await journal.snapshot()
        try await journal.close()
        let path = try #require(snapshots(disk).first)
        let bytes = try disk.contents(of: path)
        var wasMet = 0
        for offset in stride(from: 64, to: bytes.count, by: 23) {
            let disk = disk.crash(keeping: .everything)
            let again = try await open(disk)
            let adder = try EventLoopAdder(again)
            // Behind the opening, so that it is met when an add asks for its key.
            var flipped = bytes
            flipped[offset] ^= 1
            try disk.replaceContents(of: path, with: flipped)
            for number in 20..<40 {
                try adder.add(NewMemory(keyed: "\(number)"), to: "c", ticket: UInt64(number))
            }
            for outcome in adder.outcomes(20) {
                do {
                    let receipt = try outcome.result.get()
                    #expect(receipt.isReplayed == (outcome.ticket < 30))
                } catch let error as JournalError {
                    #expect(error.code == .damaged && error.path == path)
                    wasMet += 1
                    let receipt = try again.addNow(NewMemory(keyed: "\(outcome.ticket)"), to: "c")
                    #expect(receipt.isReplayed == (outcome.ticket < 30))
                }
            }
            #expect(try await again.texts("c").count == 40)
            try await again.close()
        }
        #expect(wasMet > 0)
    }

    @Test func manyAreTakenBackBesideManyThatWait() async throws {
        let journal = try await Journal.open(SimulatedDisk())
        let adder = try EventLoopAdder(journal)
        try journal.engine.betweenCommits { () throws(JournalError) in
            for number in 0..<5000 { try adder.add("x", to: "c", ticket: UInt64(number)) }
            for number in stride(from: 4998, through: 0, by: -2) { #expect(adder.withdraw(UInt64(number))) }
            for number in stride(from: 0, to: 5000, by: 2) { #expect(!adder.withdraw(UInt64(number))) }
        }
        let outcomes = adder.outcomes(2500, limit: 100)
        #expect(Set(outcomes.map(\.ticket)) == Set(stride(from: 1, to: 5000, by: 2)))
        #expect(Set(try outcomes.map { try $0.result.get().sequence }) == Set(1...2500))
        try await journal.close()
    }
}

extension NewMemory {
    /// The memory that has a key of that name.
    fileprivate init(keyed key: String) { self.init(.text("text \(key)"), idempotencyKey: key) }
}

extension EventLoopAdder {
    func isReadable(within milliseconds: CInt = 0) -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, milliseconds) == 1
    }

    /// Takes so many outcomes, waiting for each as an event loop does.
    fileprivate func outcomes(_ count: Int, limit: Int = .max) -> [Outcome] {
        var taken: [Outcome] = []
        while taken.count < count {
            guard isReadable(within: 60_000) else {
                Issue.record("of \(count) outcomes \(taken.count) came")
                break
            }
            taken += takeOutcomes(limit: limit)
        }
        return taken
    }
}
