import AgentJournal
public import CAgentJournalHeader
import CanonicalJSON
import JournalFileSystem
import Logging

// The functions of agent_journal.h: a thin skin over the synchronous core of the library, without tasks, so that they work in
// the child of a fork too. The header says what they promise.

private func journal(_ handle: OpaquePointer?) throws(JournalError) -> Journal {
    try object(handle, Journal.self)
}

private func options(_ given: UnsafePointer<aj_options>?) throws(JournalError) -> (
    Journal.Creation, Journal.Options
) {
    var options = Journal.Options()
    options.logger = .silent
    guard let given else { return (.ifMissing, options) }
    guard given.pointee.size >= MemoryLayout<aj_options>.size else {
        throw JournalError(
            .invalidArgument, "The size of aj_options is \(given.pointee.size); set it to sizeof(aj_options)")
    }
    if given.pointee.read_only != 0 { options.access = .readOnly }
    let timeout = given.pointee.lock_timeout_milliseconds
    guard timeout >= 0 else { throw JournalError(.invalidArgument, "lock_timeout_milliseconds is negative") }
    if timeout > 0 { options.lockTimeout = .milliseconds(timeout) }
    if let function = given.pointee.log {
        let log = CLog(function, given.pointee.log_context)
        options.logger = Logger(label: "agent-journal") { _ in log }
    }
    return (given.pointee.create != 0 ? .ifMissing : .never, options)
}

/// See agent_journal.h.
@_cdecl("aj_version") public func version() -> UnsafePointer<CChar> {
    UnsafeRawPointer(versionText.utf8Start).assumingMemoryBound(to: CChar.self)
}

private let versionText: StaticString = "0.1.0"

// MARK: Opening and closing

/// See agent_journal.h.
@_cdecl("aj_open") public func open(
    _ path: UnsafePointer<CChar>?, _ given: UnsafePointer<aj_options>?, _ error: ErrorPlace?
) -> OpaquePointer? {
    handle(error) {
        let path = try requiredText(path, "path")
        let (create, options) = try options(given)
        let journal = try Journal.openNow(at: FilePath(path), create: create, options: options)
        Place.warn(of: FilePath(path), options.logger)
        return journal
    }
}

/// See agent_journal.h.
@_cdecl("aj_close") public func close(_ handle: OpaquePointer?, _ error: ErrorPlace?) -> Int32 {
    status(error) { try journal(handle).closeNow() }
}

/// See agent_journal.h.
@_cdecl("aj_journal_free") public func freeJournal(_ handle: OpaquePointer?) { release(handle, Journal.self) }

// MARK: Appending

/// See agent_journal.h.
@_cdecl("aj_add") public func add(
    _ handle: OpaquePointer?, _ start: UnsafePointer<CChar>?, _ length: Int, _ receipts: BufferPlace?,
    _ error: ErrorPlace?
) -> Int32 {
    lines(receipts, error) {
        let journal = try journal(handle)
        return Lines.receipts(try journal.addNow(try Lines.memories(start, length)))
    }
}

/// See agent_journal.h.
@_cdecl("aj_add_one") public func addOne(
    _ handle: OpaquePointer?, _ start: UnsafePointer<CChar>?, _ length: Int, _ unlessShared: Int32,
    _ place: UnsafeMutablePointer<aj_receipt>?, _ error: ErrorPlace?
) -> Int32 {
    addOne(handle, unlessShared, place, error) { try Lines.memory(start, length) }
}

/// See agent_journal.h.
@_cdecl("aj_add_text") public func addText(
    _ handle: OpaquePointer?, _ memory: UnsafePointer<aj_text_memory>?, _ unlessShared: Int32,
    _ place: UnsafeMutablePointer<aj_receipt>?, _ error: ErrorPlace?
) -> Int32 {
    addOne(handle, unlessShared, place, error) { try textMemory(memory) }
}

private func addOne(
    _ handle: OpaquePointer?, _ unlessShared: Int32, _ place: UnsafeMutablePointer<aj_receipt>?,
    _ error: ErrorPlace?, _ given: () throws -> (conversation: String, memory: NewMemory)
) -> Int32 {
    var isLeft = false
    let status = status(error) {
        let journal = try journal(handle)
        isLeft = try unlessShared != 0 && journal.isShared
        guard !isLeft else { return }
        let (conversation, memory) = try given()
        let receipt = try journal.addNow(memory, to: conversation)
        place?.pointee = aj_receipt(receipt)
    }
    return isLeft ? Int32(AJ_SHARED) : status
}

/// See agent_journal.h.
@_cdecl("aj_forget") public func forget(
    _ handle: OpaquePointer?, _ sequences: UnsafePointer<UInt64>?, _ count: Int, _ receipts: BufferPlace?,
    _ error: ErrorPlace?
) -> Int32 {
    lines(receipts, error) {
        let count = try checkedCount(count, of: sequences, "sequences")
        let sequences = UnsafeBufferPointer(start: sequences, count: count)
        return Lines.receipts(try journal(handle).forgetNow(Array(sequences)))
    }
}

/// See agent_journal.h.
@_cdecl("aj_clear") public func clear(
    _ handle: OpaquePointer?, _ conversation: UnsafePointer<CChar>?, _ receipts: BufferPlace?,
    _ error: ErrorPlace?
) -> Int32 {
    lines(receipts, error) {
        let name = try requiredText(conversation, "conversation's name")
        return Lines.receipts([try journal(handle).clearNow(name)])
    }
}

/// See agent_journal.h.
@_cdecl("aj_flush") public func flush(
    _ handle: OpaquePointer?, _ label: UnsafePointer<CChar>?, _ receipts: BufferPlace?, _ error: ErrorPlace?
) -> Int32 {
    lines(receipts, error) {
        Lines.receipts([try journal(handle).flushNow(label: try text(label, "label"))])
    }
}

// MARK: Reading

/// See agent_journal.h.
@_cdecl("aj_memories") public func memories(
    _ handle: OpaquePointer?, _ conversation: UnsafePointer<CChar>?, _ last: Int64, _ before: UInt64,
    _ at: UnsafePointer<aj_point>?, _ memories: BufferPlace?, _ error: ErrorPlace?
) -> Int32 {
    lines(memories, error) {
        let journal = try journal(handle)
        let name = try requiredText(conversation, "conversation's name")
        let view = try at.map { try journal.pastView(at: try Point($0.pointee)) } ?? journal.view()
        return try view.memoryLines(
            in: name, last: last < 0 ? nil : Int(clamping: last), before: before == 0 ? nil : before)
    }
}

/// See agent_journal.h.
@_cdecl("aj_memory_for_key") public func memoryForKey(
    _ handle: OpaquePointer?, _ conversation: UnsafePointer<CChar>?, _ key: UnsafePointer<CChar>?,
    _ receipt: UnsafeMutablePointer<aj_receipt>?, _ memory: BufferPlace?, _ error: ErrorPlace?
) -> Int32 {
    receipt?.pointee = aj_receipt(sequence: 0, recorded_microseconds: 0, replayed: 0, erased: 0)
    return lines(memory, error) {
        let name = try requiredText(conversation, "conversation's name")
        let key = try requiredText(key, "idempotency key")
        guard let known = try journal(handle).view().memoryLine(forKey: key, in: name) else { return [] }
        receipt?.pointee = aj_receipt(known.receipt)
        return known.line
    }
}

/// See agent_journal.h.
@_cdecl("aj_count") public func count(
    _ handle: OpaquePointer?, _ conversation: UnsafePointer<CChar>?, _ count: UnsafeMutablePointer<UInt64>?,
    _ error: ErrorPlace?
) -> Int32 {
    status(error) {
        let view = try journal(handle).view()
        guard let name = try text(conversation, "conversation's name") else {
            count?.pointee = UInt64(try view.count)
            return
        }
        count?.pointee = UInt64(try view.count(of: name))
    }
}

/// See agent_journal.h.
@_cdecl("aj_conversations") public func conversations(
    _ handle: OpaquePointer?, _ prefix: UnsafePointer<CChar>?, _ conversations: BufferPlace?,
    _ error: ErrorPlace?
) -> Int32 {
    lines(conversations, error) {
        let prefix = try text(prefix, "prefix") ?? ""
        var output: [UInt8] = []
        for summary in try journal(handle).view().conversations(prefix: prefix) {
            Lines.append(
                ["conversation": Lines.text(summary.name), "memories": Lines.number(summary.count)],
                to: &output)
        }
        return output
    }
}

/// See agent_journal.h.
@_cdecl("aj_stats") public func stats(
    _ handle: OpaquePointer?, _ stats: BufferPlace?, _ error: ErrorPlace?
) -> Int32 {
    lines(stats, error) {
        let found = try journal(handle).statisticsNow()
        var output: [UInt8] = []
        Lines.append(
            [
                "conversations": Lines.number(found.conversations),
                "disk_bytes": Lines.number(found.diskBytes),
                "events": Lines.number(found.events), "last_sequence": Lines.number(found.lastSequence),
                "log_bytes": Lines.number(found.logBytes), "memories": Lines.number(found.memories),
                "raw_bytes": Lines.number(found.rawBytes), "segments": Lines.number(found.segments),
                "snapshot_bytes": Lines.number(found.snapshotBytes),
                "snapshot_sequence": Lines.number(found.snapshotSequence),
            ], to: &output)
        return output
    }
}

// MARK: Following

/// See agent_journal.h.
@_cdecl("aj_follow") public func follow(
    _ handle: OpaquePointer?, _ after: UInt64, _ error: ErrorPlace?
) -> OpaquePointer? {
    CAgentJournal.handle(error) { try EventFollower(try journal(handle), after: after) }
}

/// See agent_journal.h.
@_cdecl("aj_follower_next") public func nextEvents(
    _ follower: OpaquePointer?, _ timeoutMilliseconds: Int64, _ limit: Int, _ events: BufferPlace?,
    _ error: ErrorPlace?
) -> Int32 {
    // A day at a time, so that no sum of times overflows.
    let timeout = Int(min(max(timeoutMilliseconds, 0), 86_400_000))
    return lines(events, error) {
        switch try object(follower, EventFollower.self).next(
            timeoutMilliseconds: timeout, limit: limit <= 0 ? .max : limit)
        {
        case .lines(let lines): return lines
        case .nothing: return []
        case .interrupted:
            throw JournalError(
                JournalError.Code(rawValue: "interrupted"), "The wait for events was interrupted")
        }
    }
}

/// See agent_journal.h.
@_cdecl("aj_follower_interrupt") public func interruptFollower(_ follower: OpaquePointer?) {
    uncutByForks { (try? object(follower, EventFollower.self))?.interrupt() }
}

/// See agent_journal.h.
@_cdecl("aj_follower_free") public func freeFollower(_ follower: OpaquePointer?) {
    release(follower, EventFollower.self)
}
