package import JournalFileSystem
import SegmentLog
public import SystemPackage

/// What reading every byte of a journal found.
public struct VerifyReport: Sendable, Hashable {
    /// Something that is not as it was written.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        /// The file, relative to the journal's directory.
        public var file: String
        /// Where in it, in bytes.
        public var offset: UInt64?
        /// What kind: `identity`, `missing_segment`, `segment_header`, `segment_header_copy`, `foreign_segment`, `frame`,
        /// `event`, `index`, `padding`, `clean_close_record`, `snapshot`, `unfinished_repair`, `unsupported`. Later versions add to
        /// it.
        public var kind: String
        /// The events that cannot be read because of it, as far as they are known; nil when none are lost.
        public var lostSequences: ClosedRange<UInt64>?
        /// What is wrong.
        public var message: String

        /// One line for a person.
        public var description: String {
            var text = file
            if let offset { text += ", offset \(offset)" }
            text += ": \(message)"
            if let lost = lostSequences {
                text += "; lost: sequences \(lost.lowerBound) to \(lost.upperBound)"
            }
            return text
        }

        init(snapshot file: String, _ error: LogError) {
            self.file = file
            offset = error.offset
            kind = error.kind == .unsupported ? "unsupported" : "snapshot"
            message = error.message
        }

        /// A repair was begun and not finished.
        static let unfinishedRepair = Problem(
            file: UnfinishedRepair.file, kind: "unfinished_repair",
            message: "a repair was begun and not finished; repair it again")

        private init(file: String, kind: String, message: String) {
            self.file = file
            self.kind = kind
            self.message = message
        }

        init(_ problem: LogProblem) {
            file = problem.file
            offset = problem.offset
            kind = problem.kind.rawValue
            lostSequences = problem.lost
            message = problem.message
        }
    }

    /// How many segments there are.
    public var segments: Int
    /// How many snapshots there are.
    public var snapshots: Int
    /// How many frames could be read.
    public var frames: UInt64
    /// How many events could be read.
    public var events: UInt64
    /// The last event that could be read.
    public var lastSequence: UInt64
    /// What is wrong, in the order of the files.
    public var problems: [Problem]
    /// Events that a repair recorded as lost, by sequence.
    public var losses: [ClosedRange<UInt64>]
    /// What is no damage and worth knowing: a torn write set aside, a close that was not clean.
    public var notes: [String]

    /// Whether nothing is wrong.
    public var isHealthy: Bool { problems.isEmpty }

    init(_ survey: LogSurvey, snapshots: Int = 0, _ more: [Problem] = []) {
        segments = survey.segmentCount
        self.snapshots = snapshots
        frames = survey.frameCount
        events = survey.eventCount
        lastSequence = survey.lastSequence
        losses = survey.losses
        problems = survey.problems.map { Problem($0) } + more
        notes = survey.notes
    }
}

extension Journal {
    /// Reads every byte of the journal and compares it with its checksums.
    ///
    /// - Throws: `system` when a file cannot be read at all. What is damaged is in the report, not thrown.
    /// - Complexity: linear in the log. Nothing is locked; adds go on.
    public func verify() async throws(JournalError) -> VerifyReport {
        try checkOpen()
        let fileSystem = try segmentLog.options.fileSystem
        return try await onOwnThread { [directory] () throws(JournalError) in
            try Journal.verify(at: directory, fileSystem: fileSystem)
        }
    }

    /// The same for a journal that is too damaged to be opened.
    ///
    /// - Throws: `noJournal`, `notAJournal`, `unsupported`, `system`.
    public static func verify(at directory: FilePath) async throws(JournalError) -> VerifyReport {
        try await onOwnThread { () throws(JournalError) in
            try verify(at: directory, fileSystem: PosixFileSystem())
        }
    }

    /// The same, telling how far it is by sequence.
    package static func verify(
        at directory: FilePath, fileSystem: any FileSystem, progress: ((UInt64) -> Void)? = nil
    ) throws(JournalError) -> VerifyReport {
        let found = try asJournalError { () throws(LogError) in
            try SurveyedSnapshots(directory, fileSystem)
        }
        var floor = found.floor
        // What was let go may be missing if a snapshot has what it gave.
        let survey = LogSurvey(directory, fileSystem: fileSystem, floor: min(floor, found.newest)) {
            frame, payload in
            progress?(frame.lastSequence)
            return Journal.problem(in: payload, of: frame) { floor = max(floor, $0) }
        }
        try asJournalError { () throws(LogError) in try survey.run() }
        var problems = found.problems(logEnd: survey.lastSequence)
        let isUnfinished = try asJournalError { () throws(LogError) in
            try UnfinishedRepair(directory, fileSystem).isThere
        }
        if isUnfinished { problems.append(.unfinishedRepair) }
        return VerifyReport(survey, snapshots: found.count, problems)
    }

    /// What is wrong with the events of a frame whose checksums are right.
    ///
    /// - Parameter letGo: Called with each floor.
    static func problem(
        in payload: UnsafeRawBufferPointer, of frame: FrameCursor.Frame, letGo: (UInt64) -> Void = { _ in }
    ) -> String? {
        var count: UInt32 = 0
        do throws(EventProblem) {
            var events = EventIterator(payload)
            while let event = try events.next() {
                let fields = try EventFields(
                    event, at: frame.firstSequence + UInt64(count), inErasedSegment: frame.isOfErasedSegment)
                if let floor = fields.floor { letGo(floor) }
                count += 1
            }
        } catch {
            switch error {
            case .malformed(let what): return what
            case .unsupported(let what): return "\(what) is not known to this version and must be understood"
            }
        }
        return count == frame.header.eventCount
            ? nil : "the frame holds \(count) events and says \(frame.header.eventCount)"
    }

    /// Reads the events on either side of damage, in order, and says what lies between.
    ///
    /// - Returns: the report; what `body` was called with is all that can be read.
    package static func salvage(
        at directory: FilePath, fileSystem: any FileSystem = PosixFileSystem(), _ body: (Event) -> Void
    ) throws(JournalError) -> VerifyReport {
        try salvageFields(at: directory, fileSystem: fileSystem) { fields, bytes, sequence, recorded in
            body(Event(fields, bytes, sequence: sequence, recordedMicroseconds: recorded))
        }
    }

    /// The state that the events on either side of damage give, now or at a point.
    ///
    /// - Throws: `noSuchPoint` for a label that no readable flush bears.
    package static func salvagedView(
        at directory: FilePath, point: Point? = nil, fileSystem: any FileSystem = PosixFileSystem()
    ) throws(JournalError) -> (view: JournalView, report: VerifyReport) {
        var lastSequence = UInt64.max
        var lastRecorded = Int64.max
        switch point {
        case .sequence(let sequence): lastSequence = sequence
        case .date(let date): lastRecorded = date.microsecondsSince1970
        case .label(let label): lastSequence = try salvagedFlush(label, directory, fileSystem)
        case nil: break
        }
        let found = try asJournalError { () throws(LogError) in
            try SurveyedSnapshots(directory, fileSystem)
        }
        let base = found.sound.first {
            $0.meta.lastSequence <= lastSequence && $0.meta.recordedMicroseconds <= lastRecorded
        }
        var state = State()
        if let base { state = try State(snapshot: base.table) }
        let covered = state.lastSequence
        // Without a sound one, what the damaged ones still have stands in for what the log does not.
        let survivors = base == nil ? try asJournalError { () throws(LogError) in try found.survivors() } : []
        var salvaged = SalvagedState(state, survivors[...], upTo: (lastSequence, lastRecorded))
        let report = try salvageFields(at: directory, fileSystem: fileSystem, found) {
            _, bytes, sequence, recorded in
            if sequence > covered { salvaged.apply(bytes, sequence, recorded) }
        }
        salvaged.finish()
        state = salvaged.state
        return (JournalView(state), report)
    }

    /// The latest flush with a label that can be read.
    private static func salvagedFlush(
        _ label: String, _ directory: FilePath, _ fileSystem: any FileSystem
    ) throws(JournalError) -> UInt64 {
        var found: UInt64?
        _ = try salvageFields(at: directory, fileSystem: fileSystem) { fields, bytes, sequence, _ in
            guard fields.kind == EventFields.Kind.flushed, let range = fields.label,
                bytes[range].elementsEqual(label.utf8)
            else { return }
            found = sequence
        }
        guard let found else {
            throw JournalError(.noSuchPoint, "No flush that can be read has the label \"\(label)\"")
        }
        return found
    }

    private static func salvageFields(
        at directory: FilePath, fileSystem: any FileSystem, _ snapshots: SurveyedSnapshots? = nil,
        _ body: (EventFields, UnsafeRawBufferPointer, UInt64, Int64) -> Void
    ) throws(JournalError) -> VerifyReport {
        let found = try asJournalError { () throws(LogError) in
            if let snapshots { return snapshots }
            return try SurveyedSnapshots(directory, fileSystem)
        }
        var floor = found.floor
        var last: UInt64 = 0
        return try withoutActuallyEscaping(body) { (body) throws(JournalError) in
            let survey = LogSurvey(directory, fileSystem: fileSystem, floor: min(floor, found.newest)) {
                frame, payload in
                if let problem = Journal.problem(in: payload, of: frame, letGo: { floor = max(floor, $0) }) {
                    return problem
                }
                var events = EventIterator(payload)
                var sequence = frame.firstSequence
                while let event = try? events.next() {
                    let fields = EventFields(checked: event)
                    // A segment that holds more than its successor says overlaps it: each sequence is there once.
                    if sequence > last {
                        body(fields, event, sequence, frame.recordedMicroseconds)
                        last = sequence
                    }
                    sequence += 1
                }
                return nil
            }
            try asJournalError { () throws(LogError) in try survey.run() }
            return VerifyReport(survey, snapshots: found.count, found.problems(logEnd: survey.lastSequence))
        }
    }
}

/// A state made of what the log still has, and of what only damaged snapshots have, by sequence.
private struct SalvagedState {
    private(set) var state: State
    private var survivors: ArraySlice<Survivor>
    private let bound: (sequence: UInt64, recorded: Int64)

    init(_ state: State, _ survivors: ArraySlice<Survivor>, upTo bound: (UInt64, Int64)) {
        self.state = state
        self.survivors = survivors
        self.bound = bound
    }

    /// Applies the next event of the log, behind the survivors that come before it.
    mutating func apply(_ bytes: UnsafeRawBufferPointer, _ sequence: UInt64, _ recorded: Int64) {
        applySurvivors { $0 < sequence }
        // The log has it as well.
        if survivors.first?.sequence == sequence { survivors.removeFirst() }
        applyOne(bytes, sequence, recorded)
    }

    /// Applies the survivors behind the log's last event.
    mutating func finish() { applySurvivors { _ in true } }

    private mutating func applySurvivors(while isDue: (UInt64) -> Bool) {
        while let next = survivors.first, isDue(next.sequence) {
            survivors.removeFirst()
            next.event.withUnsafeBytes { applyOne($0, next.sequence, next.recordedMicroseconds) }
        }
    }

    /// Applies an event that was checked when it was read.
    private mutating func applyOne(_ bytes: UnsafeRawBufferPointer, _ sequence: UInt64, _ recorded: Int64) {
        guard sequence <= bound.sequence, recorded <= bound.recorded else { return }
        state.apply(checked: bytes, sequence: sequence, recordedMicroseconds: recorded)
    }
}
