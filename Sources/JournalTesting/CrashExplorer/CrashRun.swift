import AgentJournal
import SystemPackage

/// A workload being done on a simulated disk, with what it must have led to.
final class CrashRun {
    /// The disk, as the present process uses it.
    private(set) var disk: SimulatedDisk
    private(set) var history = ExpectedHistory()
    /// Everything up to here is acknowledged.
    private(set) var acknowledged: UInt64 = 0
    private(set) var journal: Journal?

    /// What may be there, when the power goes after a call.
    struct Bounds: Hashable {
        var acknowledged: UInt64
        /// The last event that was appended, or was being appended.
        var appended: UInt64
    }

    /// A step that was done: the calls it made, the bounds while it was done and after, and the disk at its end.
    struct Done {
        var calls: Range<Int>
        var during: Bounds
        var after: Bounds
        var disk: Disk
    }

    private(set) var steps: [Done] = []

    init() {
        disk = SimulatedDisk(pid: 1)
        disk.keepsHistory = true
    }

    /// Makes the journal: the step before the first.
    func begin() throws {
        try note { try open() }
    }

    private func open() throws {
        journal = try Journal.openNow(at: CrashRun.directory, options: .forCrashes(disk, seed: disk.pid))
    }

    static let directory: FilePath = "/srv/memory"

    // MARK: Steps

    /// Does a step.
    ///
    /// - Throws: what the journal throws; then `history` has what may have been written all the same.
    func perform(_ step: CrashStep) throws {
        try note {
            switch step {
            case .drop:
                try compact(recording: .letGo) { _ = try $0.compactNow(keepingHistory: .none) }
            case .erase: try compact(recording: .erasure) { try CrashRun.erase($0) }
            case .dropAndErase: try compact(.none, isErasing: true)
            case .dropByAge: try compact(.duration(.zero), isErasing: false)
            case .dropByAgeAndErase: try compact(.duration(.zero), isErasing: true)
            case .close:
                try journal!.closeNow()
                try open()
            case .kill:
                disk.kill()
                // The killed process closes nothing; what its object still tries fails.
                try? journal!.closeNow()
                disk = disk.asProcess(pid: disk.pid + 1)
                try open()
            default:
                guard let work = work(step) else { return }
                try append(work)
            }
        }
    }

    /// What a step does that neither lets history go nor ends the process, by what was appended so far; nil when there is nothing
    /// to do.
    ///
    /// - Parameter isBeside: Whether another process does a step at the same time: then it forgets another memory.
    func work(_ step: CrashStep, isBeside: Bool = false) -> CrashWork? {
        switch step {
        case .add: return .add([newItem(0)])
        case .batch: return .add([newItem(0), newItem(1), newItem(0, hasKey: false)])
        case .large: return .add([newItem(1, bytes: 70_000)])
        case .retry: return history.lastKeyed(at: history.lastSequence).map { .again($0.added) }
        case .flush:
            // Few labels, so that some are given again.
            let label = "flush \(history.lastSequence % 2)"
            return CrashWork(events: [.flushed(label: label)]) { [try $0.flushNow(label: label)] }
        case .forget: return live(isNewest: isBeside).map { CrashWork.forget($0) }
        case .replace: return live(isNewest: true).map { CrashWork.replace($0) }
        case .clear:
            let name = CrashRun.names[0]
            return CrashWork(events: [.cleared(name)]) { [try $0.clearNow(name)] }
        case .rotate: return .keeping { try $0.endSegmentNow() }
        case .snapshot: return .keeping { _ = try $0.snapshotNow() }
        case .compact: return .keeping { _ = try $0.compactNow(keepingHistory: .all) }
        case .drop, .erase, .dropAndErase, .dropByAge, .dropByAgeAndErase, .close, .kill: return nil
        }
    }

    private func live(isNewest: Bool) -> ExpectedHistory.Item? {
        let live = history.live(at: history.lastSequence)
        return isNewest
            ? live.max { $0.sequence < $1.sequence } : live.min { $0.sequence < $1.sequence }
    }

    static let names = ["alpha", "beta"]

    private func newItem(_ conversation: Int, hasKey: Bool = true, bytes: Int = 0) -> ExpectedHistory.Added {
        itemCount += 1
        var text = "memory \(itemCount)"
        if bytes > 0 {
            var random = SplitMix64(UInt64(itemCount))
            text += String(
                decoding: (0..<bytes).map { _ in UInt8(33 + random.next() % 90) }, as: UTF8.self)
        }
        let roles: [Role?] = [.user, .assistant, nil]
        return ExpectedHistory.Added(
            conversation: CrashRun.names[conversation], text: text, key: hasKey ? "key \(itemCount)" : nil,
            role: roles[itemCount % roles.count],
            metadata: itemCount.isMultiple(of: 2) ? [:] : ["number": "\(itemCount)"])
    }
    private var itemCount = 0

    private func append(_ work: CrashWork) throws {
        let before = history.lastSequence
        history.append(work.events)
        do {
            _ = try work.perform(journal!)
        } catch let error as JournalError {
            if error.code != .outcomeUnknown { history.cut(to: before) }
            throw error
        }
        acknowledged = history.lastSequence
    }

    static func erase(_ journal: Journal) throws {
        _ = try journal.compactNow(keepingHistory: .all, erasingForgotten: true)
    }

    private func compact(_ retention: Retention, isErasing: Bool) throws {
        try compact(recording: .upkeep) {
            _ = try $0.compactNow(keepingHistory: retention, erasingForgotten: isErasing)
        }
    }

    /// Does what records events of one kind: that history goes, or that an erasure begins, and is done.
    private func compact(
        recording event: ExpectedHistory.Event, _ body: (Journal) throws -> Void
    ) throws {
        defer {
            // As many as there was something to record of, and more where it was tried again.
            while history.lastSequence < journal!.lastSequence { history.append([event]) }
        }
        do {
            try body(journal!)
        } catch {
            // What is shown is durable; an event that is not may have been written all the same.
            while history.lastSequence < journal!.lastSequence { history.append([event]) }
            acknowledged = max(acknowledged, journal!.lastSequence)
            history.append([event])
            throw error
        }
        acknowledged = journal!.lastSequence
    }

    private func note(_ body: () throws -> Void) throws {
        let start = disk.calls.count
        let before = acknowledged
        defer {
            steps.append(
                Done(
                    calls: start..<disk.calls.count,
                    during: Bounds(acknowledged: before, appended: history.lastSequence),
                    after: Bounds(acknowledged: acknowledged, appended: history.lastSequence),
                    disk: disk.present))
        }
        try body()
    }
}
