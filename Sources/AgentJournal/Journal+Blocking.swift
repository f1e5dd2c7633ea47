import JournalFileSystem
import SegmentLog

/// The same calls for callers that are not asynchronous: they block their thread until the event is on stable storage.
extension Journal {
    package func addNow(_ memories: [(conversation: String, memory: NewMemory)]) throws -> [Receipt] {
        try submitAndWait(try Append.add(memories, expecting: nil, limits: engine.limits))
    }

    package func addNow(_ memory: NewMemory, to conversation: String) throws -> Receipt {
        try submitAndWait(try Append.add(memory, to: conversation, expecting: nil, limits: engine.limits))[0]
    }

    package func forgetNow(_ sequences: [UInt64]) throws -> [Receipt] {
        try submitAndWait(try Append.forget(sequences, limits: engine.limits))
    }

    package func replaceNow(_ sequence: UInt64, with memory: NewMemory) throws -> Receipt {
        try submitAndWait(try Append.replace(sequence, with: memory, limits: engine.limits))[0]
    }

    package func clearNow(_ conversation: String) throws -> Receipt {
        try submitAndWait(try Append.clear(conversation))[0]
    }

    package func flushNow(label: String?) throws -> Receipt {
        try submitAndWait(try Append.flush(label: label))[0]
    }

    /// The events behind a sequence, up to the last one that is there now.
    package func eventsNow(after sequence: UInt64 = 0) throws(JournalError) -> [Event] {
        try checkOpen()
        let last = try engine.log.visibleSequence
        var cursor = EventCursor(try engine.log, after: sequence)
        var events: [Event] = []
        while let event = try cursor.nextEvent(upTo: last) { events.append(event) }
        return events
    }

    package func snapshotNow() throws(JournalError) -> UInt64 {
        try maintainAndWait { engine throws(JournalError) in
            try engine.inMaintenanceRange { () throws(JournalError) in try engine.takeSnapshot() }
        }
    }

    package func compactNow(
        keepingHistory retention: Retention, erasingForgotten: Bool = false
    ) throws(JournalError) -> CompactionReport {
        let now = try segmentLog.options.now()
        return try maintainAndWait { engine throws(JournalError) in
            try CompactionRun(engine: engine, now: now, isErasing: erasingForgotten).run(retention)
        }
    }

    /// Ends the log's present segment, so that what comes next goes into a new one.
    package func endSegmentNow() throws(JournalError) {
        try checkWritable()
        let engine = try engine
        try engine.betweenCommits { () throws(JournalError) in
            try asJournalError { () throws(LogError) in try engine.log.seal(longerThan: 0) }
        }
    }
}
