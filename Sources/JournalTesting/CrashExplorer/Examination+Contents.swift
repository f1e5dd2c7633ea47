import AgentJournal

extension Examination {
    /// The state of an open journal is one that the history has, within bounds, and its log has the events that led to it.
    @discardableResult
    mutating func check(_ journal: Journal, _ bounds: CrashRun.Bounds) throws -> UInt64 {
        let last = journal.lastSequence
        guard last >= bounds.acknowledged else {
            throw Broken("\(last) events, and \(bounds.acknowledged) were acknowledged")
        }
        guard last <= bounds.appended else {
            throw Broken("\(last) events, and only \(bounds.appended) were appended")
        }
        guard history.ends.contains(last) else { throw Broken("\(last) events: that is part of a batch") }
        try compare(try items(journal.view()), history.live(at: last), "after \(last) events")
        try checkEvents(journal, upTo: last)
        return last
    }

    private func items(_ view: JournalView) throws -> [ExpectedHistory.Item] {
        try view.conversations().flatMap { conversation in
            try view.memories(in: conversation.name).map { memory in
                ExpectedHistory.Item(sequence: memory.sequence, added: .init(memory))
            }
        }
    }

    private func compare(
        _ found: [ExpectedHistory.Item], _ expected: [ExpectedHistory.Item], _ when: String
    ) throws {
        guard found != expected else { return }
        throw Broken(
            "\(when): sequences \(found.map(\.sequence)) are there, and \(expected.map(\.sequence)) are right"
                + (found.map(\.sequence) == expected.map(\.sequence) ? ", with other contents" : ""))
    }

    /// The log is without a gap, from its first event that was not let go to the last one.
    private mutating func checkEvents(_ journal: Journal, upTo last: UInt64) throws {
        let (before, events) = try events(of: journal)
        guard before <= history.floor(at: last) else {
            throw Broken("the log begins with \(before + 1), and that was not let go")
        }
        guard UInt64(events.count) == last - before else {
            throw Broken("\(events.count) events in the log, from \(before + 1) to \(last)")
        }
        var done: [UInt64] = []
        for event in events {
            if case .erasureDone(let through) = event.kind { done.append(through) }
        }
        for (event, expected) in zip(events, history.events[Int(before)..<Int(last)].enumerated()) {
            let sequence = before + UInt64(expected.offset) + 1
            let isErased = done.contains { history.isErased(sequence, through: $0) }
            let isRight =
                if case .erased(let left) = event.kind {
                    expected.element.allows(erased: left) && history.mayBeErased(sequence, at: last)
                } else {
                    !isErased && expected.element.allows(ExpectedHistory.Event(event))
                }
            guard event.sequence == sequence, isRight else {
                throw Broken("in the log, \(event) is in the place of \(sequence), \(expected.element)")
            }
        }
    }

    private func events(of journal: Journal) throws -> (before: UInt64, events: [Event]) {
        for isLast in [false, true] {
            let before = try journal.firstSequence - 1
            do throws(JournalError) {
                return (before, try journal.eventsNow(after: before))
            } catch {
                // Another process may have dropped some since this one looked last; it has noticed now.
                guard error.code == .noSuchPoint, !isLast else { throw error }
            }
        }
        preconditionFailure("the last try returns or throws")
    }

    /// What was is there to be looked at, by label and by sequence, but for what was let go.
    mutating func checkPast(_ journal: Journal) throws {
        let last = journal.lastSequence
        for label in history.labels {
            try checkPast(journal, .label(label), history.flush(labelled: label, at: last), last)
        }
        for sequence in Set([last / 2, last - min(last, 1)]) {
            try checkPast(journal, .sequence(sequence), sequence, last)
        }
    }

    /// - Parameter sequence: The event that the point means; nil when it must be unknown.
    private mutating func checkPast(
        _ journal: Journal, _ point: Point, _ sequence: UInt64?, _ last: UInt64
    ) throws {
        let view: JournalView
        do {
            view = try journal.pastView(at: point)
        } catch {
            // Between the event that lets history go and its removal it may be there or not.
            let isLetGo = sequence.map { $0 < history.floor(at: last) } ?? true
            guard error.code == .noSuchPoint, isLetGo else {
                throw Broken("\(point) of \(last) events: \(error.code), \(error)")
            }
            return
        }
        guard let sequence, view.sequence == sequence else {
            throw Broken(
                "\(point) of \(last) events leads to \(view.sequence), not \(sequence.map { "\($0)" } ?? "nothing")"
            )
        }
        let found = try items(view)
        // What is forgotten since is perhaps erased; it is looked at elsewhere whether it must be.
        let expected = history.live(at: sequence).filter { item in
            found.contains { $0.sequence == item.sequence }
                || !history.mayBeErased(item.sequence, at: last)
        }
        try compare(found, expected, "\(point) of \(last) events")
    }
}
