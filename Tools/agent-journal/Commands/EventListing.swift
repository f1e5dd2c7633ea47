import AgentJournal
import CanonicalJSON
import SystemPackage

/// Which events are listed: both ends included.
struct EventRange: Sendable {
    var lowerBound: UInt64 = 1
    var upperBound = UInt64.max
    var notBefore: Timestamp?
    var notAfter: Timestamp?

    /// Resolves points. A label's point is the latest flush that bears it.
    init(from: Point?, to: Point?, in journal: Journal, _ console: Console) async throws {
        let first = try journal.firstSequence
        var labels = LabelFinder(from, to)
        if !labels.isEmpty {
            for try await event in journal.events(after: first - 1) { labels.look(at: event) }
        }
        try self.init(from: from, to: to, labels)
        if lowerBound < first {
            console.note("The history up to sequence \(first - 1) was let go when the journal was compacted")
            lowerBound = first
        }
    }

    /// The same where the journal cannot be opened.
    init(from: Point?, to: Point?, salvaging directory: FilePath) throws {
        var labels = LabelFinder(from, to)
        if !labels.isEmpty { _ = try Journal.salvage(at: directory) { labels.look(at: $0) } }
        try self.init(from: from, to: to, labels)
    }

    private init(from: Point?, to: Point?, _ labels: LabelFinder) throws {
        switch from {
        case .sequence(let sequence): lowerBound = max(sequence, 1)
        case .date(let date): notBefore = date
        case .label(let label): lowerBound = try labels.sequence(of: label)
        case nil: break
        }
        switch to {
        case .sequence(let sequence): upperBound = sequence
        case .date(let date): notAfter = date
        case .label(let label): upperBound = try labels.sequence(of: label)
        case nil: break
        }
    }

    /// Whether the event, and so every later one, lies behind the end. Recorded times never run backwards.
    func isBeyond(_ event: Event) -> Bool {
        event.sequence > upperBound || notAfter.map { event.recorded > $0 } ?? false
    }

    func contains(_ event: Event) -> Bool {
        event.sequence >= lowerBound && !(notBefore.map { event.recorded < $0 } ?? false) && !isBeyond(event)
    }
}

/// Finds the latest flushes that bear labels.
private struct LabelFinder {
    /// Sought labels, as bytes, and where they were seen last.
    private var found: [[UInt8]: UInt64?] = [:]

    init(_ points: Point?...) {
        for case .label(let label)? in points { found[Array(label.utf8)] = .some(nil) }
    }

    var isEmpty: Bool { found.isEmpty }

    mutating func look(at event: Event) {
        guard case .flushed(let label?) = event.kind else { return }
        let bytes = Array(label.utf8)
        if found[bytes] != nil { found[bytes] = event.sequence }
    }

    func sequence(of label: String) throws -> UInt64 {
        guard let sequence = found[Array(label.utf8)] ?? nil else {
            throw Failure(
                "no_such_point",
                "There is no flush with the label \"\(label)\"; `log` lists them. \(Point.forms)")
        }
        return sequence
    }
}

/// Prints the events that can be read of a damaged journal.
struct EventSalvage {
    let directory: FilePath
    let range: EventRange
    let conversation: String?

    /// - Returns: what is damaged.
    func run(_ isJSON: Bool) async throws -> VerifyReport {
        let lines = EventLines(lastSequence: 0, isJSON: isJSON)
        let out = Output()
        var failure: (any Error)?
        let report = try Journal.salvage(at: directory) { event in
            guard failure == nil, range.contains(event), event.belongs(to: conversation) else { return }
            do { try out.write(lines.line(of: event)) } catch { failure = error }
        }
        if let failure { throw failure }
        try out.flush()
        return report
    }
}

extension Event {
    /// Whether it is one of a conversation's, or of any if none is asked for.
    fileprivate func belongs(to name: String?) -> Bool {
        guard let name else { return true }
        return conversation?.utf8.elementsEqual(name.utf8) ?? false
    }
}

/// Prints events, one a line.
struct EventListing: Sendable {
    let journal: Journal
    let range: EventRange
    let conversation: String?
    let isJSON: Bool
    let isFollowing: Bool

    /// So many events are read at a time to be printed backwards.
    private static let windowEvents: UInt64 = 16_384

    /// Oldest first; when following, without end.
    func run() async throws {
        let lines = EventLines(lastSequence: journal.lastSequence, isJSON: isJSON)
        try await withOutput { out in
            let events =
                isFollowing
                ? journal.follow(after: range.lowerBound - 1) : journal.events(after: range.lowerBound - 1)
            for try await event in events {
                if range.isBeyond(event) { break }
                if isWanted(event) { try out.write(lines.line(of: event)) }
                if isFollowing, event.sequence >= journal.lastSequence { try out.flush() }
            }
        }
    }

    /// Newest first, in windows, as the log can only be read forwards.
    func runBackwards() async throws {
        let lines = EventLines(lastSequence: journal.lastSequence, isJSON: isJSON)
        try await withOutput { out in
            var end = min(journal.lastSequence, range.upperBound)
            while end >= range.lowerBound {
                let start = max(range.lowerBound, end - min(end - 1, EventListing.windowEvents - 1))
                var window: [[UInt8]] = []
                for try await event in journal.events(after: start - 1) {
                    if event.sequence > end { break }
                    if isWanted(event) { window.append(lines.line(of: event)) }
                }
                for line in window.reversed() { try out.write(line) }
                end = start - 1
            }
        }
    }

    private func isWanted(_ event: Event) -> Bool {
        range.contains(event) && event.belongs(to: conversation)
    }
}

/// The line of an event.
struct EventLines {
    let lastSequence: UInt64
    let isJSON: Bool

    /// Characters of the content that are shown.
    private static let contentCharacters = 60

    func line(of event: Event) -> [UInt8] { isJSON ? json(event) : Array(text(event).utf8) }

    private func text(_ event: Event) -> String {
        let terminal = Terminal.standardOutput
        let width = max(4, "\(lastSequence)".count)
        let (kind, subject) = describe(event)
        var role = ""
        if case .added(let memory) = event.kind { role = (memory.role?.rawValue ?? "-").shownName }
        let head = "\("\(event.sequence)".paddedLeft(to: width))  \(event.recorded)"
        return "\(terminal.styled(head, .dim))  \(kind.padded(to: 9))  \(role.padded(to: 9))  \(subject)\n"
    }

    private func describe(_ event: Event) -> (kind: String, subject: String) {
        switch event.kind {
        case .added(let memory): ("added", "\(memory.conversation.shownName)  \(excerpt(memory))")
        case .forgotten(let target, let conversation): ("forgotten", "\(conversation.shownName)  \(target)")
        case .cleared(let conversation): ("cleared", conversation.shownName)
        case .flushed(let label): ("flushed", label?.shownName ?? "")
        case .historyLetGo(let sequence): ("let go", "history up to \(sequence)")
        case .erased(let erased):
            (
                "erased",
                [
                    erased.conversation?.shownName,
                    "\(erased.kind.word)\(erased.target.map { " \($0)" } ?? "")",
                ]
                .compactMap { $0 }.joined(separator: "  ")
            )
        case .erasureBegun(let through): ("erasing", "what was forgotten up to \(through)")
        case .erasureDone(let through): ("erasure", "of what was forgotten up to \(through) is done")
        case .lost(let range): ("lost", "events \(range.lowerBound) to \(range.upperBound)")
        case .unknown(let number): ("unknown", "kind \(number), of a later version")
        }
    }

    /// One line, whatever the content holds.
    private func excerpt(_ memory: Memory) -> String {
        if let calls = ToolCalls.text(of: memory) { return short(calls) }
        return switch memory.content {
        case .text(""): "<empty>"
        case .text(let text): short(text)
        case .json(let json): short(json.description)
        case .bytes(let bytes): "<\((memory.mimeType ?? "bytes").shownName), \(bytes.count) bytes>"
        }
    }

    private func short(_ text: String) -> String {
        // Cut before it is escaped: a content may be megabytes long.
        String(text.prefix(EventLines.contentCharacters + 1)).escapingControls(keepingNewlines: false)
            .shortened(to: EventLines.contentCharacters)
    }

    private func json(_ event: Event) -> [UInt8] {
        var conversation: String?
        var target: UInt64?
        var label: String?
        var erased: Event.Erased?
        var first: UInt64?
        let kind: String
        switch event.kind {
        case .added(let memory): return JSONLine.object(memory.exportMembers(kind: "added"))
        case .forgotten(let sequence, let name): (kind, target, conversation) = ("forgotten", sequence, name)
        case .cleared(let name): (kind, conversation) = ("cleared", name)
        case .flushed(let name): (kind, label) = ("flushed", name)
        case .historyLetGo(let sequence): (kind, target) = ("let_go", sequence)
        case .erased(let left):
            (kind, target, conversation, erased) = ("erased", left.target, left.conversation, left)
        case .erasureBegun(let through): (kind, target) = ("erasure_begun", through)
        case .erasureDone(let through): (kind, target) = ("erasure_done", through)
        case .lost(let range): (kind, first, target) = ("lost", range.lowerBound, range.upperBound)
        case .unknown(let number): (kind, target) = ("unknown", number)
        }
        let isUnknown = kind == "unknown"
        return JSONLine.object([
            "conversation": conversation.map { .text($0) }, "erasure": erased.map { .number($0.erasure) },
            "first": first.map { .number($0) },
            "kind": .text(kind), "label": label.map { .text($0) },
            "leaf": erased.map { .string(Hexadecimal.digits(of: $0.leaf)) },
            "number": isUnknown ? target.map { .number($0) } : nil,
            "recorded": .text(event.recorded.description),
            "sequence": .number(event.sequence), "target": isUnknown ? nil : target.map { .number($0) },
            "was": erased.map { .text($0.kind.word) },
        ])
    }
}
