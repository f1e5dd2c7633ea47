import JournalFileSystem
import SegmentLog
import SystemPackage

/// Every byte of every snapshot, read and checked.
struct SurveyedSnapshots {
    private(set) var count = 0
    /// History up to here was let go, as the snapshots know.
    private(set) var floor: UInt64 = 0
    /// The last event that one of them covers; 0 when none can be read.
    private(set) var newest: UInt64 = 0
    /// Those that nothing is wrong with, the newest first.
    private(set) var sound: [(table: TableReader, meta: StateMeta)] = []
    /// Those that something is wrong with, the newest first.
    private var damaged: [SnapshotFiles.Name] = []
    private let files: SnapshotFiles
    private var problems: [VerifyReport.Problem] = []
    private var ends: [(file: String, sequence: UInt64)] = []

    init(_ directory: FilePath, _ fileSystem: any FileSystem) throws(LogError) {
        let paths = JournalPaths(directory)
        let identity = JournalIdentity.read(in: paths, fileSystem)
        files = SnapshotFiles(
            paths, fileSystem, journal: identity?.journal, cache: BlockCache(limit: 1 << 20),
            maximumBlockBytes: identity?.maximumBlockBytes, random: { 0 })
        for name in try files.names() {
            count += 1
            let file = paths.relative(name.path)
            do throws(LogError) {
                let table = try files.open(name)
                try table.verify()
                let meta = try SurveyedSnapshots.check(table)
                floor = max(floor, meta.floor)
                newest = max(newest, table.sequence)
                sound.append((table, meta))
                ends.append((file, table.sequence))
            } catch {
                // Removed since, by a compaction beside this.
                if error.cause?.errno == .noSuchFileOrDirectory { continue }
                guard error.kind == .damaged || error.kind == .unsupported else { throw error }
                if error.kind == .damaged { damaged.append(name) }
                problems.append(VerifyReport.Problem(snapshot: file, error))
            }
        }
    }

    /// Checks what a table cannot know of itself: that its entries are those of a state.
    ///
    /// - Complexity: reads all of it.
    static func check(_ table: TableReader) throws(LogError) -> StateMeta {
        guard let meta = StateMeta(table.meta), meta.lastSequence == table.sequence else {
            throw LogError(.damaged, "\(table.path) does not say what it covers", path: table.path)
        }
        try checkCounts(table, meta)
        try checkOthers(table)
        return meta
    }

    /// Each conversation has as many memories as is said of it.
    private static func checkCounts(_ table: TableReader, _ meta: StateMeta) throws(LogError) {
        let conversations = TableCursor(table, isCaching: false)
        try conversations.seek([StateKeys.conversations])
        let memories = TableCursor(table, isCaching: false)
        try memories.seek([StateKeys.memories])
        var total: UInt64 = 0
        while let key = conversations.key, key[0] == StateKeys.conversations {
            try checkEntry(key, conversations)
            let prefix = StateKeys.memories(of: Array(key.dropFirst()))
            var count = 0
            while let memory = memories.key, memory.starts(with: prefix) {
                try checkEntry(memory, memories)
                count += 1
                try memories.advance()
            }
            guard ConversationValue(conversations.value)?.memories == count else {
                throw LogError(
                    .damaged, "\(table.path) does not hold as many memories of a conversation as it says",
                    path: table.path)
            }
            total += UInt64(count)
            try conversations.advance()
        }
        guard memories.key?.first != StateKeys.memories, total == meta.memories else {
            throw LogError(
                .damaged, "\(table.path) holds other memories than its conversations say", path: table.path)
        }
    }

    /// Each entry of the other sections is as the format has it. They are not read otherwise.
    private static func checkOthers(_ table: TableReader) throws(LogError) {
        let cursor = TableCursor(table, isCaching: false)
        for section in [StateKeys.erasedKeys, StateKeys.keys, StateKeys.labels, StateKeys.sequences] {
            try cursor.seek([section])
            while let key = cursor.key, key[0] == section {
                try checkEntry(key, cursor)
                try cursor.advance()
            }
        }
    }

    private static func checkEntry(_ key: UnsafeRawBufferPointer, _ cursor: TableCursor) throws(LogError) {
        let table = cursor.table
        guard cursor.operation == .put, SnapshotEntry.isSound(key, cursor.value, through: table.sequence)
        else {
            throw LogError(
                .damaged, "\(table.path) holds an entry that is not as it must be", path: table.path)
        }
    }

    /// What is wrong, when the log's last readable event is known.
    func problems(logEnd: UInt64) -> [VerifyReport.Problem] {
        problems
            + ends.filter { $0.sequence > logEnd }.map { file, sequence in
                VerifyReport.Problem(
                    snapshot: file,
                    LogError(
                        .damaged,
                        "it covers sequence \(sequence), and the log's last readable event has sequence \(logEnd)"
                    ))
            }
    }

    /// The files of those that are damaged.
    var damagedFiles: [FilePath] { damaged.map(\.path) }

    /// The memories with such sequences that the newest sound one has, or else those that can still be read in the damaged ones, in
    /// order of their sequences.
    ///
    /// - Complexity: reads all of it; what is found is in memory.
    func memories(in ranges: [ClosedRange<UInt64>]) throws(LogError) -> [Survivor] {
        func isWanted(_ sequence: UInt64) -> Bool {
            let index = ranges.partitionIndex { $0.upperBound >= sequence }
            return index < ranges.count && ranges[index].contains(sequence)
        }
        if ranges.isEmpty { return [] }
        guard let table = sound.first?.table else {
            return try survivors().filter { isWanted($0.sequence) }
        }
        var found: [Survivor] = []
        try ErasureScope.forEach(StateKeys.memories, of: table) { key, value in
            if isWanted(StateKeys.sequence(ofMemory: key)), let survivor = Survivor(key, value) {
                found.append(survivor)
            }
        }
        return found.sorted { $0.sequence < $1.sequence }
    }

    /// The memories that can still be read in the damaged ones, in order of their sequences, each once.
    ///
    /// - Complexity: they are all in memory.
    func survivors() throws(LogError) -> [Survivor] {
        var found: [UInt64: Survivor] = [:]
        for name in damaged {
            do throws(LogError) {
                try files.salvage(name) { block in
                    for index in 0..<block.count where block.operation(index) == .put {
                        guard let survivor = Survivor(block.key(index), block.value(index)) else { continue }
                        found[survivor.sequence] = survivor
                    }
                }
            } catch {
                // Not one byte of it can be read, or it is gone since: others may have more.
                guard error.kind == .damaged || error.cause?.errno == .noSuchFileOrDirectory else {
                    throw error
                }
            }
        }
        return found.values.sorted { $0.sequence < $1.sequence }
    }
}

/// A memory in a sound block of a damaged snapshot.
struct Survivor {
    var sequence: UInt64
    var recordedMicroseconds: Int64
    /// As it was in the log.
    var event: [UInt8]

    /// Nil when the entry is none of a memory.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard key.count > 10, key[0] == StateKeys.memories, key[key.count - 9] == 0 else { return nil }
        let sequence = StateKeys.sequence(ofMemory: key)
        guard sequence > 0,
            let (event, recorded) = MemoryValue.decode(
                value, name: Array(key[1..<(key.count - 9)]), sequence)
        else { return nil }
        self.sequence = sequence
        recordedMicroseconds = recorded
        self.event = event
    }
}
