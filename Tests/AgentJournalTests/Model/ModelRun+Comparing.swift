import JournalTesting
import SystemPackage

@testable import AgentJournal

/// What a run compares with the model.
extension ModelRun {
    /// The state after every step, and something else besides.
    mutating func compare() async throws {
        try await compareState(journal, "the journal")
        if random.next() % 3 == 0, let reader { try await compareState(reader, "the reader") }
        try await compareFollowed()
        switch random.next() % 7 {
        case 5: try await compareHistory()
        case 6: try await compareDiff()
        case 0: try await comparePages()
        case 1: try await comparePoint()
        case 2: try await compareEvents()
        case 3 where random.next() % 3 == 0: try await compareStatistics()
        case 4 where random.next() % 3 == 0:
            let report = try await journal.verify()
            try require(report.isHealthy, "verify: \(report.problems)")
        default: break
        }
    }

    private func compareState(_ journal: Journal, _ what: String) async throws {
        let view = try journal.view()
        try require(view.sequence == model.lastSequence, "\(what) is at \(view.sequence)")
        try compare(view, after: model.lastSequence, what)
        for name in Self.names {
            let last = try await journal.conversation(name).lastSequence()
            try require(
                last == model.lastSequence(of: name),
                "\(what): the last sequence of \(short(name)) is \(last)")
        }
        let names = try await journal.conversations()
        try require(
            names.elementsEqual(model.conversations().map(\.name)) { $0.isSame($1) },
            "\(what): conversations \(names)")
    }

    /// Everything that a view shows.
    private func compare(_ view: JournalView, after count: UInt64, _ what: String) throws {
        let conversations = model.conversations(after: count)
        let found = try view.conversations()
        try require(
            found.elementsEqual(conversations) { $0.name.isSame($1.name) && $0.count == $1.count },
            "\(what): conversations \(found), expected \(conversations)")
        for name in Self.names {
            try compare(
                try view.memories(in: name), model.memories(in: name, after: count), "\(what), \(short(name))"
            )
            let held = try view.count(of: name)
            try require(
                held == model.memories(in: name, after: count).count,
                "\(what), \(short(name)): \(held) memories")
        }
        let total = try view.count
        try require(total == model.memories(after: count).count, "\(what): \(total) memories")
    }

    private func compare(_ found: [Memory], _ expected: [Memory], _ what: String) throws {
        try require(
            found.elementsEqual(expected) { $0.isSame(as: $1) }, "\(what): \(found), expected \(expected)")
    }

    private mutating func comparePages() async throws {
        let name = random.pick(Self.names)
        let last = random.pick([nil, 0, 1, 2, 5])
        let before = random.pick([nil, sequence(), sequence()])
        let what =
            "last \(last.map(String.init) ?? "all") before \(before.map(String.init) ?? "now") of \(short(name))"
        try compare(
            try await journal.conversation(name).memories(last: last, before: before),
            model.memories(in: name, last: last, before: before), what)
        let prefix = random.pick(["", "support/", "support/user-42", "e", "é", "x"])
        let names = try await journal.conversations(prefix: prefix)
        try require(
            names.elementsEqual(model.conversations(prefix: prefix).map(\.name)) { $0.isSame($1) },
            "conversations with \(prefix): \(names)")
        let one = sequence()
        let memory = try journal.view().memory(one)
        let expected = model.memories(after: model.lastSequence).first { $0.sequence == one }
        try compare([memory].compactMap { $0 }, [expected].compactMap { $0 }, "memory \(one)")
    }

    private mutating func comparePoint() async throws {
        let point = point()
        let journal = random.next() % 3 == 0 ? reader ?? journal : journal
        let view: JournalView
        do {
            view = try await journal.view(at: point)
        } catch {
            try require(error.code == .noSuchPoint && mayRefuse(point), "\(point): \(error)")
            return
        }
        guard let sequence = sequence(of: point) else { throw difference("\(point) can be looked at") }
        try require(view.sequence == sequence, "\(point): a view of \(view.sequence), expected \(sequence)")
        try compare(view, after: sequence, "\(point)")
    }

    private mutating func compareHistory() async throws {
        let sequence = random.next() % 8 == 0 ? model.lastSequence + random.next() % 3 : sequence()
        let journal = random.next() % 3 == 0 ? reader ?? journal : journal
        let expected = model.history(of: sequence)
        do {
            let found = try await journal.history(of: sequence)
            guard case .success(let history) = expected, found == history else {
                throw difference("the history of \(sequence): \(found), expected \(expected)")
            }
        } catch let error as JournalError {
            guard case .failure(let failure) = expected, error.code == failure.code else {
                throw difference("the history of \(sequence): \(error), expected \(expected)")
            }
        }
    }

    private mutating func compareDiff() async throws {
        let (from, to) = (point(), point())
        let name = random.pick(Self.names)
        let journal = random.next() % 3 == 0 ? reader ?? journal : journal
        let found: ConversationDiff
        do {
            found = try await journal.conversation(name).diff(from: from, to: to)
        } catch {
            try require(
                error.code == .noSuchPoint && (mayRefuse(from) || mayRefuse(to)),
                "the diff from \(from) to \(to): \(error)")
            return
        }
        // Beyond what may be looked at as a whole the log may still tell what changed.
        var reaching = model
        reaching.pretendToReachBack()
        guard case .success(let first) = reaching.sequence(at: from),
            case .success(let second) = reaching.sequence(at: to)
        else { throw difference("there is a diff from \(from) to \(to)") }
        let expected = model.diff(of: name, from: first, to: second)
        try require(
            found == expected && found.added.elementsEqual(expected.added) { $0.isSame(as: $1) },
            "the diff of \(short(name)) from \(from) to \(to): \(found), expected \(expected)")
    }

    /// What a point means, when it may be looked at.
    private func sequence(of point: Point) -> UInt64? {
        if case .success(let sequence) = model.sequence(at: point) { return sequence }
        guard !knowsSnapshots else { return nil }
        // A snapshot that the model does not know of may lead there.
        var reaching = model
        reaching.pretendToReachBack()
        guard case .success(let sequence) = reaching.sequence(at: point), sequence + 1 >= model.firstSequence
        else { return nil }
        return sequence
    }

    private func mayRefuse(_ point: Point) -> Bool {
        guard case .success(let sequence) = model.sequence(at: point) else { return true }
        // One that the model does not know of may have taken the place of one that it knows.
        return !knowsSnapshots && model.firstSequence > 1 && sequence < model.lastSequence
    }

    private mutating func compareEvents() async throws {
        let after = random.next() % (model.lastSequence + 2)
        let journal = random.next() % 3 == 0 ? reader ?? journal : journal
        var found: [Event] = []
        do {
            for try await event in journal.events(after: after) { found.append(event) }
        } catch {
            try require(
                error.code == .noSuchPoint && after + 1 < model.firstSequence
                    && found.isEmpty,
                "events after \(after): \(error)")
            return
        }
        let expected = model.events.dropFirst(Int(after))
        try require(
            expected.isEmpty || after + 1 >= model.firstSequence,
            "events after \(after), which were let go: \(found)")
        try require(
            found.elementsEqual(expected) { $0.isSame(as: $1) },
            "events after \(after): \(found), expected \(Array(expected))")
    }

    /// Everything new is followed, each event once.
    private mutating func compareFollowed() async throws {
        while followed < model.lastSequence {
            let isGone = followed + 1 < model.firstSequence
            do {
                guard let event = try await follower.next() else {
                    throw difference("nothing more to follow")
                }
                try require(event.isSame(as: model.events[Int(followed)]), "followed \(event)")
                followed = event.sequence
            } catch let error as JournalError {
                try require(error.code == .noSuchPoint && isGone, "followed \(followed): \(error)")
                follow(from: followed)
            }
        }
    }

    private func compareStatistics() async throws {
        let found = try await journal.statistics()
        let segments = disk.paths.filter { $0.string.hasSuffix(".segment") }
        var bytes = 0
        for path in segments { bytes += try disk.contents(of: path).count }
        try require(
            found.events == model.lastSequence + 1 - model.firstSequence
                && found.lastSequence == model.lastSequence
                && found.memories == model.memories(after: model.lastSequence).count
                && found.conversations == model.conversations().count && found.segments == segments.count
                && found.logBytes == UInt64(bytes)
                && (!knowsSnapshots || found.snapshotSequence == model.snapshots.last ?? 0),
            "\(found), and \(segments.count) segments of \(bytes) bytes, snapshots \(model.snapshots)")
    }
}

extension Memory {
    /// To the byte: `==` takes "é" in its two spellings for one.
    func isSame(as other: Memory) -> Bool {
        self == other && conversation.isSame(other.conversation)
            && (idempotencyKey ?? "").isSame(other.idempotencyKey ?? "")
            && (mimeType ?? "").isSame(other.mimeType ?? "")
    }
}

extension Event {
    func isSame(as other: Event) -> Bool {
        guard self == other, (conversation ?? "").isSame(other.conversation ?? "") else { return false }
        switch (kind, other.kind) {
        case (.added(let a), .added(let b)): return a.isSame(as: b)
        case (.flushed(let a), .flushed(let b)): return (a ?? "").isSame(b ?? "")
        default: return true
        }
    }
}
