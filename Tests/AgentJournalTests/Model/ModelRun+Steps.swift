import JournalTesting
import SystemPackage

@testable import AgentJournal

/// What a run does, step by step.
extension ModelRun {
    mutating func step() async throws {
        switch random.next() % 100 {
        case 0..<26: try await add()
        case 26..<36: try await addBatch()
        case 36..<44: try await addToSeveral()
        case 44..<50: try await addExpecting()
        case 50..<58: try await forget()
        case 58..<65: try await replace()
        case 65..<69:
            let name = name()
            try await append("clear \(short(name))", model.clear(name)) {
                [try await $0.conversation(name).clear()]
            }
        case 69..<75:
            let label = random.pick([nil, "one", "two", "é", "e\u{301}", "", "a\nb"])
            try await append("flush \(label ?? "-")", model.flush(label)) {
                [try await $0.flush(label: label)]
            }
        case 75..<78: try await addConcurrently()
        case 78..<82: try await takeSnapshot()
        case 82..<84: try await compact()
        case 84..<86: try await erase()
        case 86..<89: try await reopen()
        case 89..<91: try await kill()
        case 91..<93: try await cutPower()
        case 93..<95: try await cutPowerWithin()
        case 95..<97: try await changeSecondHandle()
        default: try await changeReader()
        }
    }

    // MARK: Adding

    private mutating func add() async throws {
        let name = name()
        let new = memory()
        try await append("add to \(short(name)): \(short(new))", model.add([(name, new)])) {
            [
                try await $0.conversation(name).add(
                    new.content, role: new.role, mimeType: new.mimeType, metadata: new.metadata,
                    timestamp: new.timestamp, idempotencyKey: new.idempotencyKey)
            ]
        }
    }

    private mutating func addBatch() async throws {
        let name = name()
        let new = (0..<random.next() % 6).map { _ in memory() }
        try await append("add \(new.count) to \(short(name))", model.add(new.map { (name, $0) })) {
            try await $0.conversation(name).add(contentsOf: new)
        }
    }

    private mutating func addToSeveral() async throws {
        let new = (0..<1 + random.next() % 8).map { _ in (conversation: name(), memory: memory()) }
        try await append("add \(new.count) to several", model.add(new)) {
            try await $0.add(contentsOf: new)
        }
    }

    private mutating func addExpecting() async throws {
        let name = name()
        let new = (0..<1 + random.next() % 3).map { _ in memory() }
        let last = model.lastSequence(of: name)
        let expecting = random.pick([last, last, last + 1, 0])
        try await append(
            "add \(new.count) to \(short(name)), expecting \(expecting)",
            model.add(new.map { (name, $0) }, expecting: expecting)
        ) { try await $0.conversation(name).add(contentsOf: new, expecting: expecting) }
    }

    /// Several tasks at once: their order is told by the receipts.
    private mutating func addConcurrently() async throws {
        let count = Int(2 + random.next() % 6)
        steps.append("\(count) adds at once")
        var new: [NewMemory] = []
        for number in 0..<count { new.append(NewMemory("at once \(number)")) }
        let journal = journal
        let all = new
        let receipts = try await withThrowingTaskGroup(of: (Int, Receipt).self) { group in
            for (number, memory) in all.enumerated() {
                group.addTask {
                    (number, try await journal.conversation("at once").add(contentsOf: [memory])[0])
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for (number, receipt) in receipts.sorted(by: { $0.1.sequence < $1.1.sequence }) {
            guard case .success(let change) = model.add([("at once", new[number])]) else {
                throw difference("the model refuses it")
            }
            try await take([receipt], change)
        }
    }

    // MARK: Forgetting

    private mutating func forget() async throws {
        if random.next() % 2 == 0 {
            let name = name()
            let sequence = sequence()
            try await append("forget \(sequence) of \(short(name))", model.forget(sequence, in: name)) {
                [try await $0.conversation(name).forget(sequence)]
            }
        } else {
            let sequences = (0..<random.next() % 4).map { _ in sequence() }
            try await append("forget \(sequences)", model.forget(sequences)) {
                try await $0.forget(sequences)
            }
        }
    }

    private mutating func replace() async throws {
        let sequence = sequence()
        let owner = model.memories(after: model.lastSequence).first { $0.sequence == sequence }?.conversation
        let name = random.next() % 5 == 0 ? name() : owner ?? name()
        let new = memory()
        try await append(
            "replace \(sequence) of \(short(name)) by \(short(new))",
            model.replace(sequence, in: name, with: new)
        ) { [try await $0.conversation(name).replace(sequence, with: new)] }
    }

    // MARK: Snapshots and compaction

    private mutating func takeSnapshot() async throws {
        steps.append("snapshot")
        let covered = try await journal.snapshot()
        try require(covered == model.lastSequence, "a snapshot of \(covered)")
        model.snapshot()
    }

    private mutating func compact() async throws {
        let retention = random.pick([
            Retention.all, .all, .none, .duration(.seconds(3600)), .duration(.seconds(86_400)),
            .days(1 << 40),
        ])
        steps.append("compact, keeping \(retention)")
        let before = (last: model.lastSequence, floor: model.floor, first: model.firstSequence)
        let planned = try await journal.compact(keepingHistory: retention, dryRun: true)
        try require(planned.isDryRun && journal.lastSequence == before.last, "a dry run changed something")
        let report = try await journal.compact(keepingHistory: retention)
        try await takeLetGo(report, retention, before)
    }

    /// Records in the model what a compaction let go.
    private mutating func takeLetGo(
        _ report: CompactionReport, _ retention: Retention,
        _ before: (last: UInt64, floor: UInt64, first: UInt64)
    ) async throws {
        try checkLetGo(report, retention, before)
        var recorded = max(clock.now, model.events.last?.recorded ?? .earliest)
        if report.floor > before.floor, report.firstSequence <= before.last + 1 {
            for try await event in journal.events(after: before.last) { recorded = event.recorded }
            try checkTime(recorded)
        }
        model.letGo(upTo: report.floor, firstSequence: report.firstSequence, recorded: recorded)
        try require(
            report.snapshotSequence == model.lastSequence,
            "compacted with a snapshot of \(report.snapshotSequence)")
    }

    /// Half the time as if it were interrupted by a power cut, and done again.
    private mutating func erase() async throws {
        let retention = random.pick([Retention.all, .all, .all, .none])
        steps.append("erase, keeping \(retention)")
        let before = (last: model.lastSequence, floor: model.floor, first: model.firstSequence)
        let planned = try await journal.compact(
            keepingHistory: retention, erasingForgotten: true, dryRun: true)
        try require(journal.lastSequence == before.last, "a dry run changed something")
        let report = try await journal.compact(keepingHistory: retention, erasingForgotten: true)
        try await takeLetGo(report, retention, before)
        guard let erasure = report.erasure else { throw difference("no receipt of an erasure") }
        let through = model.lastSequence
        let expected = model.erasable(through: through, erasure: through + 1)
        try require(
            planned.erasure?.memories == erasure.memories
                && planned.erasure?.conversations == erasure.conversations,
            "planned \(String(describing: planned.erasure)), done \(erasure)")
        let isNothing = erasure.memories == 0 && erasure.conversations == 0
        try require(expected.isEmpty == isNothing, "erased \(erasure), expected \(expected)")
        guard let recorded = erasure.recorded else {
            return try require(isNothing, "\(erasure.memories) memories are erased without a record of it")
        }
        try require(erasure.sequence == through + 1 && erasure.through == through, "\(erasure)")
        try checkTime(recorded)
        var leaves: [UInt64: [UInt8]] = [:]
        for event in erasure.events { leaves[event.sequence] = event.leaf }
        let fresh = expected.filter { entry in
            guard entry.key >= model.firstSequence else { return false }
            if case .erased = model.events[Int(entry.key) - 1].kind { return false }
            return true
        }
        try require(
            erasure.events.map(\.sequence) == fresh.keys.sorted(),
            "erased \(erasure.events.map(\.sequence)), expected \(fresh.keys.sorted())")
        model.erase(through: through, at: recorded, leaves: leaves)
    }

    /// Where the log is cut is the affair of its segments; what the model knows is what must not go.
    private func checkLetGo(
        _ report: CompactionReport, _ retention: Retention,
        _ before: (last: UInt64, floor: UInt64, first: UInt64)
    ) throws {
        let last = report.floor > before.floor ? before.last + 1 : before.last
        try require(
            report.firstSequence >= before.first
                && report.firstSequence <= max(report.floor, before.floor) + 1,
            "the log begins with \(report.firstSequence), and let go is \(report.floor)")
        switch retention {
        case .all: try require(report.firstSequence == before.first, "something was let go")
        case .none:
            try require(
                before.last == 0 || report.firstSequence == last + 1,
                "the log begins with \(report.firstSequence)")
        case .duration(let duration):
            for event in model.events[
                Int(before.first - 1)..<Int(max(before.first, report.firstSequence) - 1)]
            {
                try require(
                    event.recorded < clock.now.advanced(by: .zero - duration),
                    "\(event.sequence) was let go, recorded \(event.recorded)")
            }
        }
    }

    // MARK: Restarts

    private mutating func reopen() async throws {
        steps.append("close and open")
        let closed = journal
        try await close()
        let found = await code { try await closed.flush() }
        try require(found == .closed, "a flush of a closed journal: \(String(describing: found))")
        try await open()
    }

    private mutating func kill() async throws {
        steps.append("kill")
        disk.kill()
        await leave()
        pid += 1
        disk = disk.asProcess(pid: pid)
        try await open()
    }

    private mutating func cutPower() async throws {
        let kept = random.pick([SimulatedDisk.Kept.everything, .nothingUnsynced])
        steps.append("power cut, keeping \(kept)")
        let found = disk.crash(keeping: kept)
        disk.kill()
        await leave()
        disk = found
        try await open()
    }

    /// The power goes in the middle of a batch: it is there whole or not at all, and a retry of it is recorded once.
    private mutating func cutPowerWithin() async throws {
        steps.append("power cut within a batch")
        let batch = (0..<3).map { number in
            (
                conversation: ["a", "é"][number % 2],
                memory: NewMemory("batch \(steps.count)", idempotencyKey: "batch \(steps.count) \(number)")
            )
        }
        guard case .success(let change) = model.add(batch) else { throw difference("the model refuses it") }
        disk.keepsHistory = true
        let receipts = try await journal.add(contentsOf: batch)
        let calls = disk.calls.count
        let call = Int(random.next() % UInt64(calls))
        let kept = random.pick([SimulatedDisk.Kept.everything, .nothingUnsynced])
        let found = disk.crash(afterCall: call, keeping: kept)
        disk.kill()
        await leave()
        disk = found
        try await open()
        let isThere = journal.lastSequence == model.lastSequence + UInt64(batch.count)
        try require(
            isThere || journal.lastSequence == model.lastSequence && call < calls - 1,
            "after call \(call) of \(calls) the last sequence is \(journal.lastSequence)")
        if isThere { try await take(receipts, change) }
        try await append("the same batch again", model.add(batch)) { try await $0.add(contentsOf: batch) }
    }

    /// Closes everything.
    mutating func close() async throws {
        try await second?.close()
        try await reader?.close()
        second = nil
        reader = nil
        try await journal.close()
    }

    /// Lets go of what a process that is no more had open.
    private mutating func leave() async {
        for journal in [second, reader, journal] {
            // It was killed, so it cannot close cleanly.
            try? await journal?.close()
        }
        second = nil
        reader = nil
    }

    private mutating func open() async throws {
        journal = try await Journal.open(at: directory, create: .never, options: options())
        follow(from: followed)
    }

    mutating func follow(from sequence: UInt64) {
        followed = max(sequence, model.firstSequence - 1)
        follower = journal.follow(after: followed).makeAsyncIterator()
    }

    private mutating func changeSecondHandle() async throws {
        steps.append(second == nil ? "a second handle" : "without the second handle")
        if let second {
            try await second.close()
            self.second = nil
        } else {
            second = try await Journal.open(at: directory, options: options())
        }
    }

    private mutating func changeReader() async throws {
        steps.append(reader == nil ? "a reader beside" : "without the reader")
        if let reader {
            try await reader.close()
            self.reader = nil
        } else {
            let reader = try await Journal.open(at: directory, options: options(.readOnly))
            self.reader = reader
            let found = await code { try await reader.conversation("a").add("not taken") }
            try require(found == .closed, "an add of a reader: \(String(describing: found))")
        }
    }
}
