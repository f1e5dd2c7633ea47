import JournalFileSystem
import SystemPackage

/// A sealed segment, as whoever decides about packing and dropping sees it.
package struct SealedSegment: Hashable, Sendable {
    package var name: SegmentName
    /// The sequences it holds are those from its name's to this one; none when this is smaller.
    package var lastSequence: UInt64
    /// No event in it was recorded later.
    package var recordedAtMostMicroseconds: Int64
    package var lengthBytes: UInt64
    package var isPacked: Bool
}

/// What packing would do. What is left of the bytes is known only afterwards.
package struct PackPlan: Hashable, Sendable {
    package var segments: [SealedSegment]
    package var bytesBefore: UInt64 { segments.reduce(0) { $0 + $1.lengthBytes } }
}

/// What packing a segment did.
package struct PackResult: Hashable, Sendable {
    package var replaced: SegmentName
    package var name: SegmentName
    package var bytesBefore: UInt64
    package var bytesAfter: UInt64
    /// The events before compression.
    package var rawBytes: UInt64
    package var eventCount: UInt64
}

/// What dropping would remove, or did.
package struct DropPlan: Hashable, Sendable {
    package var segments: [SealedSegment]
    /// The sequence that the log begins with then.
    package var firstSequence: UInt64
    package var freedBytes: UInt64 { segments.reduce(0) { $0 + $1.lengthBytes } }
}

/// What packing and dropping, of which one is done at a time, must remember.
struct Maintenance: Sendable {
    /// Files of which nobody knows any more, whose removal is not certainly durable. Before anything else is removed, this
    /// must be: else, after a power cut, one of them might stand there again with a gap behind it.
    var removals: [FilePath] = []
}

extension SegmentLog {
    /// The segments but the last, in order.
    ///
    /// - Complexity: one status a segment.
    package func sealedSegments() throws(LogError) -> [SealedSegment] {
        let entries = entries
        var sealed: [SealedSegment] = []
        for (entry, next) in zip(entries, entries.dropFirst()) {
            // Gone: packed or dropped since.
            guard let length = try length(of: entry) else { continue }
            sealed.append(
                SealedSegment(
                    name: entry.header.name, lastSequence: next.header.firstSequence - 1,
                    recordedAtMostMicroseconds: next.header.createdMicroseconds, lengthBytes: length,
                    isPacked: entry.header.isPacked))
        }
        return sealed
    }

    /// The segment that is appended to, as it would be when it were sealed now; nil when it holds no events.
    package func activeSegment() throws(LogError) -> SealedSegment? {
        guard let entry = entries.last else { return nil }
        let (end, last, recorded) = writer.withLock { writer in
            (writer.active?.frames.end ?? 0, writer.lastSequence, writer.recordedMicroseconds)
        }
        guard last >= entry.header.firstSequence else { return nil }
        let length = try end > 0 ? end : length(of: entry) ?? 0
        return SealedSegment(
            name: entry.header.name, lastSequence: last, recordedAtMostMicroseconds: recorded,
            lengthBytes: length, isPacked: false)
    }

    /// The sealed segments that are not packed yet.
    package func packPlan() throws(LogError) -> PackPlan {
        PackPlan(segments: try sealedSegments().filter { !$0.isPacked })
    }

    /// The segments that `drop(through:)` would remove.
    package func dropPlan(through sequence: UInt64) throws(LogError) -> DropPlan {
        let sealed = try sealedSegments()
        let dropped = sequence == 0 ? [] : Array(sealed.prefix { $0.lastSequence <= sequence })
        return DropPlan(
            segments: dropped, firstSequence: dropped.last.map { $0.lastSequence + 1 } ?? firstSequence)
    }

    private func length(of entry: CatalogEntry) throws(LogError) -> UInt64? {
        let fileSystem = options.fileSystem
        return try asLogError { () throws(FileSystemError) in try fileSystem.status(of: entry.path)?.length }
    }

    /// Changes names in the directory while this process certainly has the journal: after a failure, or a close,
    /// another may have opened it.
    ///
    /// Under the writer's mutex, so only what takes no time: an open file keeps a removed one's blocks until it is closed.
    func exclusively(_ body: () throws(FileSystemError) -> Void) throws(LogError) {
        try writer.withLock { (writer) throws(LogError) in
            try check(&writer)
            try asLogError(body)
        }
    }

    /// Removes what is to be removed, durably.
    func finishRemovals(_ maintenance: inout Maintenance) throws(LogError) {
        guard !maintenance.removals.isEmpty else { return }
        let fileSystem = options.fileSystem
        let removals = maintenance.removals
        let log = paths.log
        try exclusively { () throws(FileSystemError) in
            for path in removals where try fileSystem.status(of: path) != nil {
                try fileSystem.removeFile(path)
            }
        }
        try asLogError { () throws(FileSystemError) in try fileSystem.syncDirectory(log) }
        maintenance.removals.removeAll()
    }
}
